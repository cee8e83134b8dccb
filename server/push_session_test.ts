import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FILE_CHUNK_BYTES, type FrameOf, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import { fakeOperations } from "./fake_operator.ts";
import type { FakePeer } from "./fake_peer.ts";
import { type DialOptions, type FakeIdentity, FakeServer } from "./fake_server.ts";
import type { PushRecord } from "./store_record.ts";

const MIB = 1024 * 1024;
const UNKNOWN = "019aa8d0-0000-7000-8000-000000000001";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that differ from chunk to chunk. */
function bytesOf(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + (at >> 16)) & 0xff;
  return bytes;
}

/** Puts a client on the roster, as a start of the server does. */
function known(server: FakeServer, { keyId }: FakeIdentity): void {
  const record = server.tables.client(keyId);
  if (record !== undefined) server.parts.roster.admit(record);
}

/** A server with one client for whom `bytes` wait. */
async function begin(options: { bytes?: Uint8Array; connect?: DialOptions } = {}) {
  const { bytes = bytesOf(3 * MIB + 5), connect } = options;
  const server = await FakeServer.start();
  const till = await server.enrol("till-3");
  known(server, till);
  const operations = fakeOperations(server);
  const path = join(server.directory, "setup.msi");
  await Deno.writeFile(path, bytes);
  const { ids: [id = ""] } = await operations.push("till-3", { paths: [path] });
  const copy = join(server.outgoing, server.tables.waitingPush(till.keyId, id)?.content ?? "");
  const peer = await server.connect(till, { role: "data", ...connect });
  const state = () => server.tables.pushStates([id]).map(({ state }) => state).at(0);
  return {
    server,
    operations,
    till,
    peer,
    bytes,
    path,
    id,
    copy,
    state,
    push: () => server.tables.pushStates([id])[0] as PushRecord,
    /** Fetches and takes everything from `offset` on, then SUM. */
    take: (peer: FakePeer, offset = 0) => take(peer, { id, offset, size: bytes.length }),
    stored: (peer: FakePeer, as = "setup.msi") =>
      peer.send({ verb: "STORED", id, as, bytes: bytes.length, sha256: sha256(bytes) }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Reads exactly `count` bytes. */
async function read(peer: FakePeer, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const taken = await peer.connection.reader.read(bytes.subarray(at));
    if (taken === null) return bytes.subarray(0, at);
    at += taken;
  }
  return bytes;
}

async function take(
  peer: FakePeer,
  { id, offset, size }: { id: string; offset: number; size: number },
): Promise<{ bytes: Uint8Array; sum: FrameOf<"SUM"> }> {
  peer.send({ verb: "FETCH", id, offset });
  if (offset > 0) {
    await peer.expect("PREFIX");
    peer.send({ verb: "READY", id, offset });
  }
  assertEquals(await peer.expect("READY"), { verb: "READY", id, offset });
  const bytes = await read(peer, size - offset);
  return { bytes, sum: await peer.expect("SUM") };
}

/** Whether a copy is still there. */
async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("[HB-132] FETCH from 0 is READY, all bytes and SUM; STORED ends the push and its copy", async () => {
  await using place = await begin();
  const { server, till, peer, bytes, id, copy, push } = place;
  const taken = await place.take(peer);
  assert(Buffer.from(taken.bytes).equals(bytes));
  assertEquals(taken.sum, { verb: "SUM", id, bytes: bytes.length, sha256: sha256(bytes) });
  assertEquals(await exists(copy), true);
  place.stored(peer, "setup (2).msi");
  await server.until(() => server.pushes.length > 0);
  assertEquals(server.pushes, [
    { to: "till-3", name: "setup.msi", state: "stored", landed: "setup (2).msi" },
  ]);
  const { state, landed, reason } = push();
  assertEquals([state, landed, reason], ["stored", "setup (2).msi", undefined]);
  await server.until(async () => !await exists(copy));
  const lines = server.tables.events({ client: till.keyId, kinds: ["file"] });
  const { path } = place;
  const facts = { id, direction: "out", name: "setup.msi", path, bytes: bytes.length };
  const digest = { sha256: sha256(bytes) };
  assertEquals(lines.map(({ data }) => data), [
    { ...facts, ...digest, state: "queued" },
    { ...facts, ...digest, state: "stored", as: "setup (2).msi" },
  ]);
});

for (const size of [0, 1, FILE_CHUNK_BYTES - 1, FILE_CHUNK_BYTES, FILE_CHUNK_BYTES + 1]) {
  Deno.test(`[HB-132] a push of ${size} bytes leaves as it was`, async () => {
    await using place = await begin({ bytes: bytesOf(size) });
    const { bytes, sum } = await place.take(place.peer);
    assert(Buffer.from(bytes).equals(place.bytes));
    assertEquals([sum.bytes, sum.sha256], [size, sha256(place.bytes)]);
  });
}

Deno.test("[HB-132] after a cut at any offset the client goes on from there", async () => {
  await using place = await begin();
  const { server, till, bytes, id } = place;
  let held = new Uint8Array();
  let { peer } = place;
  for (let cut = 0; cut < 6; cut++) {
    peer.send({ verb: "FETCH", id, offset: held.length });
    if (held.length > 0) {
      const prefix = { verb: "PREFIX" as const, id, offset: held.length, sha256: sha256(held) };
      assertEquals(await peer.expect("PREFIX"), prefix);
      peer.send({ verb: "READY", id, offset: held.length });
    }
    assertEquals((await peer.expect("READY")).offset, held.length);
    const count = Math.floor(Math.random() * (bytes.length - held.length));
    held = new Uint8Array([...held, ...await read(peer, count)]);
    await peer.close();
    peer = await server.connect(till, { role: "data" });
  }
  const rest = await place.take(peer, held.length);
  assert(Buffer.from([...held, ...rest.bytes]).equals(bytes));
  assertEquals(rest.sum.sha256, sha256(bytes));
  place.stored(peer);
  await server.until(() => place.state() === "stored");
});

Deno.test("[HB-132] a client may propose a smaller offset, and then start over", async () => {
  await using place = await begin();
  const { peer, bytes, id } = place;
  peer.send({ verb: "FETCH", id, offset: 2 * MIB });
  for (const [offset, next] of [[2 * MIB, MIB + 1], [MIB + 1, 0]] as const) {
    const { sha256: digest, ...rest } = await peer.expect("PREFIX");
    assertEquals(rest, { verb: "PREFIX", id, offset });
    assertEquals(digest, sha256(bytes.subarray(0, offset)));
    peer.send({ verb: "READY", id, offset: next });
  }
  assertEquals((await peer.expect("READY")).offset, 0);
  assert(Buffer.from(await read(peer, bytes.length)).equals(bytes));
  assertEquals((await peer.expect("SUM")).sha256, sha256(bytes));
});

Deno.test("[HB-132] a client that holds the whole file gets no byte, and SUM at once", async () => {
  await using place = await begin();
  const { bytes, sum } = await place.take(place.peer, place.bytes.length);
  assertEquals([bytes.length, sum.sha256], [0, sha256(place.bytes)]);
});

Deno.test("[HB-132] an offset beyond the file is CANCEL, and the session goes on", async () => {
  await using place = await begin();
  const { peer, bytes, id } = place;
  peer.send({ verb: "FETCH", id, offset: bytes.length + 1 });
  assertEquals(await peer.expect("CANCEL"), { verb: "CANCEL", id });
  assertEquals((await place.take(peer)).bytes.length, bytes.length);
});

Deno.test("[HB-132] a client that proposes one offset after another is cut off", async () => {
  await using place = await begin();
  const { peer, id } = place;
  peer.send({ verb: "FETCH", id, offset: 1_000 });
  for (let offset = 999; offset >= 993; offset--) {
    await peer.expect("PREFIX");
    peer.send({ verb: "READY", id, offset });
  }
  await peer.expect("PREFIX");
  peer.send({ verb: "READY", id, offset: 992 });
  assertEquals((await peer.expect("REFUSE")).code, "bad_frame");
  assertEquals(await peer.next(), null);
  assertEquals(place.state(), "queued");
});

Deno.test("[HB-132] READY above the proposed offset ends the connection", async () => {
  await using place = await begin();
  const { peer, id } = place;
  peer.send({ verb: "FETCH", id, offset: 5 });
  await peer.expect("PREFIX");
  peer.send({ verb: "READY", id, offset: 6 });
  assertEquals((await peer.expect("REFUSE")).code, "bad_frame");
});

Deno.test("[HB-133] FETCH of what does not exist is REJECT denied, and the session goes on", async () => {
  await using place = await begin();
  const { peer } = place;
  for (const offset of [0, 5, Number.MAX_SAFE_INTEGER]) {
    peer.send({ verb: "FETCH", id: UNKNOWN, offset });
    const { id, code, retry } = await peer.expect("REJECT");
    assertEquals([id, code, retry], [UNKNOWN, "denied", false]);
  }
  await place.take(peer);
});

Deno.test("[HB-133] FETCH of another client's file is REJECT denied", async () => {
  await using place = await begin();
  const { server, id } = place;
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  other.send({ verb: "FETCH", id, offset: 0 });
  assertEquals((await other.expect("REJECT")).code, "denied");
  await place.take(place.peer);
});

Deno.test("[HB-133] FETCH of what has been stored is REJECT denied", async () => {
  await using place = await begin();
  const { server, peer, id } = place;
  await place.take(peer);
  place.stored(peer);
  await server.until(() => place.state() === "stored");
  peer.send({ verb: "FETCH", id, offset: 0 });
  assertEquals((await peer.expect("REJECT")).code, "denied");
});

Deno.test("[HB-133] FETCH of an id that the client has uploaded is REJECT denied", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const file = { name: "a", path: "/a", bytes: 1, sha256: sha256(bytesOf(1)), state: "stored" };
  server.tables.addFile({ id: UNKNOWN, client: till.keyId, direction: "in", at: 1, ...file });
  peer.send({ verb: "FETCH", id: UNKNOWN, offset: 0 });
  assertEquals((await peer.expect("REJECT")).code, "denied");
});

Deno.test("[HB-133] what a client has of its own is no push: STORED of it changes nothing", async () => {
  await using place = await begin();
  const { server, till } = place;
  const digest = sha256(bytesOf(1));
  const file = { name: "a", path: "/a", bytes: 1, sha256: digest, state: "stored" };
  server.tables.addFile({ id: UNKNOWN, client: till.keyId, direction: "in", at: 1, ...file });
  const before = server.tables.files();
  const agent = await server.connect(till);
  agent.send({ verb: "STORED", id: UNKNOWN, as: "b", bytes: 1, sha256: digest });
  agent.send({ verb: "HEARTBEAT", seq: 1, at: 1 });
  await agent.next(["PING", "PUSH"]);
  const inward = (files: typeof before) => files.filter(({ direction }) => direction === "in");
  assertEquals(inward(server.tables.files()), inward(before));
});

Deno.test("[HB-134] REJECT after SUM refuses the push for good, with its reason", async () => {
  await using place = await begin();
  const { server, peer, id, copy, push } = place;
  await place.take(peer);
  peer.send({ verb: "REJECT", id, code: "hash", reason: "other bytes", retry: false });
  await server.until(() => place.state() === "refused");
  assertEquals(push().reason, "hash: other bytes");
  assertEquals(server.pushes, [
    { to: "till-3", name: "setup.msi", state: "refused", reason: "hash: other bytes" },
  ]);
  await server.until(async () => !await exists(copy));
});

Deno.test("[HB-130] REJECT with retry leaves the push waiting, and it can be fetched again", async () => {
  await using place = await begin();
  const { server, peer, id, push } = place;
  await place.take(peer);
  peer.send({ verb: "REJECT", id, code: "no_space", reason: "full", retry: true, offset: 5 });
  await server.until(() => push().reason !== undefined);
  assertEquals([push().state, push().reason], ["queued", "no_space: full"]);
  await place.take(peer);
  place.stored(peer);
  await server.until(() => place.state() === "stored");
  assertEquals(push().reason, undefined);
});

Deno.test("[HB-66] REJECT in the middle of the bytes stops them, and is recorded", async () => {
  await using place = await begin({ bytes: bytesOf(20 * MIB) });
  const { peer, id, push } = place;
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  await read(peer, MIB);
  peer.send({ verb: "REJECT", id, code: "no_space", reason: "full", retry: true, offset: MIB });
  const rest = await peer.rest();
  assert(rest.length < 10 * MIB, `${rest.length} more bytes came`);
  await peer.ended;
  assertEquals([push().state, push().reason], ["queued", "no_space: full"]);
});

Deno.test("a client that leaves in the middle of the bytes leaves the push waiting", async () => {
  for (const leave of ["END", "BYE", "close"]) {
    await using place = await begin({ bytes: bytesOf(20 * MIB) });
    const { peer, id, copy } = place;
    peer.send({ verb: "FETCH", id, offset: 0 });
    await peer.expect("READY");
    await read(peer, MIB);
    if (leave === "close") await peer.close();
    else await peer.sendUnchecked(leave, leave === "BYE" ? { reason: "stop" } : undefined);
    const rest = leave === "close" ? "" : await peer.rest();
    assert(rest.length < 10 * MIB, `${leave}: ${rest.length} more bytes came`);
    await peer.ended;
    assertEquals([leave, place.state(), await exists(copy)], [leave, "queued", true]);
  }
});

for (const verb of ["STORED", "READY", "FETCH", "FILE"]) {
  Deno.test(`[HB-9] ${verb} in the middle of the bytes ends the connection and nothing else`, async () => {
    await using place = await begin({ bytes: bytesOf(20 * MIB) });
    const { server, peer, id, bytes } = place;
    peer.send({ verb: "FETCH", id, offset: 0 });
    await peer.expect("READY");
    await read(peer, MIB);
    const fields = { id, as: "a", bytes: bytes.length, sha256: sha256(bytes), offset: 0 };
    await peer.sendUnchecked(verb, { ...fields, path: ["a"], size: 1 });
    const rest = await peer.rest();
    assert(rest.length < 10 * MIB, `${rest.length} more bytes came`);
    await peer.ended;
    assertEquals(place.state(), "queued");
    assertEquals(server.audits().map(({ action }) => action), ["protocol_error"]);
  });
}

Deno.test("STORED with other figures than the push's is no success", async () => {
  await using place = await begin();
  const { server, peer, id, bytes, push } = place;
  await place.take(peer);
  peer.send({ verb: "STORED", id, as: "a", bytes: bytes.length, sha256: "0".repeat(64) });
  await server.until(() => place.state() === "refused");
  assertEquals(push().reason?.startsWith("hash: "), true);
});

Deno.test("a copy of another size is REJECT io before a byte, the push ends and the audit log tells", async () => {
  await using place = await begin();
  const { server, peer, id, copy, push } = place;
  await Deno.truncate(copy, 7);
  peer.send({ verb: "FETCH", id, offset: 0 });
  const { code, retry } = await peer.expect("REJECT");
  assertEquals([code, retry], ["io", false]);
  assertEquals([push().state, push().reason?.includes("damaged")], ["refused", true]);
  assertEquals(server.audits(), [{ action: "push_damaged", id, name: "setup.msi" }]);
});

Deno.test("a copy that is gone is REJECT io before a byte, and the session goes on", async () => {
  await using place = await begin();
  const { peer, id, copy } = place;
  await Deno.remove(copy);
  for (const code of ["io", "denied"]) {
    peer.send({ verb: "FETCH", id, offset: 0 });
    assertEquals((await peer.expect("REJECT")).code, code);
  }
  assertEquals(place.state(), "refused");
});

Deno.test("[HB-65] a copy whose bytes have changed is CANCEL in place of SUM, and the push ends", async () => {
  await using place = await begin();
  const { server, peer, bytes, id, copy } = place;
  {
    using file = await Deno.open(copy, { write: true });
    await file.seek(2 * MIB, Deno.SeekMode.Start);
    await file.write(new Uint8Array([0xee, 0xee, 0xee]));
  }
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  await read(peer, bytes.length);
  assertEquals(await peer.expect("CANCEL"), { verb: "CANCEL", id });
  assertEquals(await peer.next(), null);
  assertEquals(place.state(), "refused");
  assertEquals(server.audits().map(({ action }) => action), ["push_damaged"]);
});

Deno.test("a copy that gets shorter while it is sent ends the connection without SUM", async () => {
  await using place = await begin({ bytes: bytesOf(20 * MIB) });
  const { peer, id, copy } = place;
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  await read(peer, MIB);
  await Deno.truncate(copy, 10 * MIB);
  const rest = await read(peer, 20 * MIB);
  assertEquals([rest.length < 19 * MIB, await peer.next()], [true, null]);
  await peer.ended;
  assertEquals(place.state(), "refused");
});

Deno.test("[HB-114] a newer connection that fetches the same push ends the older one", async () => {
  await using place = await begin({ bytes: bytesOf(20 * MIB) });
  const { server, till, peer, id, bytes } = place;
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  const second = await server.connect(till, { role: "data" });
  const taken = await place.take(second);
  await peer.ended;
  assert(Buffer.from(taken.bytes).equals(bytes));
  place.stored(second);
  await server.until(() => place.state() === "stored");
});

Deno.test("[HB-67] a client that reads nothing for 60 s is cut off, and one that reads slowly is not (fault 18)", async () => {
  await using place = await begin({
    bytes: bytesOf(2 * MIB),
    connect: { bufferBytes: 1_024 },
  });
  const { server, peer, id } = place;
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  // Far slower than a chunk within the limit: what counts is any byte that leaves.
  for (let turn = 0; turn < 10; turn++) {
    await read(peer, 2_048);
    await server.clock.advance(TRANSFER_STALL_MS / 2);
  }
  assertEquals(server.parts.lobby.connections, 1);
  await server.clock.advance(2 * TRANSFER_STALL_MS);
  await peer.ended;
  assertEquals(place.state(), "queued");
});

Deno.test("a server that stops sends no BYE into the bytes of a file", async () => {
  await using place = await begin({ bytes: bytesOf(8 * MIB) });
  const { server, till, peer, id, bytes } = place;
  peer.send({ verb: "FETCH", id, offset: 0 });
  await peer.expect("READY");
  const first = await read(peer, MIB);
  const links = server.parts.roster.get(till.keyId)?.others ?? [];
  await Promise.all([...links].map((link) => link.end("shutdown")));
  const rest = await read(peer, 8 * MIB);
  const came = Buffer.concat([first, rest]);
  assert(came.length < bytes.length && came.equals(bytes.subarray(0, came.length)));
});

Deno.test("two clients share one copy, which goes with the last of them", async () => {
  await using server = await FakeServer.start();
  const operations = fakeOperations(server);
  const tills: FakeIdentity[] = [];
  for (const name of ["till-3", "till-4"]) tills.push(await server.enrol(name, ["tills"]));
  for (const till of tills) known(server, till);
  const bytes = bytesOf(MIB + 1);
  const path = join(server.directory, "a.bin");
  await Deno.writeFile(path, bytes);
  const { ids } = await operations.push("@tills", { paths: [path] });
  const copies = () => Array.fromAsync(Deno.readDir(server.outgoing));
  assertEquals([ids.length, (await copies()).length], [2, 1]);
  for (const [index, till] of tills.entries()) {
    const [push] = server.tables.waitingPushes(till.keyId, 10);
    const peer = await server.connect(till, { role: "data" });
    const id = push?.id ?? "";
    const taken = await take(peer, { id, offset: 0, size: bytes.length });
    assert(Buffer.from(taken.bytes).equals(bytes));
    peer.send({ verb: "STORED", id, as: "a.bin", bytes: bytes.length, sha256: sha256(bytes) });
    await server.until(() => server.pushes.length === index + 1);
    await server.until(async () => (await copies()).length === (index === 0 ? 1 : 0));
  }
});

Deno.test("whatever a client says, the push waits with its copy or has ended without, and can then be had whole", async () => {
  const offset = fc.constantFrom(0, 1, 1_500, 2_999, 3_000, 3_001);
  const step = fc.oneof(
    fc.record({ say: fc.constant("FETCH" as const), offset }),
    fc.record({ say: fc.constant("READY" as const), offset }),
    fc.record({ say: fc.constantFrom("STORED", "LIE", "REJECT", "LATER", "END") }),
    fc.record({ say: fc.constant("close" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await using place = await begin({ bytes: bytesOf(3_000) });
      const { server, till, bytes, id, copy } = place;
      let { peer } = place;
      for (const { say, ...rest } of steps) {
        const fields = { id, as: "a", bytes: 3_000, sha256: sha256(bytes), code: "io", ...rest };
        const later = { ...fields, reason: "x", retry: say === "LATER" };
        const verb = say === "LIE" ? "STORED" : say === "LATER" ? "REJECT" : say;
        if (say === "close") await peer.close();
        else if (!peer.connection.closed) {
          const lie = say === "LIE" ? { bytes: 2 } : {};
          // The server may have closed the connection for what was said before.
          await peer.sendUnchecked(verb, { ...later, ...lie }).catch(() => peer.close());
        }
        if (say === "close" || say === "END") {
          peer = await server.connect(till, { role: "data" });
        }
        await server.clock.advance(0);
      }
      await peer.close();
      // Files are read in real time: only then is everything answered.
      await server.until(() => server.parts.lobby.connections === 0);
      const waits = place.state() === "queued" || place.state() === "sent";
      await server.until(async () => await exists(copy) === waits);
      if (!waits) return;
      const again = await server.connect(till, { role: "data" });
      assert(Buffer.from((await place.take(again)).bytes).equals(bytes));
    }),
    { numRuns: 60 },
  );
});
