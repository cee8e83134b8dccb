import { assertEquals } from "@std/assert";
import { join } from "node:path";
import type { FakePeer } from "./fake_peer.ts";
import { begin, MIB, offer, pattern, prefix, send, sendPart, sum, uuid } from "./fake_sender.ts";
import type { FakeServer } from "./fake_server.ts";
import { MAX_PARTIALS } from "./vault.ts";

const encoder = new TextEncoder();
const A = ["a.bin"];
const BYTES = pattern(3 * MIB + 7);
const PART = 2 * MIB + 5;

/** Answers a proposal as a sender of `bytes` does; what the server says next. */
async function answer(peer: FakePeer, number: number, bytes: Uint8Array) {
  const { id, offset } = await peer.expect("READY");
  assertEquals(id, uuid(number));
  peer.send(prefix(number, offset, bytes));
  return { proposed: offset, agreed: (await peer.expect("READY")).offset };
}

/** Sends the rest of a file that the server has agreed on. */
async function sendRest(peer: FakePeer, number: number, rest: { bytes: Uint8Array; from: number }) {
  await peer.raw(rest.bytes.subarray(rest.from));
  peer.send(sum(number, rest.bytes));
  assertEquals((await peer.expect("STORED")).bytes, rest.bytes.length);
}

async function onlyStored(server: FakeServer): Promise<void> {
  assertEquals([await server.published(), await server.staged()], [["till-3/a.bin"], 0]);
  assertEquals(server.tables.files().map(({ name }) => name), ["a.bin"]);
}

Deno.test("[HB-110] [HB-111] a cut file goes on where it was, when the first bytes are the same", async () => {
  await using place = await begin();
  const { server, peer, dial, read } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  assertEquals(await answer(next, 1, BYTES), { proposed: PART, agreed: PART });
  await sendRest(next, 1, { bytes: BYTES, from: PART });
  assertEquals(await read("a.bin"), BYTES);
  await onlyStored(server);
});

Deno.test("[HB-111] [HB-112] a file whose first bytes differ starts over, and is the new one in the end", async () => {
  await using place = await begin();
  const { server, peer, dial, read } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const changed = BYTES.slice();
  changed[10] = 255 - (changed[10] ?? 0);
  const next = await dial();
  next.send(offer(1, A, changed.length));
  assertEquals(await answer(next, 1, changed), { proposed: PART, agreed: 0 });
  await sendRest(next, 1, { bytes: changed, from: 0 });
  assertEquals(await read("a.bin"), changed);
  await onlyStored(server);
});

Deno.test("[HB-112] a source that changed behind what is agreed on is REJECT hash, and nothing is kept", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await answer(next, 1, BYTES);
  await next.raw(BYTES.subarray(PART));
  next.send(sum(1, BYTES, "0".repeat(64)));
  const { code, retry, offset } = await next.expect("REJECT");
  assertEquals([code, retry, offset], ["hash", false, undefined]);
  assertEquals([await server.published(), await server.staged()], [[], 0]);
});

Deno.test("[HB-110] a partial is offered under its id only, never by its name", async () => {
  await using place = await begin();
  const { peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  await send(await dial(), 2, { path: A, bytes: BYTES });
});

Deno.test("[HB-110] a partial is offered to its own client only", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  await send(other, 1, { path: A, bytes: BYTES });
});

Deno.test("[HB-110] a partial that is longer than what is offered under its id starts over", async () => {
  await using place = await begin();
  const { peer, dial, read } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const short = encoder.encode("short");
  const next = await dial();
  await send(next, 1, { path: A, bytes: short });
  await next.expect("STORED");
  assertEquals(await read("a.bin"), short);
});

Deno.test("[HB-111] bytes in the place of PREFIX end the connection, and the partial stays", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await next.expect("READY");
  next.send(sum(1, BYTES));
  await next.expect("REFUSE");
  assertEquals(await next.next(), null);
  await next.ended;
  assertEquals([await server.published(), await server.staged()], [[], 1]);
});

Deno.test("[HB-111] [HB-115] CANCEL in the place of PREFIX gives the transfer up, and the connection goes on", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await next.expect("READY");
  next.send({ verb: "CANCEL", id: uuid(1) });
  await send(next, 1, { path: A, bytes: BYTES });
  await next.expect("STORED");
  await onlyStored(server);
});

Deno.test("[HB-111] a PREFIX of another offset than the proposed one ends the connection", async () => {
  await using place = await begin();
  const { peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await next.expect("READY");
  next.send(prefix(1, PART - 1, BYTES));
  await next.expect("REFUSE");
  await next.ended;
});

Deno.test("[HB-113] an offer of what is stored is STORED at once, on a later connection too", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await send(peer, 1, { path: A, bytes: BYTES });
  const first = await peer.expect("STORED");
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  assertEquals(await next.expect("STORED"), first);
  await onlyStored(server);
});

Deno.test("[HB-114] a newer connection wins a transfer: the older one hears busy and ends, its bytes are kept", async () => {
  await using place = await begin();
  const { server, peer, dial, read } = place;
  peer.send(offer(1, A, BYTES.length));
  await peer.expect("READY");
  await peer.raw(BYTES.subarray(0, PART));
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  const { id, code, retry } = await peer.expect("REJECT");
  assertEquals([id, code, retry], [uuid(1), "busy", true]);
  await peer.ended;
  const { proposed, agreed } = await answer(next, 1, BYTES);
  // What was still on its way when the older connection had to end is lost.
  assertEquals([proposed >= 2 * MIB, agreed], [true, proposed]);
  await sendRest(next, 1, { bytes: BYTES, from: agreed });
  assertEquals(await read("a.bin"), BYTES);
  await onlyStored(server);
});

Deno.test("[HB-114] an older connection that is being recorded is waited for, and the newer one hears STORED", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const release = server.hold("addFile");
  await send(peer, 1, { path: A, bytes: BYTES });
  await server.until(() => server.waiting("addFile") === 1);
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  release();
  assertEquals((await peer.expect("STORED")).id, uuid(1));
  assertEquals((await next.expect("STORED")).id, uuid(1));
  await onlyStored(server);
});

Deno.test("[HB-69] SUMs are answered in order, although the next file is taken meanwhile", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("addFile");
  await send(peer, 1, { path: ["1"], bytes: encoder.encode("one") });
  await send(peer, 2, { path: ["2"], bytes: encoder.encode("two") });
  await server.until(() => server.waiting("addFile") === 2);
  release();
  assertEquals((await peer.expect("STORED")).id, uuid(1));
  assertEquals((await peer.expect("STORED")).id, uuid(2));
});

Deno.test("[HB-115] CANCEL between two transfers deletes the partial and is not answered", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const next = await dial();
  next.send({ verb: "CANCEL", id: uuid(1) });
  await send(next, 2, { path: ["b"], bytes: encoder.encode("b") });
  assertEquals((await next.expect("STORED")).id, uuid(2));
  assertEquals(await server.staged(), 0);
});

Deno.test("[HB-115] CANCEL deletes the partial of one's own only", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: PART });
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  other.send({ verb: "CANCEL", id: uuid(1) });
  await send(other, 2, { path: ["b"], bytes: encoder.encode("b") });
  await other.expect("STORED");
  assertEquals(await server.staged(), 1);
});

Deno.test("a client's partials are bounded, and the one that changed longest ago goes first", async () => {
  await using place = await begin();
  const { server, till, dial } = place;
  const staging = join(server.directory, ".staging", till.keyId);
  await Deno.mkdir(staging, { mode: 0o700 });
  for (let number = 1; number <= MAX_PARTIALS; number++) {
    const path = join(staging, uuid(number));
    await Deno.writeTextFile(path, "x");
    const at = new Date(server.clock.wall() - (number === 50 ? 2_000 : 1_000));
    await Deno.utime(path, at, at);
  }
  await sendPart(await dial(), 999, { path: A, bytes: BYTES, length: 5 });
  const left = [...Deno.readDirSync(staging)].map(({ name }) => name)
    .filter((name) => !name.includes("."));
  assertEquals([left.length, left.includes(uuid(50))], [MAX_PARTIALS, false]);
  assertEquals(left.includes(uuid(999)), true);
});
