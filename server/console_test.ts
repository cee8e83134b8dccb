import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fakeNotice } from "./alert/fake_notice.ts";
import type { LineEditorOptions } from "../platform/line_editor.ts";
import { Terminal } from "../platform/terminal.ts";
import { openConsole } from "./console.ts";
import { fakeOperations } from "./fake_operator.ts";
import { FakeServer } from "./fake_server.ts";
import { StoreError } from "./store.ts";

/** A server with its console; `type` is what the operator types. */
async function begin({ interactive = true }: { interactive?: boolean } = {}) {
  const server = await FakeServer.start();
  const shown: string[] = [];
  const everything: string[] = [];
  const data: string[] = [];
  const quits: string[] = [];
  const sink = (lines: string[]) => ({
    write: (text: string) => void lines.push(text),
    flush: () => Promise.resolve(),
    closed: new AbortController().signal,
  });
  const terminal = new Terminal({
    stdout: sink(data),
    stderr: {
      ...sink(shown),
      write: (text: string) => void (shown.push(text), everything.push(text)),
    },
    isStdoutTty: false,
    isStderrTty: interactive,
    isStdinTty: interactive,
    noColor: true,
    columns: () => 80,
  });
  let editor: LineEditorOptions | undefined;
  let closed = 0;
  const operatorConsole = openConsole({
    terminal,
    operations: fakeOperations(server),
    onQuit: (reason) => quits.push(reason),
    open: (_terminal, options) => {
      editor = options;
      const close = () => void closed++;
      return { close, [Symbol.dispose]: close };
    },
  });
  const take = () => shown.splice(0).join("");
  const type = async (line: string) => {
    take();
    editor?.onLine(line);
    for (let turn = 0; turn < 3; turn++) await server.clock.advance(0);
    return take();
  };
  return {
    server,
    operatorConsole,
    data,
    quits,
    take,
    /** All that was ever shown, taken or not. */
    seen: () => everything.join(""),
    type,
    end: (reason: "eof" | "interrupt") => editor?.onClose(reason),
    closed: () => closed,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function unreachable(): never {
  throw new Error("unreachable");
}

function said(from: string, text: string) {
  return { id: "m1", client: "k1", from, text };
}

Deno.test("the console greets a person, and nobody on a pipe", async () => {
  await using place = await begin();
  assertStringIncludes(place.take(), "/help");
  await using piped = await begin({ interactive: false });
  assertEquals(piped.take(), "");
});

Deno.test("the console shows a message with control characters made visible", async () => {
  await using place = await begin();
  place.take();
  place.operatorConsole.onMessage(said("till-3", "on \u001b[2J fire\u202e"));
  const shown = place.take();
  assertStringIncludes(shown, "till-3: on ");
  assert(!shown.includes("\u001b") && !shown.includes("\u202e"), shown);
});

Deno.test("the console writes @NAME text to that client, whatever the case of its name", async () => {
  await using place = await begin();
  const { server, type } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  assertEquals(await type("@TILL-3   please  restart "), "-> TILL-3: please  restart\n");
  assertEquals((await peer.expect("MESSAGE")).text, "please  restart");
});

Deno.test("the console answers whoever wrote last", async () => {
  await using place = await begin();
  const { server, operatorConsole, type } = place;
  const first = await server.connect(await server.enrol("till-3"));
  const second = await server.connect(await server.enrol("till-4"));
  assertStringIncludes(await type("hello?"), "Nobody has written yet");
  operatorConsole.onMessage(said("till-4", "hi"));
  operatorConsole.onMessage(said("till-3", "me too"));
  assertEquals(await type("coming"), "-> till-3: coming\n");
  assertEquals((await first.expect("MESSAGE")).text, "coming");
  second.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
  await second.expect("BEAT");
});

Deno.test("the console writes to a tag and to all; a client's name comes before a tag", async () => {
  await using place = await begin();
  const { server, type } = place;
  const shop = await server.connect(await server.enrol("shop", ["gate"]));
  const till = await server.connect(await server.enrol("till-3", ["shop", "gate"]));
  await type("@gate one");
  await type("@shop two");
  await type("@all three");
  const texts = async (peer: typeof shop, count: number) => {
    const got = [];
    for (let at = 0; at < count; at++) got.push((await peer.expect("MESSAGE")).text);
    return got;
  };
  assertEquals(await texts(shop, 3), ["one", "two", "three"]);
  assertEquals(await texts(till, 2), ["one", "three"]);
});

Deno.test("the console says how far a typed message has come, and not those of others", async () => {
  await using place = await begin();
  const { server, operatorConsole, type, take } = place;
  const till = await server.enrol("till-3");
  server.parts.roster.admit(server.tables.client(till.keyId) ?? unreachable());
  assertEquals(
    await type("@till-3 coming"),
    "-> till-3: coming\nqueued: it is away and will get it later\n",
  );
  const [{ id = "" } = {}] = server.tables.waitingMessages(till.keyId);
  const receipt = { id, to: "till-3", text: "coming" };
  operatorConsole.onReceipt({ ...receipt, id: "another", state: "stored" });
  for (const state of ["sent", "stored", "shown", "shown"] as const) {
    operatorConsole.onReceipt({ ...receipt, state });
  }
  assertEquals(take(), "stored at till-3: coming\nshown at till-3: coming\n");
  await type("@till-3 stale");
  const stale = server.tables.waitingMessages(till.keyId)[1]?.id ?? "";
  operatorConsole.onReceipt({ ...receipt, id: stale, state: "expired" });
  assertEquals(take(), "expired, not delivered to till-3: coming\n");
  const second = await server.enrol("till-4");
  server.parts.roster.admit(server.tables.client(second.keyId) ?? unreachable());
  await type("@all hello");
  const other = server.tables.waitingMessages(till.keyId).at(-1)?.id ?? "";
  operatorConsole.onReceipt({ ...receipt, id: other, state: "stored" });
  assertEquals(take().includes("stored at"), false, "a word from each of many would be too much");
});

Deno.test("the console has a client told that its message was shown, when a person reads along", async () => {
  for (const interactive of [true, false]) {
    await using place = await begin({ interactive });
    const { server, operatorConsole } = place;
    const till = await server.enrol("till-3");
    const peer = await server.connect(till);
    const id = "019aa8d0-0000-7000-8000-000000000001";
    peer.send({ verb: "MESSAGE", id, at: 1, text: "hello" });
    await peer.expect("RECEIPT");
    operatorConsole.onMessage({ id, client: till.keyId, from: "till-3", text: "hello" });
    peer.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
    const skipped = interactive ? ["PING", "BEAT"] as const : ["PING"] as const;
    const frame = await peer.next([...skipped]);
    assertEquals(frame?.verb, interactive ? "RECEIPT" : "BEAT");
    const state = server.tables.events({ kinds: ["message"] })[0]?.message?.state;
    assertEquals(state, interactive ? "shown" : "stored");
  }
});

Deno.test("the console sends a file to a name, a tag or all, and says when it has landed", async () => {
  await using place = await begin();
  const { server, operatorConsole, type, take } = place;
  const path = join(server.directory, "my setup.msi");
  await Deno.writeTextFile(path, "setup");
  const till = await server.connect(await server.enrol("till-3", ["shop"]));
  for (const [who, shown] of [["till-3", "till-3"], ["@TILL-3", "TILL-3"], ["@shop", "@shop"]]) {
    await type(`/send ${who} ${path}`);
    const { path: [name] = [] } = await till.expect("PUSH") as { path: string[] };
    assertEquals(name, "my setup.msi");
    await server.until(() => place.seen().includes(`-> ${shown}: ${path} is on its way\n`));
  }
  assertEquals(await type("/send till-3"), "Type /send NAME FILE.\n");
  await type(`/send till-3 ${join(server.directory, "absent")}`);
  await server.until(() => place.seen().includes("does not exist"));
  take();
  const notice = { to: "till-3", name: "a\u001b[2J.msi" };
  operatorConsole.onPush({ ...notice, state: "stored", landed: "a (2).msi" });
  operatorConsole.onPush({ ...notice, state: "refused", reason: "denied: no" });
  const lines = take().split("\n");
  assert(lines[0]?.startsWith("till-3 has stored a") && lines[0].endsWith(" as a (2).msi"));
  assert(lines[1]?.startsWith("till-3 has refused a") && lines[1].endsWith(": denied: no"));
  assert(!lines.join("").includes("\u001b"));
});

Deno.test("the console says what is wrong, with a hint, and goes on", async () => {
  await using place = await begin();
  const { server, type } = place;
  const unknown = await type("@nobody hello");
  assertStringIncludes(unknown, "hbserver: error: Cannot find");
  assertStringIncludes(unknown, "hbserver: hint:");
  assertStringIncludes(await type("@till-3"), "Type @NAME and then the text");
  server.fail("alerts", new StoreError("Cannot use the database"));
  assertStringIncludes(await type("/alerts"), "Cannot use the database");
  server.fail("alerts", undefined);
  assertEquals(await type("/alerts"), "No open alerts.\n");
});

Deno.test("the console does nothing with an empty line", async () => {
  await using place = await begin();
  assertEquals([await place.type(""), await place.type("   ")], ["", ""]);
});

Deno.test("/clients and /alerts show what there is", async () => {
  await using place = await begin();
  const { server, type } = place;
  assertEquals(await type("/clients"), "No clients yet. Try /invite.\n");
  await server.connect(await server.enrol("till-3"));
  assertStringIncludes(await type("/clients"), "till-3  UP  last seen 2026-11-22T10:00:00.000Z");
  await server.clock.advance(50_000);
  assertStringIncludes(await type("/clients"), "till-3  DOWN (silent)");
  assertStringIncludes(await type("/alerts"), "#1  till-3  silent  since 2026-11-22T10:00:50.000Z");
});

Deno.test("/invite prints the command for the client, with or without a name", async () => {
  await using place = await begin();
  const { server, type, data } = place;
  assertStringIncludes(await type("/invite"), "hbclient join hb1.");
  assertStringIncludes(await type("/invite till-3"), "hbclient join hb1.");
  assertEquals(server.audits().map(({ name }) => name), [undefined, "till-3"]);
  assertStringIncludes(await type("/invite ../x"), "error: Cannot make a join key");
  assertEquals(data, [], "stdout is data, and this is talk");
});

Deno.test("/help lists every command, and so does one that there is not", async () => {
  await using place = await begin();
  for (const line of ["/help", "/nonsense", "/"]) {
    const help = await place.type(line);
    for (const command of ["@NAME", "/clients", "/alerts", "/invite", "/help", "/quit"]) {
      assertStringIncludes(help, command);
    }
  }
});

Deno.test("/quit, Ctrl-C and the end of a person's input end the server, each with its reason", async () => {
  await using place = await begin();
  await place.type("/quit");
  place.end("interrupt");
  place.end("eof");
  assertEquals(place.quits, ["/quit", "Ctrl-C", "end of input"]);
});

Deno.test("the end of a pipe does not end the server", async () => {
  await using place = await begin({ interactive: false });
  place.end("eof");
  assertEquals(place.quits, []);
});

Deno.test("the console rings for an alert and not for a recovery", async () => {
  await using place = await begin();
  place.take();
  const notice = fakeNotice();
  place.operatorConsole.onNotice({ ...notice, kind: "recovery" });
  assertEquals(place.take(), "");
  place.operatorConsole.onNotice({ ...notice, kind: "alert" });
  assertEquals(place.take(), "\x07");
});

Deno.test("the console gives the terminal back when it is disposed of", async () => {
  await using place = await begin();
  place.operatorConsole[Symbol.dispose]();
  assertEquals(place.closed(), 1);
});
