import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { configureLogging, getLog } from "../platform/log.ts";
import { Terminal } from "../platform/terminal.ts";
import type { AgentState } from "./agent.ts";
import { type ChatView, jsonView, logView, terminalView } from "./chat_view.ts";

const CONNECTED: AgentState = {
  kind: "connected",
  name: "till-3",
  address: { hostname: "10.0.0.5", port: 5001 },
  rttMs: 1.26,
};
const WAITING: AgentState = { kind: "waiting", waitMs: 1_500.4, reason: "refused", hint: "look" };

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
  view.receipt({ id: "2", state: "stored" }, "hello");
  view.receipt({ id: "3", state: "refused", reason: "no" }, undefined);
  view.stored({ id: "4", path: "a.txt", as: "a (2).txt", bytes: 2048, sha256: "0" });
  view.notice("by the way");
  view.warning("beware", "do this");
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
    { at, kind: "notice", text: "by the way" },
    { at, kind: "warning", text: "beware" },
  ]);
});
