/** Peers that break the rules of files and frames, against a real server with an innocent client. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { MAX_GREETING_LINE_BYTES, MAX_LINE_BYTES } from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { dial, Peer } from "./peer.ts";
import { staged } from "./published_watch.ts";
import { RawSocket } from "./raw_socket.ts";
import { RunningServer } from "./running_server.ts";
import { walk } from "./temporary_directory.ts";
import { pause, until } from "./until.ts";

const ID = "019aa8d0-0000-7000-8000-000000000001";
const NEXT_ID = "019aa8d0-0000-7000-8000-000000000002";
const MB = 1024 * 1024;

const utf8 = (text: string) => new TextEncoder().encode(text);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const offer = (id: string, size: number) =>
  `FILE ${JSON.stringify({ id, path: ["a.txt"], size })}\n`;
const sum = (id: string, text: string) =>
  `SUM ${JSON.stringify({ id, bytes: text.length, sha256: sha256(text) })}\n`;

/** A server with an innocent client, and what lies in its data directory. */
async function startServer(...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const options = { args: ["--plaintext", "--open", "--interval", "1", ...args] };
  const server = stack.use(await RunningServer.start(options));
  const innocent = stack.use(await InnocentPeer.connect(server));
  const before = await walk(server.data);
  const moved = stack.move();
  return { server, innocent, before, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Fails unless nothing was published, no file of the server's own is new, and the innocent client saw nothing. */
async function assertNothingCame(on: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  let lying: string[] = [];
  const allowed = (path: string) => path.startsWith(join("files", ".staging")); // What is kept of a cut transfer.
  await until(async () => {
    lying = (await walk(on.server.data)).filter((path) => !on.before.includes(path));
    return lying.every(allowed);
  }, { what: () => `nothing new in the data directory: ${lying}`, timeoutMs: 5_000 });
  assertEquals(await on.server.json("files"), []);
  await on.innocent.assertUnharmed();
}

Deno.test("bytes behind the announced ones are never read as a verb: the transfer and the connection end (fault 10) [HB-62]", async () => {
  await using on = await startServer();
  const message = `MESSAGE ${JSON.stringify({ id: NEXT_ID, at: 0, text: "smuggled" })}\n`;
  const surplus = [
    offer(NEXT_ID, 0),
    message,
    `X${sum(ID, "hello")}`,
    `!${message}`,
    `\n${sum(ID, "hello")}`,
    "END\n",
    sum(NEXT_ID, "hello"),
    sum(ID, "hello!"),
    "\x00\xff\xfe\n",
  ];
  for (const [at, more] of surplus.entries()) {
    // Each as another client, to whom nothing of the others is offered.
    using peer = await Peer.connect(on.server, { role: "data", name: `till-${at}` });
    await peer.sendBytes(utf8(offer(ID, 5)));
    assertEquals((await peer.next("READY")).offset, 0);
    await peer.sendBytes(utf8(`hello${more}`));
    const verbs = (await peer.rest()).map((frame) => frame.verb);
    assertEquals(verbs, ["REFUSE"], JSON.stringify(more));
  }
  assertEquals(await on.server.log("message"), []);
  await assertNothingCame(on);
});

Deno.test("fewer bytes than announced, and then an end or a reset, publish nothing (fault 10) [HB-10]", async () => {
  await using on = await startServer();
  for (const how of ["FIN", "RST"]) {
    using peer = await Peer.connect(on.server, { role: "data", name: `till-${how}` });
    await peer.sendBytes(utf8(offer(ID, 5 * MB)));
    // What is received and not read at the close makes it a reset.
    if (how === "FIN") await peer.next("READY");
    await peer.sendBytes(new Uint8Array(4 * MB));
    if (how === "RST") await pause(200);
  }
  await assertNothingCame(on);
});

Deno.test("a digest that is not that of the bytes is REJECT hash, and nothing is published (fault 11) [HB-63]", async () => {
  await using on = await startServer();
  using peer = await Peer.connect(on.server, { role: "data", name: "till-3" });
  await peer.sendBytes(utf8(offer(ID, 5)));
  await peer.next("READY");
  await peer.sendBytes(utf8(`hello${sum(ID, "hallo")}`));
  assertEquals((await peer.next("REJECT", "STORED")).verb, "REJECT");
  assertEquals(await staged(on.server.files), [], "the bytes are dropped");
  await assertNothingCame(on);
  await peer.sendBytes(utf8(offer(NEXT_ID, 5)));
  await peer.next("READY");
  await peer.sendBytes(utf8(`hello${sum(NEXT_ID, "hello")}`));
  assertEquals((await peer.next("REJECT", "STORED")).verb, "STORED", "the connection goes on");
});

Deno.test("classic bytes behind a file that begin no token publish nothing and end the connection (fault 10) [HB-98]", async () => {
  await using on = await startServer();
  for (const more of ["!", "HEARTBEEF", "some text\n", "\x00\x01\x02"]) {
    await using socket = await RawSocket.connect(on.server.port);
    await socket.send("a.txt|5");
    assertEquals(await socket.take(11), "READY|a.txt");
    await socket.send(`hello${more}`);
    await socket.untilClosed();
  }
  {
    await using socket = await RawSocket.connect(on.server.port);
    await socket.send("a.txt|5");
    assertEquals(await socket.take(11), "READY|a.txt");
    await socket.send("hell");
  }
  await assertNothingCame(on);
});

Deno.test("bytes without an open transfer go nowhere: before an offer, after a REJECT, with uploads off (fault 13) [HB-68]", async () => {
  await using on = await startServer("--max-file-size", "0");
  const junk = new Uint8Array(MB).fill(0x41);
  for (const start of ["", offer(ID, MB), offer(ID, -1), sum(ID, "hello")]) {
    using peer = await Peer.connect(on.server, { role: "data", name: "till-3" });
    await peer.sendBytes(utf8(start));
    // The server may close before it has taken all of it.
    await peer.sendBytes(junk).catch(() => {});
    const verbs = (await peer.rest()).map((frame) => frame.verb);
    const expected = start.startsWith("FILE") ? ["REJECT", "REFUSE"] : ["REFUSE"];
    assertEquals(verbs.slice(0, expected.length), expected.slice(0, verbs.length), start);
    assert(!verbs.includes("READY") && !verbs.includes("STORED"));
  }
  await using socket = await RawSocket.connect(on.server.port);
  await socket.send("a.txt|5hello");
  assertEquals(await socket.take(12), "REJECT|a.txt");
  await socket.send("b.txt|100000");
  assertEquals(await socket.take(12), "REJECT|b.txt");
  await socket.send(junk.subarray(0, 100_000));
  await socket.send("HEARTBEAT");
  await on.server.untilLogged("beat", ({ client }) => client === "127.0.0.1");
  await assertNothingCame(on);
});

/** Sends so many bytes, or as many as the server takes before it closes; their count. */
async function sendMuch(conn: Deno.Conn, bytes: number): Promise<number> {
  const chunk = new Uint8Array(64 * 1024).fill(0x61);
  let sent = 0;
  try {
    while (sent < bytes) sent += await conn.write(chunk);
  } catch {
    // Closed by the server, as it should be.
  }
  return sent;
}

Deno.test("a line of 50 MB ends its connection long before its end, greeted or not (fault 15) [HB-3]", async () => {
  await using on = await startServer();
  {
    using conn = await dial(on.server);
    await conn.write(utf8('HELLO {"hb":[1,1],"name":"'));
    assertLess(await sendMuch(conn, 50 * MB), 20 * MB);
  }
  for (const start of ['MESSAGE {"text":"', "X", " "]) {
    using peer = await Peer.connect(on.server, { name: "till-3", role: "tool" });
    const conn = { write: (bytes: Uint8Array) => peer.sendBytes(bytes).then(() => bytes.length) };
    await peer.sendBytes(utf8(start));
    assertLess(await sendMuch(conn as Deno.Conn, 50 * MB), 20 * MB);
  }
  await assertNothingCame(on);
});

Deno.test("the line ceilings hold to the byte: 4 KiB before the greeting, 64 KiB after (fault 15) [HB-3]", async () => {
  await using on = await startServer();
  const padded = (line: string, length: number) => `${line}${" ".repeat(length - line.length)}\n`;
  const hello = JSON.stringify({ hb: [1, 1], role: "tool", app: "test", epoch: 0, name: "till-3" });
  for (const [more, verb] of [[0, "ACK"], [1, "REFUSE"]] as const) {
    await using socket = await RawSocket.connect(on.server.port);
    await socket.send(padded(`HELLO ${hello}`, MAX_GREETING_LINE_BYTES + more));
    assertEquals((await socket.take(1)).split(" ")[0], verb);
  }
  for (const [more, verb] of [[0, "RECEIPT"], [1, "REFUSE"]] as const) {
    using peer = await Peer.connect(on.server, { name: "till-3", role: "tool" });
    const message = JSON.stringify({ id: ID, at: 0, text: "hello" });
    await peer.sendBytes(utf8(padded(`MESSAGE ${message}`, MAX_LINE_BYTES + more)));
    assertEquals((await peer.next("RECEIPT", "REFUSE")).verb, verb);
  }
  await on.innocent.assertUnharmed();
});

Deno.test("deep JSON and a manifest of a million entries end their connection at once (fault 15) [HB-4]", async () => {
  await using on = await startServer();
  const deep = (levels: number) => `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const million = `FILE {"id":"${ID}","size":1,"path":[${'"a",'.repeat(999_999)}"a"]}\n`;
  for (
    const line of [`PONG ${deep(30_000)}\n`, `PONG ${deep(8)}\n`, `HELLO ${deep(1_000)}\n`, million]
  ) {
    using peer = await Peer.connect(on.server, { name: "till-3", role: "data" });
    await peer.sendBytes(utf8(line)).catch(() => {
      // The server may close before it has taken all of it.
    });
    const verbs = (await peer.rest()).map((frame) => frame.verb);
    assert(verbs.every((verb) => verb === "REFUSE"), `${line.slice(0, 20)}: ${verbs}`);
  }
  // As many entries as a line holds are refused in words, and the connection goes on.
  using peer = await Peer.connect(on.server, { name: "till-3", role: "data" });
  await peer.sendLine(`FILE {"id":"${ID}","size":1,"path":[${'"a",'.repeat(15_000)}"a"]}`);
  assertEquals((await peer.next("REJECT")).code, "bad_name");
  await assertNothingCame(on);
});
