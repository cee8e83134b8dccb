import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { configureLogging, getLog } from "../platform/log.ts";
import { Terminal } from "../platform/terminal.ts";
import type { AgentState } from "./agent.ts";
import { type ChatView, jsonView, LARGE_FILE_BYTES, logView, terminalView } from "./chat_view.ts";

const CONNECTED: AgentState = {
  kind: "connected",
  name: "till-3",
  address: { hostname: "10.0.0.5", port: 5001 },
  rttMs: 1.26,
};
const WAITING: AgentState = { kind: "waiting", waitMs: 1_500.4, reason: "refused", hint: "look" };

/** What `showReceived()` is as JSON. */
const RECEIVED_JSON = [
  ...[[LARGE_FILE_BYTES - 1, 0], [LARGE_FILE_BYTES, 0], [LARGE_FILE_BYTES, 2048]].map((
    [bytes, offset],
  ) => ({ id: "5", name: "a\u202eb.iso", bytes, sha256: "1", state: "receiving", offset })),
  {
    id: "5",
    name: "a (2).iso",
    path: "/f/a (2).iso",
    bytes: LARGE_FILE_BYTES,
    sha256: "1",
    state: "stored",
  },
  { id: "6", name: "../\u001b[2J", code: "bad_name", reason: "no", state: "refused" },
  { id: "6", name: "b", code: "no_space", reason: "full", state: "waiting" },
];

function fakeTerminal(): { terminal: Terminal; out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const { signal: closed } = new AbortController();
  const sink = (lines: string[]) => ({
    write: (text: string) => void lines.push(text),
    flush: () => Promise.resolve(),
    closed,
  });
  const terminal = new Terminal({
    stdout: sink(out),
    stderr: sink(err),
    isStdoutTty: false,
    isStderrTty: false,
    isStdinTty: false,
    noColor: true,
    columns: () => undefined,
  });
  return { terminal, out, err };
}

/** Shows one of everything. */
function showAll(view: ChatView): void {
  for (const state of [{ kind: "connecting" } as const, WAITING, WAITING, CONNECTED]) {
    view.state(state);
  }
  view.message({ id: "1", at: 1, text: "evil \u001b[2J\nserver: fake" });
  view.queued({ id: "2", text: "hello" });
  view.receipt({ id: "2", state: "stored" }, "hello");
  view.receipt({ id: "3", state: "refused", reason: "no" }, undefined);
  view.stored({ id: "4", path: "a.txt", as: "a (2).txt", bytes: 2048, sha256: "0" });
  showReceived(view);
  view.notice("by the way");
  view.warning("beware", "do this");
}

/** Shows everything that can become of a file of the server. */
function showReceived(view: ChatView): void {
  const size = LARGE_FILE_BYTES;
  const offer = { id: "5", name: "a\u202eb.iso", size, sha256: "1" };
  view.coming({ ...offer, size: size - 1 }, 0);
  view.coming(offer, 0);
  view.coming(offer, 2048);
  view.received({ id: "5", as: "a (2).iso", path: "/f/a (2).iso", bytes: size, sha256: "1" });
  const refused = {
    id: "6",
    name: "../\u001b[2J",
    code: "bad_name",
    reason: "no",
    retry: false,
  } as const;
  view.notReceived(refused);
  view.notReceived({ ...refused, name: "b", code: "no_space", reason: "full", retry: true });
}

Deno.test("terminalView() puts everything into words, a repeated reason once", () => {
  const { terminal, out, err } = fakeTerminal();
  showAll(terminalView(terminal));
  assertEquals(out, ["server: evil \\x1b[2J\\x0aserver: fake\n"]);
  assertEquals(err, [
    "not connected: refused; trying again in 1.5 s\n",
    "hint: look\n",
    "connected to 10.0.0.5:5001 as till-3\n",
    "stored: hello\n",
    "refused: a message: no\n",
    'stored a.txt as "a (2).txt" (2.0 KiB)\n',
    "server sends a\\u202eb.iso (16.0 MiB)\n",
    "server sends a\\u202eb.iso (16.0 MiB, going on at 2.0 KiB)\n",
    "server sent a (2).iso (16.0 MiB) -> /f/a (2).iso\n",
    "not received: ../\\x1b[2J: no\n",
    "not received yet: b: full\n",
    "by the way\n",
    "warning: beware\n",
    "hint: do this\n",
  ]);
});

Deno.test("logView() prints messages and logs the rest, a repeated reason at a lower level", () => {
  const { terminal, out } = fakeTerminal();
  const lines: string[] = [];
  const clock = new FakeClock();
  using _log = configureLogging({
    level: "info",
    format: "text",
    write: (line) => lines.push(line.slice(line.indexOf("Z ") + 2)),
    clock,
  });
  showAll(logView(terminal, getLog("client")));
  assertEquals(out, ["server: evil \\x1b[2J\\x0aserver: fake\n"]);
  assertEquals(lines, [
    "WARN  client: Not connected: refused; trying again in 1.5 s (hint=look)",
    "INFO  client: Connected to 10.0.0.5:5001 as till-3",
    "WARN  client: The server refused message 3: no",
    "INFO  client: Stored a.txt as a (2).txt (2048 bytes)",
    "INFO  client: Received a (2).iso (16777216 bytes) as /f/a (2).iso",
    "WARN  client: Not received: ../\\x1b[2J: no (code=bad_name)",
    "WARN  client: Not yet received: b: full (code=no_space)",
    "INFO  client: by the way",
    "WARN  client: beware (hint=do this)",
  ]);
});

Deno.test("jsonView() prints one object per line and keeps text as it came", () => {
  const { terminal, out, err } = fakeTerminal();
  showAll(jsonView(terminal, new FakeClock()));
  assertEquals(err, []);
  const at = "2026-11-22T10:00:00.000Z";
  assertEquals(out.map((line) => JSON.parse(line)), [
    { at, kind: "state", state: "connecting" },
    { at, kind: "state", state: "waiting", reason: "refused", wait_ms: 1500 },
    { at, kind: "state", state: "waiting", reason: "refused", wait_ms: 1500 },
    {
      at,
      kind: "state",
      state: "connected",
      name: "till-3",
      address: "10.0.0.5:5001",
      rtt_ms: 1.3,
    },
    {
      at,
      kind: "message",
      id: "1",
      from: "server",
      to: "till-3",
      text: "evil \u001b[2J\nserver: fake",
      state: "stored",
    },
    {
      at,
      kind: "message",
      id: "2",
      from: "till-3",
      to: "server",
      text: "hello",
      state: "queued",
    },
    { at, kind: "receipt", id: "2", state: "stored" },
    { at, kind: "receipt", id: "3", state: "refused", reason: "no" },
    {
      at,
      kind: "file",
      id: "4",
      path: "a.txt",
      as: "a (2).txt",
      bytes: 2048,
      sha256: "0",
      state: "stored",
    },
    ...RECEIVED_JSON.map((file) => ({ at, kind: "file", direction: "in", ...file })),
    { at, kind: "notice", text: "by the way" },
    { at, kind: "warning", text: "beware" },
  ]);
});
