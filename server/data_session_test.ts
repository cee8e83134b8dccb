import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import {
  type BeforeOperation,
  failingAt,
  systemError,
  watchedFiles,
} from "../platform/fake_files.ts";
import { systemFiles } from "../platform/file_system.ts";
import { MAX_DATA_SESSIONS_PER_CLIENT, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { begin, MIB, offer, prefix, send, sha256, sum, uuid } from "./fake_sender.ts";
import type { FakeServer } from "./fake_server.ts";
import { StoreError } from "./store.ts";

const encoder = new TextEncoder();

/** Asserts that a whole file still goes through: the connection was kept and nothing is left behind. */
async function stillTakesFiles(
  { server, peer }: { server: FakeServer; peer: FakePeer },
): Promise<void> {
  const before = await server.published();
  const bytes = encoder.encode("still here");
  await send(peer, 999, { path: ["still.txt"], bytes });
  assertEquals((await peer.expect("STORED")).as, "still.txt");
  assertEquals(await server.published(), [...before, "till-3/still.txt"].sort());
  assertEquals(await server.staged(), 0);
}

/** Asserts that the connection ended with these frames, and nothing was published or kept. */
async function endsWithNothing(
  place: { server: FakeServer; peer: FakePeer },
  ...verbs: string[]
): Promise<void> {
  await endsUnpublished(place, { verbs, kept: 0 });
}

/** Asserts that the connection ended with these frames, and the bytes were kept and not published [HB-110]. */
async function endsWithPartial(
  place: { server: FakeServer; peer: FakePeer },
  ...verbs: string[]
): Promise<void> {
  await endsUnpublished(place, { verbs, kept: 1 });
}

async function endsUnpublished(
  { server, peer }: { server: FakeServer; peer: FakePeer },
  { verbs, kept }: { verbs: string[]; kept: number },
): Promise<void> {
  for (const verb of verbs) assertEquals((await peer.next())?.verb, verb);
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals([await server.published(), await server.staged()], [[], kept]);
  assertEquals([server.files, server.tables.files()], [[], []]);
}

/** Asserts that these two answers come, in any order [HB-69]. */
async function expectBoth(peer: FakePeer, ...answers: [string, string]): Promise<void> {
  const came = [];
  for (let count = 0; count < 2; count++) {
    const frame = await peer.next();
    came.push(frame !== null && "id" in frame ? `${frame.verb} ${frame.id}` : frame?.verb);
  }
  assertEquals(came.sort(), answers.sort());
}

Deno.test("[HB-63] a file is stored whole, recorded and told, before STORED is sent", async () => {
  await using place = await begin();
  const { server, till, peer, read } = place;
  const bytes = encoder.encode("hello, file");
  await send(peer, 1, { path: ["report.txt"], bytes });
  assertEquals(await peer.expect("STORED"), {
    verb: "STORED",
    id: uuid(1),
    as: "report.txt",
    bytes: bytes.length,
    sha256: sha256(bytes),
  });
  assertEquals(await read("report.txt"), bytes);
  const path = join(server.directory, "till-3", "report.txt");
  assertEquals(server.files, [{ from: "till-3", path, bytes: bytes.length }]);
  assertEquals(server.tables.files(till.keyId), [{
    seq: 1,
    id: uuid(1),
    client: till.keyId,
    clientName: "till-3",
    direction: "in",
    name: "report.txt",
    path,
    bytes: bytes.length,
    sha256: sha256(bytes),
    state: "stored",
    at: server.clock.wall(),
  }]);
});

Deno.test("[HB-63] STORED waits for the record", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("addFile");
  await send(peer, 1, { path: ["a.txt"], bytes: encoder.encode("a") });
  await server.until(() => server.waiting("addFile") === 1);
  assertEquals(server.files, []);
  release();
  assertEquals((await peer.expect("STORED")).id, uuid(1));
});

for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB]) {
  Deno.test(`[HB-62] a file of ${size} bytes arrives as it was sent`, async () => {
    await using place = await begin();
    const bytes = new Uint8Array(size).map((_, at) => at * 31 + (at >> 8));
    await send(place.peer, 1, { path: ["a.bin"], bytes });
    assertEquals((await place.peer.expect("STORED")).bytes, size);
    assert(Buffer.from(await place.read("a.bin")).equals(bytes));
  });
}

Deno.test("[HB-2] bytes, SUM and the next offers may arrive in one segment", async () => {
  await using place = await begin();
  const { peer, read } = place;
  const bytes = encoder.encode('END {}\nHEARTBEAT {"seq":1}\n');
  peer.send(offer(1, ["a.txt"], bytes.length));
  await peer.expect("READY");
  const frames = [sum(1, bytes), offer(2, ["b.txt"], 0)].map(({ verb, ...fields }) =>
    `${verb} ${JSON.stringify(fields)}\n`
  );
  await peer.raw(new Uint8Array([...bytes, ...encoder.encode(frames.join(""))]));
  await expectBoth(peer, `STORED ${uuid(1)}`, `READY ${uuid(2)}`);
  assertEquals(await read("a.txt"), bytes);
});

Deno.test("[HB-60] offers may be pipelined and are answered in order", async () => {
  await using place = await begin({ maxFileBytes: 100 });
  const { peer } = place;
  const bytes = encoder.encode("abc");
  peer.send(offer(1, ["../evil"], 3));
  peer.send(offer(2, ["large"], 101));
  peer.send(offer(3, ["fine"], 3));
  assertEquals((await peer.expect("REJECT")).id, uuid(1));
  assertEquals((await peer.expect("REJECT")).id, uuid(2));
  assertEquals((await peer.expect("READY")).id, uuid(3));
  await peer.raw(bytes);
  peer.send(sum(3, bytes));
  peer.send(offer(4, ["next"], 0));
  await expectBoth(peer, `STORED ${uuid(3)}`, `READY ${uuid(4)}`);
});

for (const size of ["-1", "1.5", '"12"', '"12abc"', "null", "1e309", "9007199254740992", "[1]"]) {
  Deno.test(`[HB-61] a size of ${size} is REJECT bad_size, and the connection is kept`, async () => {
    await using place = await begin();
    await place.peer.raw(`FILE {"id":"${uuid(1)}","path":["a"],"size":${size}}\n`);
    const { id, code, reason, retry } = await place.peer.expect("REJECT");
    assertEquals([id, code, retry], [uuid(1), "bad_size", false]);
    assert(reason !== "");
    await stillTakesFiles(place);
  });
}

Deno.test("[HB-7] an offer without a size or path is a bad field", async () => {
  await using place = await begin();
  await place.peer.raw(`FILE {"id":"${uuid(1)}","path":["a"]}\n`);
  assertEquals((await place.peer.expect("REFUSE")).code, "bad_frame");
  await place.peer.raw(`FILE {"id":"${uuid(1)}","size":1}\n`);
  assertEquals((await place.peer.expect("REFUSE")).code, "bad_frame");
  await stillTakesFiles(place);
});

for (const size of [2 ** 53 - 1, 1_001, 1_000, 999]) {
  Deno.test(`[HB-61] an offer of ${size} bytes meets a limit of 1,000`, async () => {
    await using place = await begin({ maxFileBytes: 1_000 });
    place.peer.send(offer(1, ["a"], size));
    if (size <= 1_000) return assertEquals((await place.peer.expect("READY")).id, uuid(1));
    assertEquals((await place.peer.expect("REJECT")).code, "too_large");
    await stillTakesFiles(place);
  });
}

for (
  const path of [
    ["../../.ssh/authorized_keys"],
    ["..", "evil"],
    ["/etc/passwd"],
    ["C:\\evil"],
    ["nul.txt"],
    ["a\u202etxt.exe"],
    [""],
    [],
    ["a", ""],
    "a.txt",
    [["a"]],
    null,
    [".staging", "..", "..", "x"],
  ]
) {
  Deno.test(`[HB-70] the path ${JSON.stringify(path)} is REJECT bad_name and creates nothing`, async () => {
    await using place = await begin();
    place.peer.send(offer(1, path, 5));
    assertEquals((await place.peer.expect("REJECT")).code, "bad_name");
    assertEquals(await place.server.published(), []);
    await stillTakesFiles(place);
  });
}

Deno.test("[HB-71] a path of folders is made below the client's own folder", async () => {
  await using place = await begin();
  const { peer, read } = place;
  const bytes = encoder.encode("x");
  await send(peer, 1, { path: ["photos", "2026", "a.jpg"], bytes });
  assertEquals((await peer.expect("STORED")).as, "a.jpg");
  assertEquals(await read("photos/2026/a.jpg"), bytes);
});

Deno.test("[HB-64] a name in use gets a number, and the first file stays as it was", async () => {
  await using place = await begin();
  const { peer, read } = place;
  for (const [number, as] of [[1, "a.txt"], [2, "a (2).txt"], [3, "a (3).txt"]] as const) {
    await send(peer, number, { path: ["a.txt"], bytes: encoder.encode(`file ${number}`) });
    assertEquals((await peer.expect("STORED")).as, as);
    assertEquals(await read(as), encoder.encode(`file ${number}`));
  }
  assertEquals(await read("a.txt"), encoder.encode("file 1"));
});

Deno.test("two clients may use one name: each has its own folder", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  for (const [number, sender] of [[1, peer], [2, other]] as const) {
    await send(sender, number, { path: ["a.txt"], bytes: encoder.encode(`${number}`) });
    assertEquals((await sender.expect("STORED")).as, "a.txt");
  }
  assertEquals(await server.published(), ["till-3/a.txt", "till-4/a.txt"]);
});

Deno.test("a link in the place of the client's folder is refused and not followed", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using place = await begin();
  const { server, peer } = place;
  const outside = await Deno.makeTempDir();
  try {
    await Deno.symlink(outside, join(server.directory, "till-3"));
    await send(peer, 1, { path: ["a.txt"], bytes: encoder.encode("a") });
    assertEquals((await peer.expect("REJECT")).code, "denied");
    assertEquals(await Array.fromAsync(Deno.readDir(outside)), []);
  } finally {
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("[HB-63] a digest that differs is REJECT hash, and nothing is published", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const bytes = encoder.encode("hello");
  peer.send(offer(1, ["a.txt"], bytes.length));
  await peer.expect("READY");
  await peer.raw(bytes);
  peer.send(sum(1, bytes, sha256(encoder.encode("other"))));
  const { code, retry } = await peer.expect("REJECT");
  assertEquals([code, retry], ["hash", false]);
  assertEquals([await server.published(), server.files], [[], []]);
  await stillTakesFiles(place);
});

Deno.test("[HB-65] CANCEL in place of SUM withdraws the file", async () => {
  await using place = await begin();
  const { server, peer } = place;
  peer.send(offer(1, ["a.txt"], 5));
  await peer.expect("READY");
  await peer.raw("hello");
  peer.send({ verb: "CANCEL", id: uuid(1) });
  await stillTakesFiles(place);
  assertEquals(await server.published(), ["till-3/still.txt"]);
});

Deno.test("CANCEL of what is not open changes nothing", async () => {
  await using place = await begin();
  place.peer.send({ verb: "CANCEL", id: uuid(1) });
  await stillTakesFiles(place);
});

for (
  const [what, tail] of [
    ["one byte more", `xSUM {"id":"${uuid(1)}","bytes":5,"sha256":"${"0".repeat(64)}"}\n`],
    ["an END among the bytes", "END {}\n"],
    ["another offer", `FILE {"id":"${uuid(2)}","path":["b"],"size":0}\n`],
    ["a goodbye", 'BYE {"reason":"stop"}\n'],
    ["an unknown verb", "WHATEVER {}\n"],
    ["no text at all", new Uint8Array([0, 1, 2, 255, 10])],
    ["the SUM of another file", `SUM {"id":"${uuid(2)}","bytes":5,"sha256":"${"0".repeat(64)}"}\n`],
    ["a SUM of other bytes", `SUM {"id":"${uuid(1)}","bytes":6,"sha256":"${"0".repeat(64)}"}\n`],
    ["a SUM without digest", `SUM {"id":"${uuid(1)}","bytes":5}\n`],
    ["the CANCEL of another file", `CANCEL {"id":"${uuid(2)}"}\n`],
  ] as const
) {
  Deno.test(`[HB-62] ${what} behind the announced bytes ends transfer and connection`, async () => {
    await using place = await begin();
    const { peer } = place;
    peer.send(offer(1, ["a.txt"], 5));
    await peer.expect("READY");
    await peer.raw("hello");
    await peer.raw(tail);
    await endsWithPartial(place, "REFUSE");
  });
}

Deno.test("[HB-62] surplus of many megabytes is not stored and not read as verbs", async () => {
  await using place = await begin();
  const { peer } = place;
  peer.send(offer(1, ["a.txt"], 5));
  await peer.expect("READY");
  const flood = peer.raw(new Uint8Array(4 * MIB).fill(0x41)).catch((error) => error);
  await endsWithPartial(place, "REFUSE");
  assert(await flood instanceof Error, "it was cut off");
});

for (const bytes of ["", "hel", "hello"]) {
  Deno.test(`[HB-10] a stream that ends after ${bytes.length} of 5 bytes publishes nothing`, async () => {
    await using place = await begin();
    const { peer } = place;
    peer.send(offer(1, ["a.txt"], 5));
    await peer.expect("READY");
    await peer.raw(bytes);
    await peer.finish();
    await endsWithPartial(place, "REFUSE");
  });
}

Deno.test("[HB-10] a connection that is reset in the middle of a large file publishes nothing", async () => {
  await using place = await begin();
  const { server, peer } = place;
  peer.send(offer(1, ["a.bin"], 8 * MIB));
  await peer.expect("READY");
  await peer.raw(new Uint8Array(2 * MIB + 5));
  peer.connection.close();
  await peer.ended;
  assertEquals([await server.published(), await server.staged()], [[], 1]);
});

for (const early of ["raw bytes", "after a REJECT"]) {
  Deno.test(`[HB-68] bytes without READY are no file's: ${early}`, async () => {
    await using place = await begin();
    const { peer } = place;
    if (early === "after a REJECT") {
      peer.send(offer(1, ["../x"], 5));
      await peer.expect("REJECT");
    }
    await peer.raw("hello\n");
    await endsWithNothing(place, "REFUSE");
  });
}

Deno.test("[HB-68] SUM without a file ends the connection", async () => {
  await using place = await begin();
  place.peer.send(sum(1, encoder.encode("hello")));
  await endsWithNothing(place, "REFUSE");
});

Deno.test("[HB-68] [HB-113] a transfer that is stored takes no bytes any more, under its id either", async () => {
  await using place = await begin();
  const { peer, read } = place;
  await send(peer, 1, { path: ["a.txt"], bytes: encoder.encode("first") });
  await peer.expect("STORED");
  peer.send(offer(1, ["a.txt"], 6));
  assertEquals((await peer.expect("STORED")).bytes, 5);
  assertEquals(await read("a.txt"), encoder.encode("first"));
  await stillTakesFiles(place);
});

for (const verb of ["HEARTBEAT", "MESSAGE", "PONG", "RECEIPT", "PREFIX", "PUSH", "READY"]) {
  Deno.test(`[HB-9] a data connection takes no ${verb}`, async () => {
    await using place = await begin();
    const fields: Record<string, object> = {
      HEARTBEAT: { seq: 0, at: 1 },
      MESSAGE: { id: uuid(1), at: 1, text: "x" },
      PONG: { n: 1 },
      RECEIPT: { ids: [uuid(1)], state: "stored" },
      PREFIX: { id: uuid(1), offset: 0, sha256: "0".repeat(64) },
      PUSH: { id: uuid(1), path: ["a"], size: 1, sha256: "0".repeat(64) },
      READY: { id: uuid(1), offset: 0 },
    };
    await place.peer.sendUnchecked(verb, fields[verb]);
    await endsWithNothing(place, "REFUSE");
  });
}

Deno.test("[HB-7] a data connection answers bad fields with REFUSE and closes at the third", async () => {
  await using place = await begin();
  const { peer } = place;
  for (let turn = 1; turn <= 2; turn++) {
    await peer.sendUnchecked("FILE", { id: "no uuid", path: ["a"], size: 1 });
    assertEquals((await peer.expect("REFUSE")).code, "bad_frame");
  }
  peer.send(offer(1, ["../x"], 1));
  assertEquals((await peer.expect("REJECT")).code, "bad_name");
  await peer.sendUnchecked("CANCEL", {});
  await endsWithNothing(place, "REFUSE");
});

Deno.test("[HB-6] a data connection ignores unknown verbs between files", async () => {
  await using place = await begin();
  const { peer } = place;
  await peer.sendUnchecked("WHATEVER", {});
  await stillTakesFiles(place);
});

for (const verb of ["END", "BYE"]) {
  Deno.test(`${verb} ends a data connection, and nobody is missed for it`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    await peer.sendUnchecked(verb, verb === "BYE" ? { reason: "stop" } : undefined);
    await endsWithNothing(place);
    assertEquals(server.changes, []);
  });
}

/** What fails at every call of an operation. */
function failing(operation: string, errno: string): BeforeOperation {
  return (name) => {
    if (name === operation) throw systemError(errno);
  };
}

for (const [errno, code] of [["ENOSPC", "no_space"], ["EIO", "io"]] as const) {
  Deno.test(`[HB-66] a write that fails is REJECT ${code} while the sender still sends (fault 19)`, async () => {
    await using place = await begin({ files: watchedFiles(failingAt("write", { errno, nth: 2 })) });
    const { server, till, peer } = place;
    peer.send(offer(1, ["a.bin"], 8 * MIB));
    await peer.expect("READY");
    await peer.raw(new Uint8Array(3 * MIB)); // Five more are to come.
    const rejected = await peer.expect("REJECT");
    assertEquals([rejected.id, rejected.code, rejected.retry], [uuid(1), code, true]);
    const partial = join(server.directory, ".staging", till.keyId, uuid(1));
    const { size } = await Deno.stat(partial);
    assert(size > 0 && size < 3 * MIB, "something was written");
    assertEquals(rejected.offset, size, "the sender is told what is kept");
    await peer.raw(new Uint8Array(5 * MIB));
    peer.send(sum(1, new Uint8Array(8 * MIB)));
    await peer.finish();
    await endsWithPartial(place);
  });
}

Deno.test("[HB-66] a sender that goes on for ever after its REJECT is cut off after 5 s", async () => {
  await using place = await begin({ files: watchedFiles(failing("write", "ENOSPC")) });
  const { server, peer } = place;
  peer.send(offer(1, ["a.bin"], 1_000 * MIB));
  await peer.expect("READY");
  await peer.raw(new Uint8Array(MIB));
  await peer.expect("REJECT");
  await server.clock.advance(4_999);
  await peer.raw(new Uint8Array(MIB));
  await server.clock.advance(1);
  await endsWithPartial(place);
});

Deno.test("[HB-66] a disk that is full before the first byte is REJECT, and nothing was sent", async () => {
  await using place = await begin({ files: watchedFiles(failing("create", "ENOSPC")) });
  const { peer } = place;
  for (const number of [1, 2]) {
    peer.send(offer(number, ["a.bin"], 5));
    const { id, code, retry } = await peer.expect("REJECT");
    assertEquals([id, code, retry], [uuid(number), "no_space", true]);
  }
});

Deno.test("[HB-66] one client's failing write does not touch another's transfer", async () => {
  const files = { ...systemFiles };
  await using place = await begin({ files });
  const { server, peer } = place;
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  other.send(offer(1, ["b.txt"], 5));
  await other.expect("READY");
  files.create = watchedFiles(failing("write", "EIO")).create;
  peer.send(offer(1, ["a.txt"], 5));
  await peer.expect("READY");
  await peer.raw("hello");
  assertEquals((await peer.expect("REJECT")).code, "io");
  await other.raw("hello");
  other.send(sum(1, encoder.encode("hello")));
  assertEquals((await other.expect("STORED")).as, "b.txt");
});

Deno.test("[HB-63] a file that cannot be synced is REJECT io and not published", async () => {
  let isBroken = true;
  const files = watchedFiles((operation) => {
    if (isBroken && operation === "sync") throw systemError("EIO");
  });
  await using place = await begin({ files });
  const { server, peer } = place;
  await send(peer, 1, { path: ["a.txt"], bytes: encoder.encode("hello") });
  const { code, retry } = await peer.expect("REJECT");
  assertEquals([code, retry], ["io", true]);
  assertEquals(await server.published(), []);
  isBroken = false;
  peer.send({ verb: "CANCEL", id: uuid(1) });
  await stillTakesFiles(place);
});

for (const full of [true, false]) {
  Deno.test(`[HB-63] a file that cannot be recorded is not acknowledged, and found when it is offered again, disk full: ${full}`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    const bytes = encoder.encode("hello");
    server.fail("addFile", new StoreError("Cannot use the database", { full }));
    await send(peer, 1, { path: ["a.txt"], bytes });
    const { code, retry } = await peer.expect("REJECT");
    assertEquals([code, retry], [full ? "no_space" : "io", true]);
    assertEquals([server.files, server.tables.files()], [[], []]);
    server.fail("addFile", undefined);
    peer.send(offer(1, ["a.txt"], 5));
    assertEquals((await peer.expect("READY")).offset, 5);
    peer.send(prefix(1, 5, bytes));
    assertEquals((await peer.expect("READY")).offset, 5);
    peer.send(sum(1, bytes));
    assertEquals((await peer.expect("STORED")).as, "a.txt");
    assertEquals(await server.published(), ["till-3/a.txt"]);
    assertEquals(server.tables.files().length, 1);
  });
}

Deno.test("[HB-67] a transfer without a byte for 60 s is given up, and one with is not (fault 18)", async () => {
  await using place = await begin();
  const { server, peer } = place;
  peer.send(offer(1, ["a.txt"], 5));
  await peer.expect("READY");
  for (const byte of "hel") {
    await peer.raw(byte);
    await server.clock.advance(TRANSFER_STALL_MS - 1);
    assertEquals(await server.staged(), 1);
  }
  await server.clock.advance(1);
  await endsWithPartial(place);
});

Deno.test("[HB-67] a data connection that offers nothing for 60 s is closed", async () => {
  await using place = await begin();
  const { server } = place;
  await server.clock.advance(TRANSFER_STALL_MS - 1);
  assertEquals(server.parts.lobby.connections, 1);
  await server.clock.advance(1);
  await endsWithNothing(place);
});

Deno.test("[HB-42] the bytes of a file keep its client's agent UP", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.connect(till, { role: "agent" });
  peer.send(offer(1, ["a.bin"], 1_000));
  await peer.expect("READY");
  for (let turn = 0; turn < 10; turn++) {
    await server.clock.advance(24_000);
    await peer.raw("x");
  }
  assertEquals(server.path(till.keyId), ["new>UP -"]);
});

Deno.test("[HB-116] a client's third transfer at once is REJECT busy, and its connection stays", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const second = await dial();
  const third = await dial();
  for (const [number, one] of [[1, peer], [2, second]] as const) {
    one.send(offer(number, [`${number}.txt`], 5));
    await one.expect("READY");
  }
  for (let turn = 0; turn < 2; turn++) {
    third.send(offer(3, ["3.txt"], 5));
    const { id, code, retry } = await third.expect("REJECT");
    assertEquals([id, code, retry], [uuid(3), "busy", true]);
  }
  assertEquals(server.audits(), [], "waiting is nothing for the audit log");
  await second.close();
  await send(third, 3, { path: ["3.txt"], bytes: encoder.encode("hello") });
  assertEquals((await third.expect("STORED")).as, "3.txt");
});

Deno.test("[HB-33] a client has at most 8 data connections; one more is refused as full", async () => {
  await using place = await begin();
  const { server, till, peer, dial } = place;
  const others = [];
  while (others.length < MAX_DATA_SESSIONS_PER_CLIENT - 1) others.push(await dial());
  const late = server.dial();
  const error = await late.greet(till, { role: "data" }).then(() => undefined, (error) => error);
  assertEquals(error?.code, "full");
  await late.ended;
  await others.pop()?.close();
  await dial();
  await stillTakesFiles({ server, peer });
});

Deno.test("a server that stops says BYE and keeps a half file", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  peer.send(offer(1, ["a.txt"], 5));
  await peer.expect("READY");
  await peer.raw("hel");
  for (const link of server.parts.roster.get(till.keyId)?.others ?? []) await link.end("shutdown");
  assertEquals(await peer.expect("BYE"), { verb: "BYE", reason: "shutdown" });
  await endsWithPartial(place);
});

Deno.test("a refused file leaves a line in the audit log", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  peer.send(offer(1, ["../evil\u001b[2J"], 5));
  const { reason } = await peer.expect("REJECT");
  await server.until(() => server.audits().length > 0);
  assertEquals(server.audits(), [{ action: "file_rejected", code: "bad_name", reason }]);
  assertEquals(server.tables.events({ kinds: ["audit"] })[0]?.client, till.keyId);
});
