/** The classic dialect against a real server: a Python script of the old kind, and every split and join. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InnocentPeer } from "./innocent_peer.ts";
import { PYTHON } from "./python.ts";
import { RawSocket } from "./raw_socket.ts";
import { RunningProgram } from "./running_program.ts";
import { type ClientView, type FileView, type LogLine, RunningServer } from "./running_server.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";
import { pause, until } from "./until.ts";

/** A classic client is known by its address. */
const NAME = "127.0.0.1";
/** Longer than any wait for the rest of a token, in milliseconds. */
const SETTLED_MS = 600;
/** What a file may hold that looks like the dialect. */
const TREACHEROUS = "HEARTBEATENDbye\nnext.txt|5\nREADY|x\nEND\nHEARTBEAT";

const startServer = (...args: string[]) =>
  RunningServer.start({ args: ["--plaintext", "--open", "--interval", "1", ...args] });

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A classic client in Python that does one thing after another. */
class PythonClient implements AsyncDisposable {
  readonly program: RunningProgram;
  #commands = 0;

  constructor(server: RunningServer) {
    const script = join(import.meta.dirname ?? ".", "classic_client.py");
    this.program = new RunningProgram([PYTHON ?? "", script, NAME, String(server.port)]);
  }

  /** Has it do something; what it prints about it. */
  async do(command: string): Promise<string> {
    const number = ++this.#commands;
    await this.program.type(command);
    return (await this.program.line(new RegExp(`^${number}: `))).replace(/^\d+: /, "");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]();
  }
}

async function texts(server: RunningServer): Promise<unknown[]> {
  const lines = await server.api<LogLine[]>("/api/log?kind=message");
  return lines.filter(({ from }) => from === NAME).map(({ text }) => text);
}

async function beats(server: RunningServer): Promise<number> {
  const lines = await server.log("beat", NAME);
  return lines.reduce((sum, { beats }) => sum + Number(beats), 0);
}

const received = (server: RunningServer) => server.api<FileView[]>("/api/files");

Deno.test({
  name:
    "a Python script beats, chats, sends files and says bye, beside an HB/1 client on the same port (needs python3)",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const random = new Uint8Array(300_001).map((_, at) => (at * at * 31) >> 5);
    const treacherous = new TextEncoder().encode(TREACHEROUS);
    const files = { "report.pdf": random, "empty": new Uint8Array(), "log.txt": treacherous };
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.writeFile(join(directory.path, name), bytes);
    }
    await using server = await startServer();
    await using innocent = await InnocentPeer.connect(server);
    {
      await using client = new PythonClient(server);
      assertEquals(await client.do("beat 5 0.2"), "beaten");
      const view: ClientView = await server.untilState(NAME, "UP");
      assertEquals([view.classic, view.verified], [true, false]);
      assertEquals(await client.do("say printer is on fire"), "said");
      await until(async () => (await texts(server)).length === 1, { what: "the chat" });
      assertEquals(await texts(server), ["printer is on fire"]);
      const reply = server.command("message", NAME, "coming", "at once");
      assertEquals(await client.do("hear"), "b'coming at once\\n'");
      assertEquals((await reply).code, 0);
      for (const name of Object.keys(files)) {
        assertEquals(await client.do(`file ${join(directory.path, name)}`), `READY|${name}`);
      }
      assertEquals(await client.do("beat 2 1"), "beaten");
      assertEquals(
        await client.do(`file ${join(directory.path, "report.pdf")}`),
        "READY|report.pdf",
      );
      assertEquals(await client.do("last END"), "b''", "the server closes");
    }
    await server.untilState(NAME, "PLANNED");
    {
      await using client = new PythonClient(server);
      assertEquals(await client.do("beat 1 0.2"), "beaten");
      await server.untilState(NAME, "UP");
      assertEquals(await client.do("last bye"), "b''", "the server closes");
    }
    const planned = await server.untilState(NAME, "PLANNED");
    assertEquals(planned.cause, "said bye: stop");
    const stored = await server.json<FileView[]>("files", NAME);
    const expected = [...Object.entries(files), ["report (2).pdf", random] as const];
    assertEquals(
      stored.map(({ name, bytes, sha256 }) => [name, bytes, sha256]).sort(),
      expected.map(([name, bytes]) => [name, bytes.length, sha256(bytes)]).sort(),
    );
    for (const { name, path } of stored) {
      assertEquals(path, join(server.files, NAME, name));
      assertEquals(sha256(await Deno.readFile(path)), stored.find((f) => f.path === path)?.sha256);
    }
    assertEquals(await server.log("alert"), []);
    assertEquals((await texts(server)).length, 1, "no byte of a file was taken for chat");
    await innocent.assertUnharmed();
  },
});

Deno.test("classic heartbeats count however TCP glues or splits them", async () => {
  await using server = await startServer();
  await using socket = await RawSocket.connect(server.port);
  await socket.send("HEARTBEATHEARTBEAT");
  await pause(100);
  await socket.send("HEART");
  await pause(100);
  await socket.send("BEAT");
  await pause(100);
  for (const letter of "HEARTBEAT") {
    await socket.send(letter);
    await pause(20);
  }
  await socket.send("HEARTBEATHEARTBEATHEART");
  await pause(100);
  await socket.send("BEAT\nHEARTBEAT\r\n");
  await pause(SETTLED_MS);
  assertEquals(await beats(server), 8);
  assertEquals(await texts(server), []);
  assertEquals(socket.text, "", "a heartbeat is not answered");
});

Deno.test("classic chat is taken apart from heartbeats, and words that only look like keywords are chat", async () => {
  await using server = await startServer();
  await using socket = await RawSocket.connect(server.port);
  const said: string[] = [];
  for (const text of ["goodbye", "FRIEND", "the END is near", "a|b", "50% |off", "grüß dich"]) {
    await socket.send(text);
    said.push(text);
    await pause(SETTLED_MS);
  }
  await socket.send("helloHEARTBEAT");
  said.push("hello");
  await pause(SETTLED_MS);
  await socket.send("one\ntwo\r\nthree\n");
  said.push("one", "two", "three");
  await pause(SETTLED_MS);
  assertEquals(await texts(server), said);
  assertEquals(await beats(server), 1);
  assertEquals(await received(server), []);
});

Deno.test("classic offers and files arrive however TCP glues or splits them", async () => {
  await using server = await startServer();
  const contents = new Map<string, string>();
  await using socket = await RawSocket.connect(server.port);
  const answered = async (name: string) => {
    const answer = `READY|${name}`;
    assertEquals(await socket.take(answer.length), answer);
  };

  await socket.send("split.txt|5");
  await answered("split.txt");
  await socket.send("he");
  await pause(50);
  await socket.send("llo");
  contents.set("split.txt", "hello");

  await socket.send("glued.txt|5hello");
  await answered("glued.txt");
  contents.set("glued.txt", "hello");

  for (const letter of "slow|12") {
    await socket.send(letter);
    await pause(20);
  }
  await answered("slow");
  for (const letter of "HEARTBEATEND") await socket.send(letter);
  contents.set("slow", "HEARTBEATEND");

  await socket.send("line.txt|3\n");
  await answered("line.txt");
  await socket.send("abc");
  contents.set("line.txt", "abc");

  await socket.send("zero|0");
  await answered("zero");
  contents.set("zero", "");
  await socket.send("HEARTBEATbeaten|2");
  await answered("beaten");
  await socket.send("okHEARTBEATlast|4");
  contents.set("beaten", "ok");
  await answered("last");
  await socket.send("doneEND");
  contents.set("last", "done");
  await socket.untilClosed();
  assertEquals(socket.text, "", "READY ends with the name, and nothing else was answered");

  const files = await until(async () => {
    const files = await received(server);
    return files.length === contents.size && files;
  }, { what: `${contents.size} files` });
  for (const { name, path } of files) {
    assertEquals(await Deno.readTextFile(path), contents.get(name), name);
  }
  assertEquals(await beats(server), 2);
  assertEquals(await texts(server), []);
});

Deno.test("classic offers above --max-file-size get REJECT|name, create nothing, and the chat goes on", async () => {
  await using server = await startServer("--max-file-size", "10");
  await using socket = await RawSocket.connect(server.port);
  const before = await walk(server.data);
  await socket.send("big.bin|11");
  assertEquals(await socket.take(14), "REJECT|big.bin");
  assertEquals(await walk(server.data), before);
  await socket.send("fits.bin|10");
  assertEquals(await socket.take(14), "READY|fits.bin");
  await socket.send("0123456789");
  await until(async () => (await received(server)).length === 1, { what: "the file" });
  await socket.send("still here");
  await until(async () => (await texts(server)).length === 1, { what: "the chat" });
  assertEquals(await texts(server), ["still here"]);
  const audit = (await server.log("audit")).find(({ action }) => action !== "started");
  assertEquals([audit?.action, audit?.file], ["file_rejected", "big.bin"]);
});

Deno.test("an operator's text cannot pass for an answer to an offer", async () => {
  await using server = await startServer();
  await using socket = await RawSocket.connect(server.port);
  await socket.send("hello");
  await server.untilLogged("message", ({ text }) => text === "hello");
  await server.json("message", NAME, "READY|x");
  assertEquals(await socket.take(9), " READY|x\n");
});

Deno.test("a classic client that stops beating is DOWN as silent, one that vanishes as lost", async () => {
  await using server = await startServer();
  {
    await using socket = await RawSocket.connect(server.port);
    await socket.send("HEARTBEAT");
    const down = await server.untilState(NAME, "DOWN");
    assertEquals(down.cause, "silent");
    for (let beat = 0; beat < 3; beat++) {
      await socket.send("HEARTBEAT");
      await pause(200);
    }
    await server.untilState(NAME, "UP");
  }
  // The third change within a short time: that it comes and goes is told, and why it went is on record.
  await server.untilState(NAME, "FLAPPING");
  const lost = await server.untilLogged(
    "state",
    ({ state, flapping }) => state === "DOWN" && flapping === true,
  );
  assertEquals(lost.cause, "connection lost");
});

Deno.test("a classic client that only chats is not missed when it goes quiet or leaves", async () => {
  await using server = await startServer();
  {
    await using socket = await RawSocket.connect(server.port);
    await socket.send("hello");
    await server.untilLogged("message", ({ text }) => text === "hello");
    await pause(3_000);
    assert(!socket.closed);
  }
  await server.untilState(NAME, "PLANNED");
  const lines = await server.log("state,alert");
  assertEquals(lines.map(({ state }) => state), ["UP", "PLANNED"]);
});

Deno.test("a server without --open closes a classic peer and notes it", async () => {
  await using server = await RunningServer.start({ args: ["--plaintext"] });
  const before = await walk(server.data);
  await using socket = await RawSocket.connect(server.port);
  await socket.send("HEARTBEAT");
  await socket.untilClosed();
  assertEquals(socket.text, "");
  const audit = await server.untilLogged("audit", ({ action }) => action === "classic_refused");
  assertMatch(String(audit.address), /^127\.0\.0\.1$/);
  assertEquals(await server.json("clients"), []);
  assertEquals(await walk(server.data), before);
});
