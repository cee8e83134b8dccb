import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Frame,
  MAX_DATA_CONNECTIONS_PER_CLIENT,
  MAX_GREETING_LINE_BYTES,
  MAX_LINE_BYTES,
  MAX_MESSAGE_BYTES,
  type Verb,
  WRITE_STALL_MS,
} from "../protocol/mod.ts";
import { FORGET_MS, MAX_SWAPS, PROOF_MS, SHUT_OUT_MS } from "./clone_guard.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer } from "./fake_server.ts";
import { StoreError } from "./store.ts";

const P = 20_000;

function uuid(number: number): string {
  return `019aa8d0-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

function message(number: number, text = `text ${number}`): Frame {
  return { verb: "MESSAGE", id: uuid(number), at: 1_763_800_000_000, text };
}

function heartbeat(seq: number): Frame {
  return { verb: "HEARTBEAT", seq, at: 1_763_800_000_000 };
}

/** Resolves when the session has handled everything that was sent before. */
async function handled(peer: FakePeer, seq = 999, skip: Verb[] = ["PING"]): Promise<void> {
  peer.send(heartbeat(seq));
  const beat = await peer.next(skip);
  assertEquals(beat?.verb === "BEAT" && beat.seq, seq, JSON.stringify(beat));
}

/** A server with one connected client. */
async function begin(options: Parameters<typeof FakeServer.start>[0] = {}) {
  const server = await FakeServer.start(options);
  const till = await server.enrol("till-3");
  const peer = await server.connect(till);
  return { server, till, peer, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Queues a text of the operator for a client and has it delivered. */
async function queue(server: FakeServer, client: string, number: number): Promise<void> {
  const at = server.clock.wall();
  await server.parts.store.queueMessage({ id: uuid(number), client, at, text: `text ${number}` });
  server.parts.roster.get(client)?.agent?.deliver();
}

function states(server: FakeServer, ...numbers: number[]): string[] {
  const found = server.tables.messageStates(numbers.map(uuid));
  return numbers.map((number) => found.find(({ id }) => id === uuid(number))?.state ?? "none");
}

Deno.test("a session begins with ACK, which says name, limits and times, and a PING", async () => {
  await using place = await begin({ maxFileBytes: 1_000 });
  const { server, peer } = place;
  const { session, ...ack } = peer.ack ?? { session: "" };
  assertEquals(ack, {
    hb: 1,
    name: "till-3",
    interval: P,
    late: 1.25 * P,
    down: 2.5 * P,
    time: server.clock.wall(),
    features: ["journal"],
    limits: {
      line: MAX_LINE_BYTES,
      message: MAX_MESSAGE_BYTES,
      file: 1_000,
      data: MAX_DATA_CONNECTIONS_PER_CLIENT,
    },
  });
  assert(session !== "");
  assertEquals((await peer.expect("PING")).n, 1);
});

Deno.test("[HB-41] a session answers each HEARTBEAT with BEAT of the same seq", async () => {
  await using place = await begin();
  const { server, peer } = place;
  for (const seq of [0, 1, 2, Number.MAX_SAFE_INTEGER]) {
    peer.send(heartbeat(seq));
    assertEquals(await peer.expect("BEAT"), { verb: "BEAT", seq, at: server.clock.wall() });
  }
});

Deno.test("[HB-41] a session measures the round trip from PING to the PONG of the same n", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const { n } = await peer.expect("PING");
  await server.clock.advance(40);
  peer.send({ verb: "PONG", n: n + 1 });
  await handled(peer);
  assertEquals(server.parts.watch.get(till.keyId)?.roundTripMs, undefined);
  peer.send({ verb: "PONG", n });
  peer.send({ verb: "PONG", n });
  await handled(peer);
  assertEquals(server.parts.watch.get(till.keyId)?.roundTripMs, 40);
});

Deno.test("a session keeps few open PINGs of a peer that answers none", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const first = await peer.expect("PING");
  for (let seq = 0; seq < 20; seq++) await handled(peer, seq);
  peer.send({ verb: "PONG", n: first.n });
  await handled(peer);
  assertEquals(server.parts.watch.get(till.keyId)?.roundTripMs, undefined, "it is forgotten");
});

Deno.test("a session notes heartbeats, round trips and vitals in the timeline, by the minute", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const vitals = { cpu: 0.25, mem: 0.5, up: 3_600 };
  peer.send({ verb: "HEARTBEAT", seq: 0, at: server.clock.wall() - 1_500, vitals });
  await peer.expect("BEAT");
  peer.send({ verb: "PONG", n: 1 });
  await server.clock.advance(500);
  peer.send({ verb: "HEARTBEAT", seq: 1, at: server.clock.wall() - 1_500, vitals });
  await peer.expect("BEAT");
  const line = {
    ...{ beats: 2, seq: 1, gap_ms: 500, gap_max_ms: 500, rtt_ms: 0, rtt_max_ms: 0 },
    ...{ skew_ms: -1_500, vitals },
  };
  const lines = await server.parts.timeline.read({ kinds: ["beat"] });
  assertEquals(lines.map(({ clientName, data }) => [clientName, data]), [["till-3", line]]);
  assertEquals(server.tables.events({ kinds: ["beat"] }), [], "its minute is not over");
  await server.parts.timeline.flush();
  assertEquals(
    server.tables.events({ kinds: ["beat"] }).map(({ client, data }) => [client, data]),
    [[till.keyId, line]],
  );
  const member = server.parts.roster.get(till.keyId);
  assertEquals([member?.vitals, member?.skewMs], [vitals, -1_500]);
});

Deno.test("[HB-42] any byte of an agent is life, also half a frame", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (let turn = 0; turn < 10; turn++) {
    await server.clock.advance(1.25 * P - 1);
    await peer.raw(turn === 0 ? "NONSENSE {}\nHEARTB" : "E");
    await server.clock.advance(0);
  }
  assertEquals(server.path(till.keyId), ["new>UP -"]);
});

Deno.test("[HB-42] a tool connection is answered and is no sign of life", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const peer = await server.connect(till, { role: "tool" });
  await handled(peer);
  peer.send(message(1));
  assertEquals((await peer.expect("RECEIPT")).ids, [uuid(1)]);
  assertEquals(server.parts.watch.get(till.keyId), undefined);
  await peer.close();
  assertEquals(server.changes, []);
  assertEquals(server.tables.events({ kinds: ["beat", "state"] }), []);
});

Deno.test("[HB-42] a tool connection keeps no silent agent UP", async () => {
  await using place = await begin();
  const { server, till } = place;
  const tool = await server.connect(till, { role: "tool" });
  for (let turn = 0; turn < 5; turn++) {
    await server.clock.advance(0.5 * P);
    await handled(tool, turn);
  }
  assertEquals(server.path(till.keyId).at(-1), "SUSPECT>DOWN silent");
});

Deno.test("[HB-43] a SUSPECT client is asked with PING, and its PONG makes it UP again", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const { n } = await peer.expect("PING");
  await server.clock.advance(1.5 * P - 1);
  assertEquals(server.path(till.keyId), ["new>UP -", "UP>LATE silent"]);
  await server.clock.advance(1);
  assertEquals(await peer.expect("PING"), { verb: "PING", n: n + 1 });
  peer.send({ verb: "PONG", n: n + 1 });
  await handled(peer);
  assertEquals(server.path(till.keyId).slice(2), ["LATE>SUSPECT silent", "SUSPECT>UP -"]);
});

Deno.test("[HB-44] a session that stays silent is DOWN with one alert, and recovers", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.clock.advance(2.5 * P);
  assertEquals(server.path(till.keyId).at(-1), "SUSPECT>DOWN silent");
  assertEquals(server.notices.map(({ kind, clients }) => [kind, clients]), [["alert", ["till-3"]]]);
  assertStringIncludes(server.notices[0]?.text ?? "", "ALERT till-3 is DOWN, silent");
  assertEquals(server.tables.alerts(true).length, 1);
  await handled(peer, 1);
  assertEquals(server.parts.watch.get(till.keyId)?.state, "DOWN");
  await server.clock.advance(P);
  await handled(peer, 2);
  assertEquals(server.path(till.keyId).at(-1), "DOWN>UP silent");
  await server.clock.advance(0);
  assertEquals(server.notices[1]?.text, "RECOVERED till-3 is UP again after 50.0 s (silent)");
  assertEquals(server.tables.alerts(true), []);
});

Deno.test("[HB-44] a connection that closes without BYE is lost, and DOWN if it stays away", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await peer.close();
  assertEquals(server.path(till.keyId), ["new>UP -", "UP>SUSPECT connection lost"]);
  await server.clock.advance(0.75 * P);
  assertEquals(server.path(till.keyId).at(-1), "SUSPECT>DOWN connection lost");
});

Deno.test("[HB-44] a connection that comes back in time raises nothing", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await peer.close();
  await server.clock.advance(0.75 * P - 1);
  await server.connect(till);
  await server.clock.advance(P);
  assertEquals(server.path(till.keyId).at(-1), "SUSPECT>UP -");
  assertEquals(server.notices, []);
});

Deno.test("[HB-10] an end in the middle of a line is a lost connection, not a goodbye", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await peer.raw('BYE {"reason":"stop"}');
  await peer.finish();
  await peer.ended;
  assertEquals(server.path(till.keyId).at(-1), "UP>SUSPECT connection lost");
});

for (const reason of ["stop", "sleep", "reboot", "update"] as const) {
  Deno.test(`[HB-45] [HB-55] BYE ${reason} is PLANNED; nothing is answered, the side closes`, async () => {
    await using place = await begin();
    const { server, till, peer } = place;
    peer.send({ verb: "BYE", reason });
    peer.send(heartbeat(1));
    assertEquals(await peer.next(), null);
    await peer.ended;
    assertEquals(server.path(till.keyId).at(-1), `UP>PLANNED said bye: ${reason}`);
    await server.clock.advance(100 * P);
    assertEquals(server.notices, []);
  });
}

Deno.test("[HB-45] BYE with back_in in seconds alerts when that time has passed", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  peer.send({ verb: "BYE", reason: "reboot", back_in: 300 });
  await peer.ended;
  await server.clock.advance(300_000 - 1);
  assertEquals(server.path(till.keyId).at(-1), "UP>PLANNED said bye: reboot");
  await server.clock.advance(1);
  assertEquals(server.path(till.keyId).at(-1), "PLANNED>DOWN planned overdue");
});

Deno.test("[HB-5] [HB-6] a session ignores unknown keys and unknown verbs", async () => {
  await using place = await begin();
  const { peer } = place;
  for (const verb of ["WHATEVER", "NOVELTY", "ZZ"]) await peer.sendUnchecked(verb, { a: 1 });
  await peer.sendUnchecked("HEARTBEAT", { seq: 5, at: 1, newer: { than: "this" } });
  assertEquals((await peer.expect("BEAT")).seq, 5);
});

for (const verb of ["PUSH", "FETCH", "PREFIX", "READY", "SUM"]) {
  Deno.test(`a session closes with words on ${verb}, which has no place there`, async () => {
    await using place = await begin();
    const { peer } = place;
    const fields = { id: uuid(1), path: ["a"], size: 1, bytes: 1, offset: 0 };
    await peer.sendUnchecked(verb, { ...fields, sha256: "0".repeat(64) });
    const { code, reason } = await peer.expect("REFUSE");
    assertEquals([code, reason.includes(verb)], ["bad_frame", true]);
    assertEquals(await peer.next(), null);
  });
}

Deno.test("[HB-7] a session answers a bad field with REFUSE and closes at the third", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (let turn = 1; turn <= 3; turn++) {
    await peer.sendUnchecked("HEARTBEAT", { seq: -1, at: 1 });
    const { code, reason } = await peer.expect("REFUSE");
    assertEquals(code, "bad_frame");
    assertStringIncludes(reason, '"seq"');
    if (turn < 3) await handled(peer, turn);
  }
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals(server.path(till.keyId).at(-1), "UP>SUSPECT connection lost");
});

const MAX_TEXT = "x".repeat(MAX_MESSAGE_BYTES);

for (
  const [what, line] of [
    ["no JSON", "HEARTBEAT {seq:1}\n"],
    ["no object", "HEARTBEAT [1]\n"],
    ["a verb in small letters", "heartbeat {}\n"],
    ["an empty line", "\n"],
    ["JSON nested too deeply", `HEARTBEAT ${'{"a":'.repeat(9)}1${"}".repeat(9)}\n`],
    ["a verb of the server", 'BEAT {"seq":1,"at":1}\n'],
    ["a second greeting", 'HELLO {"hb":[1,1],"role":"agent","app":"x","epoch":1}\n'],
    ["a verb of another role", `FILE {"id":"${uuid(1)}","path":["a"],"size":1}\n`],
    ["a line that is too long", `HEARTBEAT ${" ".repeat(MAX_LINE_BYTES)}`],
  ] as const
) {
  Deno.test(`[HB-9] a session refuses ${what} and closes, and nobody else notices`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    const other = await server.connect(await server.enrol("till-4"));
    await peer.raw(line);
    const refusal = await peer.expect("REFUSE");
    assertEquals(refusal.code, "bad_frame");
    assert(refusal.reason !== "");
    assertEquals(await peer.next(), null);
    await peer.ended;
    await handled(other);
    assertEquals(server.audits().at(-1)?.action, "protocol_error");
  });
}

Deno.test("[HB-9] a session refuses bytes that are no UTF-8", async () => {
  await using place = await begin();
  await place.peer.raw(new Uint8Array([...new TextEncoder().encode("HEARTBEAT {"), 0xff, 0x0a]));
  assertEquals((await place.peer.expect("REFUSE")).code, "bad_frame");
  assertEquals(await place.peer.next(), null);
});

for (const [bytes, taken] of [[MAX_LINE_BYTES - 1, true], [MAX_LINE_BYTES, true]] as const) {
  Deno.test(`[HB-3] a session takes a line of ${bytes} bytes`, async () => {
    await using place = await begin();
    const head = 'HEARTBEAT {"seq":7,"at":1,"pad":"';
    const line = `${head}${"x".repeat(bytes - head.length - 2)}"}`;
    assertEquals(line.length, bytes);
    assert(bytes > MAX_GREETING_LINE_BYTES);
    await place.peer.raw(`${line}\n`);
    assertEquals((await place.peer.next())?.verb === "BEAT", taken);
  });
}

Deno.test("[HB-50] a session sends RECEIPT only when the message is committed", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("receiveMessages");
  peer.send(message(1));
  await handled(peer, 1); // A slow disk holds no heartbeat up either.
  assertEquals(server.messages, []);
  release();
  assertEquals(await peer.expect("RECEIPT"), {
    verb: "RECEIPT",
    ids: [uuid(1)],
    state: "stored",
  });
  assertEquals(server.messages, [
    { id: uuid(1), client: place.till.keyId, from: "till-3", text: "text 1" },
  ]);
  const [stored] = server.tables.events({ kinds: ["message"] });
  assertEquals(stored?.message?.text, "text 1");
});

Deno.test("[HB-51] a session acknowledges an id again and shows its message once", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (let turn = 0; turn < 3; turn++) {
    peer.send(message(1));
    assertEquals((await peer.expect("RECEIPT")).ids, [uuid(1)]);
  }
  await peer.close();
  const again = await server.connect(till);
  again.send(message(1));
  assertEquals((await again.expect("RECEIPT")).ids, [uuid(1)]);
  assertEquals(server.messages.length, 1);
});

Deno.test("[HB-51] a session takes pipelined messages in their order", async () => {
  await using place = await begin();
  const { server, peer } = place;
  for (let number = 0; number < 600; number++) peer.send(message(number));
  const receipted: string[] = [];
  while (receipted.length < 600) receipted.push(...(await peer.expect("RECEIPT")).ids);
  assertEquals(receipted, Array.from({ length: 600 }, (_, number) => uuid(number)));
  assertEquals(server.messages.map(({ id }) => id), Array.from({ length: 600 }, (_, n) => uuid(n)));
});

Deno.test("a session reads no further while 256 messages wait for the disk", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("receiveMessages");
  for (let number = 0; number < 256; number++) peer.send(message(number));
  await server.until(() => server.waiting("receiveMessages") === 1);
  peer.send(heartbeat(1));
  await server.clock.advance(0);
  release();
  let receipted = 0;
  while (receipted < 256) receipted += (await peer.expect("RECEIPT")).ids.length;
  assertEquals((await peer.expect("BEAT")).seq, 1, "read only when there was room again");
});

Deno.test("[HB-52] a session takes 16 KiB of text and refuses one byte more", async () => {
  await using place = await begin();
  const { server, peer } = place;
  peer.send(message(1, MAX_TEXT));
  assertEquals((await peer.expect("RECEIPT")).ids, [uuid(1)]);
  await peer.sendUnchecked("MESSAGE", { id: uuid(2), at: 1, text: `ü${MAX_TEXT.slice(1)}` });
  assertStringIncludes((await peer.expect("REFUSE")).reason, '"text"');
  await peer.sendUnchecked("MESSAGE", { id: uuid(3), at: 1, text: "" });
  assertStringIncludes((await peer.expect("REFUSE")).reason, '"text"');
  assertEquals(server.messages.length, 1);
});

Deno.test("[HB-52] a session stores text as it is, control and bidi characters included", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const text = "\u001b[2J\u0000\u202e\u2066 ok \r\n\u{1f600}";
  peer.send(message(1, text));
  await peer.expect("RECEIPT");
  assertEquals(server.messages[0]?.text, text);
  assertEquals(server.tables.events({ kinds: ["message"] })[0]?.message?.text, text);
});

Deno.test("[HB-54] a session refuses a message that cannot be stored, by its id", async () => {
  await using place = await begin();
  const { server, peer } = place;
  server.fail("receiveMessages", new StoreError("Cannot use the database", { full: true }));
  peer.send(message(1));
  const { code, id } = await peer.expect("REFUSE");
  assertEquals([code, id], ["full", uuid(1)]);
  server.fail("receiveMessages", undefined);
  peer.send(message(1));
  assertEquals((await peer.expect("RECEIPT")).ids, [uuid(1)]);
  assertEquals(server.messages.length, 1);
});

Deno.test("[HB-56] a session takes nothing in the place of a message that it has refused, for 60 s", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const refusal = async () => (await peer.expect("REFUSE")).id;
  server.fail("receiveMessages", new StoreError("Cannot use the database", { full: true }));
  for (const number of [1, 2]) peer.send(message(number));
  assertEquals([await refusal(), await refusal()], [uuid(1), uuid(2)]);
  server.fail("receiveMessages", undefined);
  peer.send(message(3));
  assertEquals(await refusal(), uuid(3), "it would overtake the first");
  for (const number of [1, 2, 3]) peer.send(message(number));
  const stored: string[] = [];
  while (stored.length < 3) stored.push(...(await peer.expect("RECEIPT")).ids);
  assertEquals(server.messages.map(({ id }) => id), [1, 2, 3].map(uuid));
  server.fail("receiveMessages", new StoreError("Cannot use the database", { full: true }));
  peer.send(message(4));
  assertEquals(await refusal(), uuid(4));
  server.fail("receiveMessages", undefined);
  await server.clock.advance(59_999);
  peer.send(message(5));
  assertEquals(await refusal(), uuid(5));
  await server.clock.advance(1);
  peer.send(message(5));
  assertEquals((await peer.expect("RECEIPT")).ids, [uuid(5)], "its sender has given the other up");
});

Deno.test("[HB-56] a session sends again, in order, what its client had no space for", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (const number of [1, 2, 3]) await queue(server, till.keyId, number);
  for (let turn = 0; turn < 3; turn++) await peer.expect("MESSAGE");
  peer.send({ verb: "RECEIPT", ids: [uuid(1)], state: "stored" });
  for (const number of [2, 3]) {
    peer.send({ verb: "REFUSE", code: "full", reason: "no space", id: uuid(number) });
  }
  await handled(peer);
  await queue(server, till.keyId, 4);
  await server.clock.advance(9_999);
  await handled(peer, 1);
  await server.clock.advance(1);
  for (const number of [2, 3, 4]) assertEquals((await peer.expect("MESSAGE")).id, uuid(number));
});

Deno.test("a client is told once, now or later, that the operator was shown its message", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (const number of [1, 2]) {
    peer.send(message(number));
    await peer.expect("RECEIPT");
  }
  const show = async (number: number) => {
    const how = { ids: [uuid(number)], at: server.clock.wall() };
    await server.parts.store.markIncomingShown(till.keyId, how);
    server.parts.roster.get(till.keyId)?.agent?.tellShown?.();
  };
  await show(1);
  assertEquals(await peer.expect("RECEIPT"), {
    verb: "RECEIPT",
    ids: [uuid(1)],
    state: "shown",
  });
  await peer.close();
  await show(2);
  const back = await server.connect(till);
  assertEquals((await back.expect("RECEIPT")).ids, [uuid(2)]);
});

Deno.test("messages that wait for a week come once, in order, marked with the real times", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const week = 7 * 24 * 3_600_000;
  const queuedAt: number[] = [];
  for (let number = 0; number < 500; number++) {
    queuedAt.push(server.clock.wall());
    await queue(server, till.keyId, number);
    await server.clock.advance(week / 500);
  }
  const peer = await server.connect(till);
  const ids: string[] = [];
  for (let number = 0; number < 500; number++) {
    const { id, at } = await peer.expect("MESSAGE");
    assertEquals(at, queuedAt[number]);
    ids.push(id);
  }
  assertEquals(ids, Array.from({ length: 500 }, (_, number) => uuid(number)));
  await handled(peer);
  const storedAt = server.clock.wall();
  peer.send({ verb: "RECEIPT", ids, state: "stored" });
  await handled(peer, 1);
  await server.clock.advance(1_234);
  peer.send({ verb: "RECEIPT", ids: [uuid(7)], state: "shown" });
  await handled(peer, 2);
  const lines = server.tables.events({ kinds: ["message"] });
  assertEquals(lines.map(({ at }) => at), queuedAt);
  assertEquals(lines.map(({ message }) => message?.storedAt), ids.map(() => storedAt));
  assertEquals(lines[7]?.message?.shownAt, storedAt + 1_234);
  assertEquals(server.tables.waitingMessages(till.keyId), []);
});

const JOURNAL = "019aa8d0-0000-7000-8000-0000000000aa";

function journal(at: number, seqs: number[], dropped = 0): Frame {
  const entries = seqs.map((seq) => ({ seq, at: at - 1_000 + seq, event: "vitals" }));
  return { verb: "JOURNAL", journal: JOURNAL, at, dropped, entries };
}

Deno.test("[HB-59] a session puts a journal into the timeline once, by this server's clock, then answers", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const now = server.clock.wall();
  const release = server.hold("addJournal");
  peer.send(journal(now + 5_000, [0, 1], 7)); // Its clock is 5 s ahead.
  await handled(peer, 1); // A slow disk holds no heartbeat up.
  release();
  assertEquals(await peer.expect("JOURNALED"), { verb: "JOURNALED", journal: JOURNAL, seq: 1 });
  const lines = () => server.tables.events({ client: till.keyId, kinds: ["journal"] });
  assertEquals(lines().map(({ at }) => at), [now - 1_000, now - 999]);
  assertEquals(lines().map(({ data }) => data), [
    { event: "vitals", client_at: new Date(now + 4_000).toISOString(), dropped: 7 },
    { event: "vitals", client_at: new Date(now + 4_001).toISOString() },
  ]);
  peer.send(journal(now + 5_000, [0, 1, 2]));
  assertEquals((await peer.expect("JOURNALED")).seq, 2);
  assertEquals(lines().length, 3);
});

Deno.test("[HB-59] a session does not answer a journal that it cannot store, and goes on", async () => {
  await using place = await begin();
  const { server, peer } = place;
  server.fail("addJournal", new StoreError("Cannot use the database", { full: true }));
  peer.send(journal(server.clock.wall(), [0]));
  await handled(peer, 1);
  server.fail("addJournal", undefined);
  peer.send(journal(server.clock.wall(), [0]));
  assertEquals((await peer.expect("JOURNALED")).seq, 0);
});

Deno.test("[HB-58] a session ends when a part of a journal comes before the last is answered", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("addJournal");
  for (const seq of [0, 1]) peer.send(journal(server.clock.wall(), [seq]));
  assertStringIncludes((await peer.expect("REFUSE")).reason, "JOURNAL");
  release();
});

Deno.test("a session delivers what waits, in order, and marks how far it has come", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (const number of [1, 2, 3]) await queue(server, till.keyId, number);
  for (const number of [1, 2, 3]) {
    const { id, text } = await peer.expect("MESSAGE");
    assertEquals([id, text], [uuid(number), `text ${number}`]);
  }
  await handled(peer);
  assertEquals(states(server, 1, 2, 3), ["sent", "sent", "sent"]);
  peer.send({ verb: "RECEIPT", ids: [uuid(1), uuid(2)], state: "stored" });
  peer.send({ verb: "RECEIPT", ids: [uuid(1)], state: "shown" });
  await handled(peer);
  assertEquals(states(server, 1, 2, 3), ["shown", "stored", "sent"]);
});

Deno.test("[HB-51] a session resends only after a reconnect, in order, and not what is stored", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  for (const number of [1, 2, 3]) await queue(server, till.keyId, number);
  for (let turn = 0; turn < 3; turn++) await peer.expect("MESSAGE");
  peer.send({ verb: "RECEIPT", ids: [uuid(2)], state: "stored" });
  await queue(server, till.keyId, 4);
  assertEquals((await peer.expect("MESSAGE")).id, uuid(4), "none of the others again");
  await handled(peer);
  await peer.close();
  await queue(server, till.keyId, 5);
  const back = await server.connect(till);
  for (const number of [1, 3, 4, 5]) {
    assertEquals((await back.expect("MESSAGE")).id, uuid(number));
  }
  await handled(back);
});

Deno.test("a session ignores a RECEIPT for what was never sent to it", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const other = await server.enrol("till-4");
  await queue(server, other.keyId, 1);
  peer.send({ verb: "RECEIPT", ids: [uuid(1), uuid(77)], state: "shown" });
  await handled(peer);
  assertEquals(states(server, 1, 77), ["queued", "none"]);
  assertEquals(server.path(till.keyId), ["new>UP -"]);
});

Deno.test("a tool connection gets no messages: they are for the agent", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const tool = await server.connect(till, { role: "tool" });
  await queue(server, till.keyId, 1);
  assertEquals((await peer.expect("MESSAGE")).id, uuid(1));
  await handled(tool);
});

for (const method of ["noteConnected", "markMessages", "waitingMessages", "addEvents"] as const) {
  Deno.test(`a client stays connected while the disk is full: ${method}() fails`, async () => {
    await using server = await FakeServer.start();
    const till = await server.enrol("till-3");
    server.fail(method, new StoreError("Cannot use the database: full", { full: true }));
    const peer = await server.connect(till);
    await queue(server, till.keyId, 1);
    const skip: Verb[] = ["PING", "MESSAGE"];
    await handled(peer, 1, skip);
    peer.send({ verb: "RECEIPT", ids: [uuid(1)], state: "stored" });
    await handled(peer, 2, skip);
    await server.clock.advance(P);
    await handled(peer, 3, skip);
    assertEquals(server.path(till.keyId), ["new>UP -"]);
    server.fail(method, undefined);
  });
}

Deno.test("a client that comes back from another address leaves a line with both in its timeline", async () => {
  await using server = await FakeServer.start();
  const identity = await server.enrol("till-3");
  for (const address of ["10.0.0.7", "10.0.0.7", "10.0.0.8"]) {
    const peer = await server.connect(identity, { address });
    peer.send({ verb: "BYE", reason: "reboot" });
    await peer.ended;
  }
  const tool = await server.connect(identity, { address: "10.0.0.9", role: "tool" });
  const moved = { action: "address_changed", from: "10.0.0.7", address: "10.0.0.8" };
  assertEquals(server.audits(), [moved], "what a tool comes from is not the machine's address");
  const [line] = server.tables.events({ kinds: ["audit"] });
  assertEquals(line?.client, identity.keyId);
  await tool.close();
});

Deno.test("[HB-32] a newer process replaces the older one, which gets BYE replaced", async () => {
  await using place = await begin();
  const { server, till, peer: old } = place;
  const young = await server.connect(till, { epoch: 2 });
  await server.clock.advance(PROOF_MS);
  assertEquals(await old.expect("BYE"), { verb: "BYE", reason: "replaced" });
  assertEquals(await old.next(), null);
  await old.ended;
  await handled(young);
  assertEquals(server.path(till.keyId), ["new>UP -"], "it never was away");
  await queue(server, till.keyId, 1);
  assertEquals((await young.expect("MESSAGE")).id, uuid(1));
  assertEquals(server.audits().at(-1)?.action, "replaced");
});

Deno.test("[HB-32] the same process may connect anew while its old connection seems open", async () => {
  await using place = await begin();
  const { server, till, peer: old } = place;
  const again = await server.connect(till, { epoch: 1 });
  await server.clock.advance(PROOF_MS);
  assertEquals((await old.expect("BYE")).reason, "replaced");
  await handled(again);
  assertEquals(server.notices, [], "the old connection answers no more, so there is one machine");
});

/** Answers PINGs until something else comes, which is returned. */
async function alive(peer: FakePeer): ReturnType<FakePeer["next"]> {
  while (true) {
    const frame = await peer.next([]);
    if (frame?.verb !== "PING") return frame;
    peer.send({ verb: "PONG", n: frame.n });
  }
}

Deno.test("[HB-34] of two machines with one identity the newest is let in, and the operator is told once (fault 25)", async () => {
  await using place = await begin();
  const { server, till, peer: old } = place;
  const ended = alive(old);
  const young = await server.connect(till, { epoch: 2, address: "10.0.0.9" });
  assertEquals(await ended, { verb: "BYE", reason: "replaced" });
  await server.until(() => server.notices.length === 1);
  const [notice] = server.notices;
  assertEquals([notice?.cause, notice?.severity, notice?.clients], ["replaced", "warning", [
    "till-3",
  ]]);
  assertStringIncludes(notice?.text ?? "", "10.0.0.7 and 10.0.0.9");
  await handled(young, 0, ["PING"]);
  // The older one tries again: it is refused, and nobody is told a second time.
  const answers = alive(young);
  await assertRefused(server.dial().greet(till, { epoch: 1 }), "closed");
  await server.clock.advance(PROOF_MS);
  assertEquals(server.notices.length, 1);
  young.send({ verb: "BYE", reason: "stop" });
  await young.ended;
  assertEquals(await answers, null);
});

Deno.test("[HB-34] four changes of place in a minute shut both out, and are told of as one alert (fault 25)", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const ends: ReturnType<FakePeer["next"]>[] = [];
  for (let epoch = 1; epoch <= 1 + MAX_SWAPS + 1; epoch++) {
    const peer = await server.connect(till, { epoch });
    ends.push(alive(peer));
    if (epoch > 1) assertEquals(await ends[epoch - 2], { verb: "BYE", reason: "replaced" });
  }
  assertEquals(await ends.at(-1), { verb: "BYE", reason: "replaced" });
  await server.until(() => server.notices.length === 2);
  assertEquals(server.notices.map(({ kind, severity }) => [kind, severity]), [
    ["alert", "warning"],
    ["update", "critical"],
  ]);
  assertEquals(server.tables.alerts(false).length, 1);
  const refused = await assertRefused(server.dial().greet(till, { epoch: 9 }), "closed");
  assertStringIncludes(refused, "remove the data directory");
  assertEquals(server.parts.watch.get(till.keyId)?.state, "PLANNED");
  await server.clock.advance(SHUT_OUT_MS);
  const back = await server.connect(till, { epoch: 10 });
  assertEquals(server.parts.watch.get(till.keyId)?.state, "UP");
  back.send({ verb: "BYE", reason: "stop" });
  await back.ended;
  await server.clock.advance(FORGET_MS);
  await server.until(() => server.notices.length === 3);
  assertEquals(server.notices.at(-1)?.kind, "recovery");
});

Deno.test("[HB-32] an older process is refused as closed while the newer one is UP", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const young = await server.connect(till, { epoch: 5 });
  const old = server.dial();
  await assertRefused(old.greet(till, { epoch: 4 }), "closed");
  await old.ended;
  await handled(young);
  assertEquals(server.path(till.keyId), ["new>UP -"]);
});

Deno.test("[HB-32] an older process is let in when the newer one is no longer UP", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const young = await server.connect(till, { epoch: 5 });
  await server.clock.advance(1.25 * P);
  assertEquals(server.path(till.keyId).at(-1), "UP>LATE silent");
  const old = await server.connect(till, { epoch: 4 });
  await handled(old);
  await server.clock.advance(PROOF_MS);
  assertEquals((await young.next(["PING"]))?.verb, "BYE");
  assertEquals(server.path(till.keyId).at(-1), "LATE>UP -");
});

Deno.test("a replaced session that ends late does not take the newer one down", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  // Its buffer is full, so that its goodbye cannot leave.
  const old = await server.connect(till, { bufferBytes: 700 });
  const stuck = server.hold("receiveMessages");
  old.send(message(1));
  const young = await server.connect(till, { epoch: 2 });
  await handled(young);
  stuck();
  await server.clock.advance(PROOF_MS + 1_000);
  await old.ended;
  await handled(young);
  assertEquals(server.path(till.keyId), ["new>UP -"]);
  assertEquals(server.parts.roster.get(till.keyId)?.agent?.epoch, 2);
});

Deno.test("a server that stops says BYE shutdown, and nobody is missed for it", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.parts.roster.get(till.keyId)?.agent?.end("shutdown");
  assertEquals(await peer.expect("BYE"), { verb: "BYE", reason: "shutdown" });
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals(server.path(till.keyId), ["new>UP -"]);
});

Deno.test("[HB-26] a session of a client that is revoked gets REFUSE revoked", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.parts.roster.get(till.keyId)?.agent?.end("revoked");
  assertEquals((await peer.expect("REFUSE")).code, "revoked");
  assertEquals(await peer.next(), null);
});

Deno.test("a reader that stands still is dropped alone after 15 s", async () => {
  await using server = await FakeServer.start();
  const slow = await server.enrol("slow");
  const quick = await server.enrol("quick");
  const stuck = await server.connect(slow, { bufferBytes: 2_000 });
  const fine = await server.connect(quick);
  for (let number = 0; number < 50; number++) {
    const message = { id: uuid(number), client: slow.keyId, at: 0, text: "x".repeat(10_000) };
    await server.parts.store.queueMessage(message);
  }
  server.parts.roster.get(slow.keyId)?.agent?.deliver();
  let seq = 0;
  for (let passed = 0; passed < WRITE_STALL_MS; passed += 1_000) {
    await server.clock.advance(1_000);
    await handled(fine, seq++);
    await stuck.raw("ALIVE {}\n");
  }
  assertEquals(server.parts.roster.get(slow.keyId)?.agent?.epoch, 1, "it is given its time");
  await server.clock.advance(WRITE_STALL_MS / 3 + 1);
  await stuck.ended;
  await handled(fine, seq);
  assertEquals(server.path(slow.keyId).at(-1), "UP>SUSPECT connection lost");
  assertEquals(server.path(quick.keyId), ["new>UP -"]);
  assertEquals(states(server, 0, 49), ["sent", "queued"]);
});

Deno.test("a slow reader that reads at all is not dropped", async () => {
  await using server = await FakeServer.start();
  const slow = await server.enrol("slow");
  const peer = await server.connect(slow, { bufferBytes: 2_000, maxReadBytes: 100 });
  for (let number = 0; number < 3; number++) {
    const message = { id: uuid(number), client: slow.keyId, at: 0, text: "x".repeat(3_000) };
    await server.parts.store.queueMessage(message);
  }
  server.parts.roster.get(slow.keyId)?.agent?.deliver();
  const scrap = new Uint8Array(100);
  for (let turn = 0; turn < 100; turn++) {
    await server.clock.advance(1_000);
    await peer.raw("ALIVE {}\n");
    if (turn % 5 === 0) await peer.connection.reader.read(scrap);
  }
  assertEquals(server.path(slow.keyId), ["new>UP -"]);
});

async function assertRefused(greeting: Promise<void>, code: string): Promise<string> {
  const error = await greeting.then(() => undefined, (error) => error);
  assertEquals(error?.name, "GreetingRefusedError");
  assertEquals(error.code, code);
  return error.message;
}
