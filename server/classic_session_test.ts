import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { systemError, watchedFiles } from "../platform/fake_files.ts";
import { CLASSIC_SETTLE_MS, MAX_CLASSIC_TOKEN_BYTES, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer, type FakeServerOptions } from "./fake_server.ts";
import { StoreError } from "./store.ts";

const P = 20_000;
const ADDRESS = "10.0.0.7";
const CLIENT = `classic:${ADDRESS}`;

/** An open plaintext server with one connection that has not said anything. */
async function begin(options: FakeServerOptions = {}) {
  const server = await FakeServer.start({ plaintext: true, open: true, ...options });
  const peer = server.dial({ address: ADDRESS });
  const read = (name: string) => Deno.readTextFile(join(server.directory, ADDRESS, name));
  return { server, peer, read, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Says something and lets it settle. */
async function say(server: FakeServer, peer: FakePeer, text: string): Promise<void> {
  await peer.raw(text);
  await server.clock.advance(CLASSIC_SETTLE_MS);
}

function texts(server: FakeServer): string[] {
  return server.messages.map(({ text }) => text);
}

/** Queues a text of the operator and has it delivered as the server does it. */
async function reply(server: FakeServer, text: string): Promise<void> {
  const at = server.clock.wall();
  await server.parts.store.queueMessage({ id: server.parts.newId(), client: CLIENT, at, text });
  for (const link of server.parts.roster.get(CLIENT)?.others ?? []) link.deliver();
}

async function published(server: FakeServer, ...names: string[]): Promise<void> {
  await server.until(() => server.files.length >= names.length);
  await server.clock.advance(0);
  assertEquals(await server.published(), names.map((name) => `${ADDRESS}/${name}`));
}

/** Lets the clock go on until `condition` holds: a session goes on when its file's staging name is gone. */
async function settled(
  server: FakeServer,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await server.until(async () => {
    await server.clock.advance(CLASSIC_SETTLE_MS);
    return await condition();
  });
}

/** The end of what a peer reads, which comes when what it said last has settled. */
async function restOf(server: FakeServer, peer: FakePeer): Promise<string> {
  let rest: string | undefined;
  void peer.rest().then((text) => rest = text);
  await settled(server, () => rest !== undefined);
  return rest ?? "";
}

async function beats(server: FakeServer): Promise<number> {
  const lines = await server.parts.timeline.read({ kinds: ["beat"] });
  return lines.reduce((sum, { data }) => sum + (data as { beats: number }).beats, 0);
}

/** Asserts that the server closed the connection and that nothing was published. */
async function closedWithNothing(server: FakeServer, peer: FakePeer): Promise<void> {
  let over = false;
  void peer.ended.then(() => over = true);
  await settled(server, () => over);
  assertEquals(await peer.rest(), "");
  assertEquals([await server.published(), await server.staged(), server.files], [[], 0, []]);
}

Deno.test("a classic client's text is stored, shown and not answered by itself", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "printer is on fire");
  assertEquals(server.messages.map(({ from, text }) => [from, text]), [
    [ADDRESS, "printer is on fire"],
  ]);
  const [event] = server.tables.events({ kinds: ["message"] });
  assertEquals(event?.message?.text, "printer is on fire");
  assertEquals(server.tables.client(CLIENT)?.kind, "classic");
  await say(server, peer, "bye");
  assertEquals(await peer.rest(), "");
});

Deno.test("[HB-95] a chunk of lines is as many messages, in order", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("one\r\ntwo\n\nthree\n");
  await server.clock.advance(0);
  assertEquals(texts(server), ["one", "two", "three"]);
});

Deno.test("[HB-96] an unterminated text is complete after 250 ms without a byte", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("hel");
  await server.clock.advance(CLASSIC_SETTLE_MS - 1);
  await peer.raw("lo");
  await server.clock.advance(CLASSIC_SETTLE_MS - 1);
  assertEquals(texts(server), []);
  await server.clock.advance(1);
  assertEquals(texts(server), ["hello"]);
});

Deno.test("[HB-96] a text without end is passed on in bounded pieces, none lost", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const long = "0123456789".repeat(MAX_CLASSIC_TOKEN_BYTES / 4);
  await peer.raw(long);
  await server.until(async () => {
    await server.clock.advance(CLASSIC_SETTLE_MS);
    return texts(server).join("").length >= long.length;
  });
  assertEquals(texts(server).join(""), long);
  for (const text of texts(server)) assert(text.length <= MAX_CLASSIC_TOKEN_BYTES);
});

Deno.test("[HB-90] heartbeats are counted however they are split or joined, and not answered", async () => {
  await using place = await begin();
  const { server, peer } = place;
  for (const chunk of ["HEART", "BEATHEARTBEAT", "HEARTBEAT\n", "hello\nHEARTBEAT"]) {
    await say(server, peer, chunk);
  }
  assertEquals(await beats(server), 4);
  assertEquals(texts(server), ["hello"]);
  await say(server, peer, "bye");
  assertEquals(await peer.rest(), "");
});

Deno.test("[HB-100] a classic client is watched for silence from its first HEARTBEAT on", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "hello");
  await server.clock.advance(100 * P);
  assertEquals(server.path(CLIENT), ["new>UP -"]);
  await say(server, peer, "HEARTBEAT");
  for (let turn = 0; turn < 5; turn++) {
    await server.clock.advance(P);
    await peer.raw("HEARTBEAT");
  }
  assertEquals(server.path(CLIENT), ["new>UP -"]);
  await server.clock.advance(2.5 * P);
  assertEquals(server.path(CLIENT).at(-1), "SUSPECT>DOWN silent");
  assertEquals(server.notices.map(({ clients }) => clients), [[ADDRESS]]);
  for (let turn = 0; turn < 2; turn++) await say(server, peer, "HEARTBEAT");
  assertEquals(server.path(CLIENT).at(-1), "DOWN>UP silent");
});

Deno.test("[HB-42] any byte of a classic client is life", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "HEARTBEAT");
  for (let turn = 0; turn < 5; turn++) {
    await server.clock.advance(1.25 * P - CLASSIC_SETTLE_MS - 1);
    await say(server, peer, "x");
  }
  assertEquals(server.path(CLIENT), ["new>UP -"]);
});

for (const word of ["bye", "Bye", "BYE", "END"]) {
  Deno.test(`[HB-91] [HB-100] ${word} is a goodbye: the server closes and nobody is missed`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    await say(server, peer, "HEARTBEAT");
    await say(server, peer, word);
    assertEquals(await peer.rest(), "");
    await peer.ended;
    assertEquals(server.path(CLIENT), ["new>UP -", "UP>PLANNED said bye: stop"]);
    assertEquals(texts(server), []);
    await server.clock.advance(100 * P);
    assertEquals(server.notices, []);
  });
}

Deno.test("[HB-91] goodbye and FRIEND are texts", async () => {
  await using place = await begin();
  const { server, peer } = place;
  for (const text of ["goodbye", "FRIEND", "bye bye", "ENDING"]) await say(server, peer, text);
  assertEquals(texts(server), ["goodbye", "FRIEND", "bye bye", "ENDING"]);
});

Deno.test("[HB-92] good and then bye with a newline is the line goodbye", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("good");
  await server.clock.advance(10);
  await say(server, peer, "bye\n");
  assertEquals(texts(server), ["goodbye"]);
  assertEquals(server.parts.lobby.connections, 1);
});

Deno.test("[HB-91] what follows a goodbye is dropped", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("hello\nbye\nsecret\na.txt|5\n");
  await closedWithNothing(server, peer);
  assertEquals(texts(server), ["hello"]);
});

Deno.test("[HB-100] a close without a goodbye is connection lost after a HEARTBEAT", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "HEARTBEAT");
  await peer.close();
  assertEquals(server.path(CLIENT).at(-1), "UP>SUSPECT connection lost");
  await server.clock.advance(0.75 * P);
  assertEquals(server.path(CLIENT).at(-1), "SUSPECT>DOWN connection lost");
});

Deno.test("[HB-100] a close without a goodbye before any HEARTBEAT is a goodbye", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "hello");
  await peer.close();
  assertEquals(server.path(CLIENT), ["new>UP -", "UP>PLANNED closed"]);
});

Deno.test("[HB-100] a reconnect in time raises nothing", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "HEARTBEAT");
  await peer.close();
  await server.clock.advance(0.5 * P);
  const again = server.dial({ address: ADDRESS });
  await say(server, again, "HEARTBEAT");
  await server.clock.advance(P);
  assertEquals(server.path(CLIENT).at(-1), "SUSPECT>UP -");
  assertEquals(server.notices, []);
});

Deno.test("[HB-100] a second connection without heartbeats does not say goodbye for the first", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "HEARTBEAT");
  const files = server.dial({ address: ADDRESS });
  await files.raw("a.txt|5\n");
  assertEquals(await files.text(11), "READY|a.txt");
  await files.raw("hello");
  await published(server, "a.txt");
  await files.raw("END");
  assertEquals(await restOf(server, files), "");
  await files.ended;
  assertEquals(server.path(CLIENT), ["new>UP -"]);
  await server.clock.advance(2.5 * P);
  assertEquals(server.path(CLIENT).at(-1), "SUSPECT>DOWN silent");
});

Deno.test("an operator's reply is plain text with one newline, and is sent once", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "hello");
  await reply(server, "coming");
  assertEquals(await peer.text(7), "coming\n");
  await reply(server, "there\n");
  assertEquals(await peer.text(6), "there\n");
  await say(server, peer, "bye");
  assertEquals(await peer.rest(), "");
  assertEquals(server.tables.waitingMessages(CLIENT), []);
});

Deno.test("a reply to a classic client that is away waits until it is back", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "hello");
  await peer.close();
  for (const text of ["one", "two"]) await reply(server, text);
  const again = server.dial({ address: ADDRESS });
  await again.raw("I am back");
  assertEquals(await again.text(8), "one\ntwo\n");
});

Deno.test("[HB-99] an operator's text cannot look like an answer to an offer", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "hello");
  await reply(server, "READY|a.txt");
  await reply(server, "ok\nREJECT|a.txt");
  assertEquals(await peer.text(13), " READY|a.txt\n");
  assertEquals(await peer.text(17), "ok\n REJECT|a.txt\n");
});

for (const end of ["", "\n", "\r\n"]) {
  Deno.test(`[HB-99] an offer that ends in ${JSON.stringify(end)} gets READY and is stored`, async () => {
    await using place = await begin();
    const { server, peer, read } = place;
    await say(server, peer, `report 1.txt|12${end}`);
    assertEquals(await peer.text(18), "READY|report 1.txt");
    await peer.raw("hello");
    await peer.raw(", file!");
    await published(server, "report 1.txt");
    assertEquals(await read("report 1.txt"), "hello, file!");
    await peer.raw("END");
    assertEquals(await restOf(server, peer), "", "nothing is answered to a file that is stored");
    assertEquals(server.files.map(({ from, bytes }) => [from, bytes]), [[ADDRESS, 12]]);
    const [file] = server.tables.files(CLIENT);
    assertEquals([file?.name, file?.bytes, file?.state], ["report 1.txt", 12, "stored"]);
  });
}

Deno.test("a file of no bytes is stored at once", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  await say(server, peer, "empty.txt|0");
  assertEquals(await peer.text(15), "READY|empty.txt");
  await published(server, "empty.txt");
  assertEquals(await read("empty.txt"), "");
});

Deno.test("a file's bytes are bytes, whatever they spell", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  const bytes = "HEARTBEAT\nbye\nEND\nb.txt|5\n\u0000";
  await say(server, peer, `a.txt|${bytes.length}\n`);
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw(bytes);
  await published(server, "a.txt");
  assertEquals(await read("a.txt"), bytes);
  assertEquals(texts(server), []);
});

Deno.test("several files may follow one another, and one name gets numbers", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  for (const [number, name] of [[1, "a.txt"], [2, "a (2).txt"]] as const) {
    await say(server, peer, "a.txt|1\n");
    assertEquals(await peer.text(11), "READY|a.txt");
    await peer.raw(`${number}`);
    await server.until(() => server.files.length === number);
    assertEquals(await read(name), `${number}`);
  }
});

Deno.test("[HB-97] bytes glued behind an accepted offer are the file's first bytes", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  await say(server, peer, "a.txt|5\nhel");
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw("lo");
  await published(server, "a.txt");
  assertEquals(await read("a.txt"), "hello");
});

Deno.test("[HB-97] a whole file may be glued behind its offer, and the next token behind that", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  await say(server, peer, "a.txt|5\nhelloHEARTBEAT");
  assertEquals(await peer.text(11), "READY|a.txt");
  await published(server, "a.txt");
  assertEquals(await read("a.txt"), "hello");
  await settled(server, async () => await beats(server) === 1);
});

for (
  const [offer, name] of [
    ["../../.ssh/authorized_keys|5", "../../.ssh/authorized_keys"],
    ["/etc/passwd|5", "/etc/passwd"],
    ["C:\\evil.exe|5", "C:\\evil.exe"],
    ["nul.txt|5", "nul.txt"],
    ["a|b.txt|5", "a|b.txt"],
    ["dot.|5", "dot."],
    ["a.txt|-1", "a.txt"],
    ["a.txt|1.5", "a.txt"],
    ["a.txt|9007199254740992", "a.txt"],
    ["a.txt|101", "a.txt"],
  ] as const
) {
  Deno.test(`[HB-93] [HB-94] ${offer} is REJECT|${name}, and the connection is kept`, async () => {
    await using place = await begin({ maxFileBytes: 100 });
    const { server, peer } = place;
    await say(server, peer, `${offer}\n`);
    assertEquals(await peer.text(7 + name.length), `REJECT|${name}`);
    assertEquals([await server.published(), await server.staged()], [[], 0]);
    await say(server, peer, "still here");
    assertEquals(texts(server), ["still here"]);
    await say(server, peer, "a.txt|100\n");
    assertEquals(await peer.text(11), "READY|a.txt");
  });
}

Deno.test("[HB-70] [HB-99] a name that is no UTF-8 is refused, in the bytes in which it came", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const name = [0x61, 0xff, 0x62];
  await peer.raw(new Uint8Array([...name, 0x7c, 0x35, 0x0a]));
  const answer = await peer.connection.reader.peek(7 + name.length);
  assertEquals([...answer], [...new TextEncoder().encode("REJECT|"), ...name]);
  assertEquals(await server.staged(), 0);
});

Deno.test("[HB-97] bytes glued behind a refused offer are dropped up to its size", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "../x|5\nhello");
  assertEquals(await peer.text(11), "REJECT|../x");
  await say(server, peer, "after it");
  assertEquals(texts(server), ["after it"]);
});

for (const tail of ["x", "!\n", "surplus and more"]) {
  Deno.test(`[HB-98] ${JSON.stringify(tail)} glued behind a file is surplus: nothing is published`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    await peer.raw("a.txt|5\n");
    assertEquals(await peer.text(11), "READY|a.txt");
    await peer.raw(`hello${tail}`);
    await closedWithNothing(server, peer);
    assertEquals(texts(server), []);
    assertEquals(server.audits().at(-1)?.action, "file_rejected");
  });
}

for (const tail of ["HEARTBEAT", "\n", "END", "b.txt|3\n"]) {
  Deno.test(`[HB-98] ${JSON.stringify(tail)} glued behind a file is the next token`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    await peer.raw("a.txt|5\n");
    assertEquals(await peer.text(11), "READY|a.txt");
    await peer.raw(`hello${tail}`);
    await published(server, "a.txt");
    if (tail === "END") assertEquals(await restOf(server, peer), "");
    if (tail === "b.txt|3\n") assertEquals(await peer.text(11), "READY|b.txt");
    if (tail === "HEARTBEAT") await settled(server, async () => await beats(server) === 1);
    else await server.clock.advance(1_000);
    assertEquals(await beats(server), tail === "HEARTBEAT" ? 1 : 0);
  });
}

Deno.test("[HB-98] half a HEARTBEAT behind a file is waited for", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await server.clock.advance(0);
  const timers = server.clock.waiting;
  await peer.raw("helloHEART");
  await server.until(() => server.clock.waiting > timers);
  await server.clock.advance(CLASSIC_SETTLE_MS - 1);
  assertEquals(await server.published(), []);
  await peer.raw("BEAT");
  await published(server, "a.txt");
  await settled(server, async () => await beats(server) === 1);
});

Deno.test("[HB-98] half a HEARTBEAT that does not go on is surplus", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw("helloHEART");
  await closedWithNothing(server, peer);
});

Deno.test("an operator's reply is never sent between READY and the end of the file", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await reply(server, "one moment");
  await peer.raw("hel");
  await server.clock.advance(1_000);
  assertEquals(server.tables.waitingMessages(CLIENT).length, 1);
  await peer.raw("lo");
  assertEquals(await peer.text(11), "one moment\n");
  await published(server, "a.txt");
});

Deno.test("[HB-67] a classic file without a byte for 60 s is given up", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw("h");
  await server.clock.advance(TRANSFER_STALL_MS - 1);
  assertEquals(await server.staged(), 1);
  await peer.raw("e");
  await server.clock.advance(TRANSFER_STALL_MS - 1);
  assertEquals(await server.staged(), 1);
  await server.clock.advance(1);
  await closedWithNothing(server, peer);
});

for (const bytes of ["", "hel"]) {
  Deno.test(`[HB-10] a classic stream that ends after ${bytes.length} of 5 bytes publishes nothing`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    await peer.raw("a.txt|5\n");
    assertEquals(await peer.text(11), "READY|a.txt");
    await peer.raw(bytes);
    await peer.finish();
    await closedWithNothing(server, peer);
  });
}

Deno.test("[HB-66] a disk that fails in the middle ends the connection, as there is no word for it", async () => {
  const files = watchedFiles((operation) => {
    if (operation === "write") throw systemError("ENOSPC");
  });
  await using place = await begin({ files });
  const { server, peer } = place;
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw("hello");
  await closedWithNothing(server, peer);
});

Deno.test("a classic file that cannot be recorded is taken back", async () => {
  await using place = await begin();
  const { server, peer } = place;
  server.fail("addFile", new StoreError("Cannot use the database", { full: true }));
  await peer.raw("a.txt|5\n");
  assertEquals(await peer.text(11), "READY|a.txt");
  await peer.raw("hello");
  await closedWithNothing(server, peer);
});

Deno.test("a text that cannot be stored is not shown, and its connection ends", async () => {
  await using place = await begin();
  const { server, peer } = place;
  server.fail("receiveMessage", new StoreError("Cannot use the database", { full: true }));
  await peer.raw("hello\n");
  assertEquals(await peer.rest(), "");
  assertEquals(server.messages, []);
});

for (const method of ["noteConnected", "addEvents", "waitingMessages"] as const) {
  Deno.test(`a classic client is watched while the disk is full: ${method}() fails`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    server.fail(method, new StoreError("Cannot use the database", { full: true }));
    await say(server, peer, "HEARTBEAT");
    await server.clock.advance(2.5 * P);
    assertEquals(server.path(CLIENT).at(-1), "SUSPECT>DOWN silent");
    server.fail(method, undefined);
  });
}

Deno.test("a classic peer that does not read holds nobody else up", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const slow = server.dial({ address: ADDRESS, bufferBytes: 10 });
  const quick = server.dial({ address: "10.0.0.8" });
  await slow.raw("hi\n");
  await quick.raw("hi\n");
  await server.until(() => server.messages.length === 2);
  for (let count = 0; count < 20; count++) await reply(server, "x".repeat(1_000));
  await slow.raw("HEARTBEAT");
  await say(server, quick, "still served");
  assertEquals(texts(server).at(-1), "still served");
  assertEquals(server.parts.watch.get(CLIENT)?.lastBeat !== undefined, true);
});

Deno.test("a server that stops closes a classic connection without a word, and misses nobody", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await say(server, peer, "HEARTBEAT");
  for (const link of server.parts.roster.get(CLIENT)?.others ?? []) await link.end("shutdown");
  assertEquals(await peer.rest(), "");
  await peer.ended;
  assertEquals(server.path(CLIENT), ["new>UP -"]);
});
