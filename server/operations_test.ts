import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  decodeJoinKey,
  generateKeyPair,
  keyIdOf,
  MAX_MESSAGE_BYTES,
  MAX_OUTBOX_MESSAGES,
} from "../protocol/mod.ts";
import { FAKE_IDENTITY, fakeOperations } from "./fake_operator.ts";
import { FAKE_SERVER_ID, type FakeIdentity, FakeServer } from "./fake_server.ts";
import { OperationError } from "./operation_error.ts";
import type { InviteRequest } from "./operations.ts";

const HOUR = 3_600_000;
const INVITE: InviteRequest = { tags: [], uses: 1, ttlMs: HOUR, addresses: [] };

async function begin() {
  const server = await FakeServer.start();
  const operations = fakeOperations(server);
  return { server, operations, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Asserts that an operation is refused with this code; its words. */
async function refused(work: Promise<unknown>, code: OperationError["code"]): Promise<string> {
  const error = await assertRejects(() => work, OperationError);
  assertEquals([error.code, error.name], [code, "OperationError"]);
  return error.message;
}

Deno.test("invite() makes a join key that holds all a client needs", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const request = {
    ...INVITE,
    name: "till-3",
    tags: ["shop", "north"],
    addresses: ["hb.example:5001"],
  };
  const { key, expires_at } = await operations.invite(request);
  const { invite, secret, ...rest } = decodeJoinKey(key);
  assertEquals(rest, {
    addresses: ["hb.example:5001"],
    serverId: FAKE_SERVER_ID,
    certificate: FAKE_IDENTITY.certificate,
    expires: server.clock.wall() + HOUR,
    name: "till-3",
    tags: ["shop", "north"],
  });
  assertEquals(expires_at, new Date(server.clock.wall() + HOUR).toISOString());
  assertEquals(secret.length, 32);
  assertEquals(server.tables.inviteSecret(invite), secret);
  assertEquals(server.audits(), [
    { action: "invited", invite, name: "till-3", tags: ["shop", "north"], uses: 1 },
  ]);
});

Deno.test("invite() makes a key that a client can really join with", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const { key } = await operations.invite({ ...INVITE, tags: ["shop"] });
  const { invite: id, secret } = decodeJoinKey(key);
  const keys = await generateKeyPair();
  const peer = server.dial();
  await peer.greet({ keys, name: "my-host" }, { serverId: FAKE_SERVER_ID, invite: { id, secret } });
  assertEquals(server.tables.client(keyIdOf(keys.publicKey))?.tags, ["shop"]);
  assertEquals(operations.clients().map(({ name, state }) => [name, state]), [["my-host", "UP"]]);
});

Deno.test("invite() never makes the same key twice, nor writes its secret into the audit log", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const keys = [await operations.invite(INVITE), await operations.invite(INVITE)];
  const secrets = keys.map(({ key }) =>
    decodeJoinKey(key).secret.toBase64({ alphabet: "base64url" })
  );
  assert(secrets[0] !== secrets[1]);
  for (const secret of secrets) assert(!JSON.stringify(server.audits()).includes(secret));
});

Deno.test("invite() of a plaintext server says that there is no certificate", async () => {
  await using server = await FakeServer.start();
  const { key } = await fakeOperations(server, { plaintext: true }).invite(INVITE);
  assertEquals(decodeJoinKey(key).certificate, undefined);
});

Deno.test("invite() names the address that the server listens on when the operator names none", async () => {
  await using server = await FakeServer.start();
  const addresses = async (hostname: string) =>
    decodeJoinKey((await fakeOperations(server, { hostname }).invite(INVITE)).key).addresses;
  assertEquals(await addresses("10.0.0.1"), ["10.0.0.1:5001"]);
  assertEquals(await addresses("fd00::1"), ["[fd00::1]:5001"]);
  assert((await addresses("0.0.0.0")).length > 0);
});

Deno.test("invite() takes a life of parts of a millisecond as a whole one", async () => {
  await using place = await begin();
  const { key } = await place.operations.invite({ ...INVITE, ttlMs: 1_500.5 });
  assertEquals(decodeJoinKey(key).expires, place.server.clock.wall() + 1_501);
});

for (
  const [what, request] of [
    ["a bad name", { name: "../x" }],
    ["a name that is a word of ours", { name: "all" }],
    ["a bad tag", { tags: ["ok", "not ok"] }],
    ["no uses", { uses: 0 }],
    ["half a use", { uses: 1.5 }],
    ["too many uses", { uses: 10_001 }],
    ["a name for two machines", { name: "till-3", uses: 2 }],
    ["no life", { ttlMs: 0 }],
    ["a life that is no number", { ttlMs: NaN }],
    ["a life above a year", { ttlMs: 367 * 24 * HOUR }],
    ["more tags than a key holds", { tags: Array.from({ length: 33 }, (_, at) => `t${at}`) }],
    ["more addresses than a key holds", { addresses: Array(17).fill("a:1") }],
  ] as const
) {
  Deno.test(`invite() refuses ${what} and records nothing`, async () => {
    await using place = await begin();
    const { server, operations } = place;
    const asked = { ...INVITE, ...request } as InviteRequest;
    assertStringIncludes(
      await refused(operations.invite(asked), "bad_request"),
      "Cannot make a join key",
    );
    assertEquals(server.audits(), []);
  });
}

Deno.test("message() queues for a name, a tag or all, with one id per client", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const clients: FakeIdentity[] = [];
  for (const [name, tag] of [["till-1", "shop"], ["till-2", "shop"], ["door", "gate"]] as const) {
    const identity = await server.enrol(name, [tag]);
    server.parts.roster.admit(server.tables.client(identity.keyId) ?? unreachable());
    clients.push(identity);
  }
  const waiting = () => clients.map(({ keyId }) => server.tables.waitingMessages(keyId).length);
  assertEquals((await operations.message("DOOR", "hello")).ids.length, 1);
  assertEquals(waiting(), [0, 0, 1]);
  const { ids } = await operations.message("@shop", "hello");
  assertEquals([new Set(ids).size, waiting()], [2, [1, 1, 1]]);
  await operations.message("all", "hello");
  assertEquals(waiting(), [2, 2, 2]);
  assertEquals(await operations.messageStates(ids), ids.map((id) => ({ id, state: "queued" })));
});

Deno.test("message() is delivered at once to a client that is connected", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  const { ids } = await operations.message("till-3", "restart the printer");
  const { id, text } = await peer.expect("MESSAGE");
  assertEquals([[id], text], [ids, "restart the printer"]);
});

Deno.test("message() to a classic client goes to the connection that chatted last", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const operations = fakeOperations(server, { plaintext: true });
  const [chat, files] = [server.dial(), server.dial()];
  await files.raw("hi\n");
  await server.until(() => server.messages.length === 1);
  await server.clock.advance(1);
  await chat.raw("hello\n");
  await server.until(() => server.messages.length === 2);
  await operations.message("10.0.0.7", "coming");
  assertEquals(await chat.text(7), "coming\n");
});

Deno.test("message() refuses what nobody can be meant by", async () => {
  await using place = await begin();
  const { operations } = place;
  assertStringIncludes(await refused(operations.message("nobody", "x"), "not_found"), '"nobody"');
  assertStringIncludes(await refused(operations.message("@shop", "x"), "not_found"), "tag");
  assertStringIncludes(await refused(operations.message("all", "x"), "not_found"), "joined");
});

Deno.test("[HB-52] message() takes 1 byte to 16 KiB, and makes lone surrogates well-formed", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  await refused(operations.message("till-3", ""), "bad_request");
  const over = `ü${"x".repeat(MAX_MESSAGE_BYTES - 1)}`;
  assertStringIncludes(await refused(operations.message("till-3", over), "bad_request"), "16385");
  await operations.message("till-3", "x".repeat(MAX_MESSAGE_BYTES));
  assertEquals((await peer.expect("MESSAGE")).text.length, MAX_MESSAGE_BYTES);
  await operations.message("till-3", "a\ud800b");
  assertEquals((await peer.expect("MESSAGE")).text, "a\ufffdb");
});

Deno.test("[HB-53] message() says whose queue is full, and the others get theirs", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const away = await server.enrol("away");
  server.parts.roster.admit(server.tables.client(away.keyId) ?? unreachable());
  for (let count = 0; count < MAX_OUTBOX_MESSAGES; count++) {
    server.tables.queueMessage({ id: `m${count}`, client: away.keyId, at: 0, text: "x" });
  }
  const peer = await server.connect(await server.enrol("here"));
  const words = await refused(operations.message("all", "hello"), "queue_full");
  assertEquals(words, "Cannot queue a message for away: the queue is full");
  assertEquals((await peer.expect("MESSAGE")).text, "hello");
  assertEquals(server.tables.waitingMessages(away.keyId).length, MAX_OUTBOX_MESSAGES);
});

Deno.test("clients() lists everyone by name, with what is measured", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const peer = await server.connect(await server.enrol("till-3", ["shop"]));
  await server.connect(await server.enrol("door"));
  peer.send({ verb: "HEARTBEAT", seq: 0, at: server.clock.wall(), vitals: { cpu: 0.5 } });
  await peer.expect("BEAT");
  const [door, till] = operations.clients();
  assertEquals([door?.name, door?.vitals], ["door", null]);
  const { since: _since, last_seen: _seen, ...view } = till ?? unreachable();
  assertEquals(view, {
    name: "till-3",
    state: "UP",
    cause: null,
    gap_ms: null,
    jitter_ms: null,
    rtt_ms: null,
    skew_ms: 0,
    app: "test",
    address: "10.0.0.7",
    tags: ["shop"],
    verified: true,
    classic: false,
    connected: true,
    overlay: [],
    vitals: { cpu: 0.5 },
  });
});

Deno.test("alerts() and log() tell of an outage", async () => {
  await using place = await begin();
  const { server, operations } = place;
  await server.connect(await server.enrol("till-3"));
  await server.connect(await server.enrol("till-4"));
  await server.clock.advance(50_000);
  const open = await operations.alerts(true);
  assertEquals(open.map(({ clients, state, cause }) => [clients, state, cause]), [
    [["till-3", "till-4"], "open", "silent"],
  ]);
  const log = await operations.log({ who: "till-3", kinds: ["state"] });
  assertEquals(log.map(({ client, kind }) => [client, kind]), Array(4).fill(["till-3", "state"]));
  assertEquals((await operations.log({ since: server.clock.wall() + 1 })).length, 0);
  await refused(operations.log({ who: "nobody" }), "not_found");
});

Deno.test("report() tells of this month, of one client, a tag or all, and refuses other months", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const peer = await server.connect(await server.enrol("till-3", ["shop"]));
  await server.connect(await server.enrol("till-4"));
  const HOURS_2 = 2 * HOUR;
  for (let beat = 0; beat < 2; beat++) {
    peer.send({ verb: "HEARTBEAT", seq: beat, at: 1 });
    await peer.expect("BEAT");
    await server.clock.advance(20_000);
  }
  await server.clock.advance(HOURS_2);
  await server.parts.timeline.flush();
  const all = await operations.report(undefined, { zone: "UTC" });
  assertEquals(all.map(({ name }) => name), ["till-3", "till-4"]);
  const [one] = await operations.report("@shop", { zone: "UTC", month: "2026-11" });
  assertEquals(one?.name, "till-3");
  assertEquals(one?.outages.map(({ cause, to }) => [cause, to]), [["silent", null]]);
  assertEquals(one?.down_ms, HOURS_2 + 20_000);
  assertEquals([one?.gap_ms, one?.watched_ms], [20_000, HOURS_2 + 40_000]);
  const october = await operations.report("till-3", { zone: "UTC", month: "2026-10" });
  assertEquals(october[0]?.uptime, null);
  for (const month of ["2026-12", "2026-13", "november"]) {
    await refused(operations.report(undefined, { month, zone: "UTC" }), "bad_request");
  }
  await refused(operations.report(undefined, { zone: "Mars/Olympus" }), "bad_request");
  await refused(operations.report("nobody", {}), "not_found");
});

Deno.test("report() shows the link of a client as it is, however often its machine sleeps", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const identity = await server.enrol("till-3");
  for (let night = 1; night <= 2; night++) {
    const peer = await server.connect(identity, { epoch: night });
    for (let seq = 0; seq < 10; seq++) {
      peer.send({ verb: "HEARTBEAT", seq, at: 1 });
      await peer.expect("BEAT");
      await server.clock.advance(seq % 2 === 0 ? 19_000 : 21_000);
    }
    peer.send({ verb: "BYE", reason: "sleep" });
    await server.clock.advance(8 * HOUR);
  }
  const [till] = await operations.report("till-3", { zone: "UTC" });
  const { gap_ms, jitter_ms, longest_gap_ms, planned_ms } = till ?? {};
  // Five of 19 s and four of 21 s on each day; a night is none.
  assertEquals([gap_ms, jitter_ms, longest_gap_ms], [19_889, 994, 21_000]);
  assertEquals(planned_ms, 16 * HOUR);
});

Deno.test("report() knows revoked clients for as long as they were there, apart from others of their name", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const { clock } = server;
  await server.connect(await server.enrol("till-3", ["shop"]));
  await clock.advance(10_000);
  await operations.revoke("till-3");
  await clock.advance(HOUR);
  const month = { zone: "UTC" };
  for (const who of ["TILL-3", "@shop", "all", undefined]) {
    const [gone, ...others] = await operations.report(who, month);
    assertEquals([gone?.name, gone?.revoked, gone?.watched_ms], ["till-3", true, 10_000]);
    assertEquals([others, gone?.down_ms], [[], 0]);
  }
  await server.connect(await server.enrol("till-3"));
  await clock.advance(20_000);
  const both = await operations.report("till-3", month);
  assertEquals(both.map(({ revoked, watched_ms }) => [revoked, watched_ms]), [
    [false, 20_000],
    [true, 10_000],
  ]);
  clock.jumpWall(40 * 24 * HOUR);
  assertEquals((await operations.report("till-3", month)).map(({ revoked }) => revoked), [false]);
});

Deno.test("report() counts a month of daylight saving as long as it is, by the clock on the wall of its zone", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const identity = await server.enrol("till-3");
  await server.connect(identity);
  const at = Date.UTC(2026, 7, 1);
  const line = { at, client: identity.keyId, kind: "state" as const };
  server.tables.addEvents([{ ...line, data: { state: "UP", from: null } }]);
  const hours = async (month: string, zone: string) => {
    const [till] = await operations.report("till-3", { month, zone });
    return (till?.watched_ms ?? 0) / HOUR;
  };
  assertEquals(await hours("2026-10", "UTC"), 31 * 24);
  assertEquals(await hours("2026-10", "Europe/Berlin"), 31 * 24 + 1);
  assertEquals(await hours("2026-10", "Australia/Lord_Howe"), 31 * 24 - 0.5);
  assertEquals(await hours("2026-09", "America/New_York"), 30 * 24);
});

Deno.test("report() begins a month in the state in which it began, also under FLAPPING, and for a client that has not changed for years", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const { clock, tables } = server;
  const NOW = clock.wall();
  const BEGIN = Date.UTC(2026, 10, 1);
  const { keyId } = await server.enrol("till-3");
  const state = (at: number, data: Record<string, unknown>) =>
    tables.addEvents([{ at, client: keyId, kind: "state", data: { cause: "silent", ...data } }]);
  const seen = { last_seen: new Date(BEGIN - HOUR).toISOString() };
  state(BEGIN - 2 * HOUR, { state: "UP", from: null });
  state(BEGIN - HOUR, { state: "DOWN", from: "SUSPECT", flapping: true, ...seen });
  state(BEGIN - HOUR, { state: "FLAPPING", from: "DOWN" });
  state(BEGIN + HOUR, { state: "UP", from: "DOWN", downtime_ms: 2 * HOUR, flapping: true });
  state(BEGIN + 2 * HOUR, { state: "UP", from: "FLAPPING" });
  const report = async (who: string) => {
    for (const record of tables.clients()) server.parts.roster.admit(record);
    return (await operations.report(who, { zone: "UTC" }))[0];
  };
  const flapping = await report("till-3");
  assertEquals([flapping?.down_ms, flapping?.flapping_ms], [HOUR, 2 * HOUR]);
  assertEquals(flapping?.watched_ms, NOW - BEGIN);
  const steady = await server.enrol("steady");
  const since = NOW - 500 * 24 * HOUR;
  const record = { client: steady.keyId, state: "UP" as const, cause: undefined, at: since };
  const line = { ...record, lastSeen: NOW, data: { state: "UP", from: null } };
  tables.recordChanges([{ state: line, alerts: [] }]);
  assertEquals(tables.prune(NOW), 1, "its only line is not kept any more");
  const old = await report("steady");
  assertEquals([old?.uptime, old?.watched_ms], [1, NOW - BEGIN]);
});

Deno.test("log() shows beats that have not been written yet", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  peer.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
  await peer.expect("BEAT");
  assertEquals((await operations.log({ kinds: ["beat"] })).length, 1);
});

Deno.test("revoke() ends every session of the client and lets it in no more", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const till = await server.enrol("till-3");
  const agent = await server.connect(till);
  const tool = await server.connect(till, { role: "tool" });
  const data = await server.connect(till, { role: "data" });
  assertEquals(await operations.revoke("TILL-3"), { revoked: "till-3" });
  assertEquals((await agent.expect("REFUSE")).code, "revoked");
  assertEquals((await tool.expect("REFUSE")).code, "revoked");
  for (const peer of [agent, tool, data]) await peer.ended;
  assertEquals([operations.clients(), server.tables.clients()], [[], []]);
  await assertRejects(() => server.connect(till), Error, "revoked");
  await server.clock.advance(100_000);
  assertEquals(server.notices, []);
  assertEquals(server.parts.watch.get(till.keyId), undefined);
  await refused(operations.revoke("till-3"), "not_found");
});

Deno.test("revoke() of a client that goes on beating leaves nothing of it under watch", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const till = await server.enrol("till-3");
  const peer = await server.connect(till);
  const release = server.hold("addEvents");
  const revoking = operations.revoke("till-3");
  peer.send({ verb: "HEARTBEAT", seq: 1, at: 1 });
  await server.clock.advance(0);
  release();
  await revoking;
  await peer.ended;
  assertEquals(server.parts.watch.get(till.keyId), undefined);
});

Deno.test("revoke() of a tag or of all is refused: it is for one machine", async () => {
  await using place = await begin();
  const { server, operations } = place;
  await server.connect(await server.enrol("till-3", ["shop"]));
  for (const who of ["all", "@shop", "@nobody", "nobody"]) {
    await refused(operations.revoke(who), "not_found");
  }
  assertEquals(operations.clients().length, 1);
});

function unreachable(): never {
  throw new Error("unreachable");
}
