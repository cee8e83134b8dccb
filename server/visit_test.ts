import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  BAD_PROOF_REASON,
  CLASSIC_PREFIX_SETTLE_MS,
  ClientGreeting,
  encodeBase64Url,
  encodeFrame,
  generateKeyPair,
  GREETING_DEADLINE_MS,
  GreetingRefusedError,
  keyIdOf,
  MAX_GREETING_LINE_BYTES,
} from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FAKE_SERVER_ID, FakeServer } from "./fake_server.ts";
import { StoreError } from "./store.ts";

const HELLO = { hb: [1, 1], role: "agent", app: "test", epoch: 1 };
const serverId = FAKE_SERVER_ID;

/** Asserts that the server ends the connection with REFUSE of this code and nothing else; its reason. */
async function refused(peer: FakePeer, code: string): Promise<string> {
  const refusal = await peer.expect("REFUSE");
  assertEquals(refusal.code, code, refusal.reason);
  assertEquals(await peer.next(), null);
  await peer.ended;
  return refusal.reason;
}

/** Greets and gives the error with which the server refused that. */
async function refusal(greeting: Promise<void>): Promise<GreetingRefusedError> {
  const error = await greeting.then(() => undefined, (error) => error);
  assert(error instanceof GreetingRefusedError, String(error));
  return error;
}

/** The PROVE or JOIN with which a client answers the challenge that comes. */
async function answerChallenge(peer: FakePeer, greeting: ClientGreeting): Promise<Uint8Array> {
  const step = await greeting.receive(await peer.connection.readLine() ?? new Uint8Array());
  if (step.kind === "done") throw new Error("A challenge must come");
  return step.send;
}

async function isOpen(server: FakeServer): Promise<boolean> {
  await server.clock.advance(0);
  return server.parts.lobby.connections > 0;
}

/** Nothing of what a stranger said may stand anywhere but in the audit log. */
function assertNothingStored(server: FakeServer): void {
  assertEquals(server.tables.clients(), []);
  assertEquals(server.tables.events({ kinds: ["beat", "state", "message", "file", "alert"] }), []);
  assertEquals([server.messages, server.files, server.changes], [[], [], []]);
}

Deno.test("[HB-29] a peer that says nothing is closed exactly 10 s after accept", async () => {
  await using server = await FakeServer.start();
  const peer = server.dial();
  await server.clock.advance(GREETING_DEADLINE_MS - 1);
  assertEquals(await isOpen(server), true);
  await server.clock.advance(1);
  assertEquals(await isOpen(server), false);
  assertEquals(await peer.next(), null);
  assertNothingStored(server);
});

Deno.test("[HB-29] bytes that drip in do not extend the greeting", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const peer = server.dial();
  const hello = encodeFrame("HELLO", { ...HELLO, key: till.keyId });
  for (let second = 0; second < 9; second++) {
    await peer.raw(hello.subarray(second, second + 1));
    await server.clock.advance(1_000);
  }
  await peer.raw(hello.subarray(9));
  assertEquals((await peer.next())?.verb, "CHALLENGE");
  await server.clock.advance(999);
  assertEquals(await isOpen(server), true);
  await server.clock.advance(1);
  assertEquals(await peer.next(), null);
});

Deno.test("[HB-29] a TLS handshake that never ends counts too", async () => {
  await using server = await FakeServer.start();
  const { promise, reject } = Promise.withResolvers<void>();
  const peer = server.dial({ handshake: () => promise });
  await server.clock.advance(GREETING_DEADLINE_MS);
  assertEquals(await peer.next(), null);
  reject(new Error("closed"));
  await peer.ended;
});

Deno.test("[HB-29] after ACK the deadline is over", async () => {
  await using server = await FakeServer.start();
  await server.connect(await server.enrol("till-3"));
  await server.clock.advance(2 * GREETING_DEADLINE_MS);
  assertEquals(await isOpen(server), true);
});

Deno.test("a failed TLS handshake is noted and disturbs nobody", async () => {
  await using server = await FakeServer.start();
  const other = await server.connect(await server.enrol("till-3"));
  const peer = server.dial({ handshake: () => Promise.reject(new Error("bad certificate")) });
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals(server.audits(), [
    { action: "tls_failed", address: "10.0.0.7", reason: "bad certificate" },
  ]);
  other.send({ verb: "HEARTBEAT", seq: 1, at: 1 });
  assertEquals((await other.expect("BEAT")).seq, 1);
});

Deno.test("[HB-29] a silent connection to an open plaintext port stays, and its greeting counts from its first byte", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const peer = server.dial();
  await server.clock.advance(3_600_000);
  assertEquals(await isOpen(server), true);
  assertEquals(server.parts.lobby.waiting, 0, "it is no longer in the way of others");
  await peer.raw('HELLO {"hb":');
  await server.clock.advance(GREETING_DEADLINE_MS - 1);
  assertEquals(await isOpen(server), true);
  await server.clock.advance(1);
  assertEquals(await isOpen(server), false);
});

Deno.test("a connection to an open plaintext port that has begun to speak is closed after 10 s", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const peer = server.dial();
  await peer.raw('HELLO {"hb":');
  await server.clock.advance(GREETING_DEADLINE_MS);
  assertEquals(await isOpen(server), false);
});

Deno.test("[HB-33] silent connections to an open plaintext port count for their address", async () => {
  await using server = await FakeServer.start({
    plaintext: true,
    open: true,
    lobbyLimits: { unverifiedPerAddress: 2 },
  });
  for (let count = 0; count < 3; count++) server.dial();
  server.dial({ address: "10.0.0.8" });
  await server.clock.advance(GREETING_DEADLINE_MS);
  assertEquals(server.parts.lobby.connections, 3);
});

Deno.test("[HB-31] nothing is stored of, or told to, a peer before ACK", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const known = server.tables.client(till.keyId);
  const at = server.clock.wall();
  await server.parts.store.queueMessage({ id: "m1", client: till.keyId, at, text: "secret" });
  const before = server.tables.events({}).length;
  const peer = server.dial();
  await peer.sendUnchecked("HELLO", { ...HELLO, key: till.keyId });
  assertEquals((await peer.next())?.verb, "CHALLENGE");
  await peer.sendUnchecked("HEARTBEAT", { seq: 0, at: 1 });
  await refused(peer, "bad_frame");
  assertEquals(server.tables.client(till.keyId), known);
  assertEquals(server.tables.waitingMessages(till.keyId).map(({ state }) => state), ["queued"]);
  const added = server.tables.events({}).slice(before);
  assertEquals(added.map(({ kind }) => kind), ["audit"]);
  assertEquals([server.messages, server.changes], [[], []]);
});

Deno.test("[HB-31] frames sent along with HELLO are not handled before ACK, nor dropped", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const peer = server.dial();
  const greeting = new ClientGreeting({ role: "agent", epoch: 1, app: "test" }, {
    ...till.keys,
    serverId,
  });
  await peer.raw(greeting.hello);
  const proof = await answerChallenge(peer, greeting);
  await peer.raw(new Uint8Array([...proof, ...encodeFrame("HEARTBEAT", { seq: 7, at: 1 })]));
  assertEquals((await peer.next())?.verb, "ACK");
  assertEquals((await peer.expect("BEAT")).seq, 7);
});

Deno.test("[HB-31] a flood of bad greetings writes few audit lines, and says how many it left out", async () => {
  await using server = await FakeServer.start();
  for (let count = 0; count < 15; count++) {
    const peer = server.dial();
    await peer.sendUnchecked("PROVE", { sig: "x" });
    await refused(peer, "bad_frame");
  }
  assertEquals(server.audits().length, 10);
  await server.clock.advance(6_000);
  const peer = server.dial();
  await peer.sendUnchecked("PROVE", { sig: "x" });
  await refused(peer, "bad_frame");
  assertEquals(server.audits().length, 11);
  assertEquals(server.audits().at(-1)?.left_out, 5);
});

Deno.test("the 21st failure of an address in a row is answered 2 s later, others at once", async () => {
  await using server = await FakeServer.start();
  const fail = async (address: string) => {
    const peer = server.dial({ address });
    await peer.sendUnchecked("BEAT", { seq: 1, at: 1 });
    return peer;
  };
  for (let count = 0; count < 20; count++) await refused(await fail("10.0.0.7"), "bad_frame");
  const slow = await fail("10.0.0.7");
  await refused(await fail("10.0.0.8"), "bad_frame");
  const answer = slow.next();
  await server.clock.advance(1_999);
  assertEquals(await Promise.race([answer, Promise.resolve("nothing yet")]), "nothing yet");
  await server.clock.advance(1);
  assertEquals((await answer)?.verb, "REFUSE");
});

for (const verb of ["PROVE", "HEARTBEAT", "BYE", "WHATEVER"]) {
  Deno.test(`[HB-20] a connection that begins with ${verb} is refused`, async () => {
    await using server = await FakeServer.start();
    const peer = server.dial();
    const fields: Record<string, object> = {
      PROVE: { sig: encodeBase64Url(new Uint8Array(64)) },
      HEARTBEAT: { seq: 0, at: 1 },
      BYE: { reason: "stop" },
    };
    await peer.sendUnchecked(verb, fields[verb] ?? {});
    assertMatch(await refused(peer, "bad_frame"), /HELLO must come now/);
    assertNothingStored(server);
  });
}

Deno.test("[HB-21] a client of another version is told both ranges and which side to update", async () => {
  await using server = await FakeServer.start();
  for (const [hb, side] of [[[2, 3], "server"], [[0, 0], "client"]] as const) {
    const peer = server.dial();
    await peer.sendUnchecked("HELLO", { ...HELLO, hb });
    const { code, reason, hb: own } = await peer.expect("REFUSE");
    assertEquals([code, own], ["version", [1, 1]]);
    assertMatch(reason, new RegExp(`Update the ${side}`));
    assertEquals(await peer.next(), null);
  }
});

Deno.test("[HB-22] every challenge has a nonce of its own and takes one answer", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const nonces = new Set<string>();
  for (let count = 0; count < 5; count++) {
    const peer = server.dial();
    await peer.sendUnchecked("HELLO", { ...HELLO, key: till.keyId });
    const { nonce } = await peer.expect("CHALLENGE");
    nonces.add(nonce);
    await peer.sendUnchecked("PROVE", { sig: encodeBase64Url(new Uint8Array(64)) });
    await refused(peer, "bad_proof");
  }
  assertEquals(nonces.size, 5);
});

Deno.test("[HB-23] a proof that was recorded on another connection is refused", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const hello = { role: "agent", epoch: 1, app: "test" } as const;
  const greeting = new ClientGreeting(hello, { ...till.keys, serverId });
  const first = server.dial();
  await first.raw(greeting.hello);
  const proof = await answerChallenge(first, greeting);
  const second = server.dial();
  await second.raw(greeting.hello);
  await second.expect("CHALLENGE");
  await second.raw(proof);
  assertEquals(await refused(second, "bad_proof"), BAD_PROOF_REASON);
  await first.raw(proof);
  assertEquals((await first.next())?.verb, "ACK");
});

Deno.test("[HB-24] a machine joins with an invite, proves itself ever after, and gets its tags", async () => {
  await using server = await FakeServer.start();
  const keys = await generateKeyPair();
  const { invite: id, secret } = server.invite({ tags: ["shop"] });
  const first = server.dial();
  await first.greet({ keys, name: "my-host" }, { serverId, invite: { id, secret } });
  assertEquals(first.ack?.name, "my-host");
  const record = server.tables.client(keyIdOf(keys.publicKey));
  assertEquals([record?.kind, record?.tags], ["enrolled", ["shop"]]);
  assertEquals(server.audits().map(({ action }) => action), ["joined"]);
  await first.close();
  const again = server.dial();
  await again.greet({ keys }, { serverId });
  assertEquals(again.ack?.name, "my-host");
});

Deno.test("[HB-25] every invite that does not hold is refused with the same bytes", async () => {
  await using server = await FakeServer.start();
  const used = server.invite();
  const user = server.dial();
  await user.greet({ keys: await generateKeyPair(), name: "first" }, {
    serverId,
    invite: { id: used.invite, secret: used.secret },
  });
  const expired = server.invite({ ttlMs: 1_000 });
  await server.clock.advance(1_000);
  const fresh = server.invite();
  const invites = {
    used: { id: used.invite, secret: used.secret },
    expired: { id: expired.invite, secret: expired.secret },
    unknown: { id: server.parts.newId(), secret: fresh.secret },
    "of another secret": { id: fresh.invite, secret: used.secret },
  };
  const answers = new Set<string>();
  for (const [what, invite] of Object.entries(invites)) {
    const peer = server.dial();
    const keys = await generateKeyPair();
    const { code, message } = await refusal(peer.greet({ keys, name: "x" }, { serverId, invite }));
    answers.add(`${code} ${message}`);
    await peer.ended;
    assertEquals(server.tables.client(keyIdOf(keys.publicKey)), undefined, what);
  }
  assertEquals([...answers], [`bad_proof ${BAD_PROOF_REASON}`]);
  const reasons = server.audits().filter(({ action }) => action === "refused")
    .map(({ reason }) => String(reason).replace(/[0-9a-f-]{36}/, "ID"));
  assertEquals(reasons, [
    "invite ID is used",
    "invite ID is expired",
    "unknown invite ID",
    "wrong secret for invite ID",
  ]);
});

Deno.test("[HB-26] a client that the server does not know is refused as such", async () => {
  await using server = await FakeServer.start();
  const peer = server.dial();
  const keys = await generateKeyPair();
  assertEquals((await refusal(peer.greet({ keys }, { serverId }))).code, "unknown_client");
  assertNothingStored(server);
});

Deno.test("[HB-26] a revoked client learns it only after it has proved its key", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  server.tables.revoke("till-3");
  assertEquals((await refusal(server.dial().greet(till, { serverId }))).code, "revoked");
  const thief = server.dial();
  await thief.sendUnchecked("HELLO", { ...HELLO, key: till.keyId });
  await thief.expect("CHALLENGE");
  await thief.sendUnchecked("PROVE", { sig: encodeBase64Url(new Uint8Array(64)) });
  await refused(thief, "bad_proof");
});

Deno.test("[HB-27] a name that is taken costs no use of the invite", async () => {
  await using server = await FakeServer.start();
  await server.enrol("till-3");
  const { invite: id, secret } = server.invite();
  const keys = await generateKeyPair();
  const invite = (name: string) => ({ serverId, invite: { id, secret, name } });
  const taken = await refusal(server.dial().greet({ keys }, invite("TILL-3")));
  assertEquals(taken.code, "name_taken");
  const peer = server.dial();
  await peer.greet({ keys }, invite("till-4"));
  assertEquals(peer.ack?.name, "till-4");
});

Deno.test("[HB-73] a name that is none is refused", async () => {
  await using server = await FakeServer.start({ open: true });
  for (const name of ["all", "server", "-x", "a b", "../x", "ü"]) {
    const peer = server.dial();
    await peer.sendUnchecked("HELLO", { ...HELLO, name });
    await refused(peer, "bad_frame");
  }
  assertNothingStored(server);
});

Deno.test("[HB-28] an open server lets strangers in at once, as unverified", async () => {
  await using server = await FakeServer.start({ open: true });
  const keys = await generateKeyPair();
  const peer = server.dial();
  await peer.greet({ keys, name: "guest" });
  assertEquals(peer.ack?.name, "guest");
  const [record] = server.tables.clients();
  assertEquals([record?.id, record?.kind, record?.publicKey], ["open:guest", "open", undefined]);
});

Deno.test("[HB-28] a stranger without a name is known by its address", async () => {
  await using server = await FakeServer.start({ open: true });
  const peer = server.dial({ address: "fe80::1" });
  await peer.sendUnchecked("HELLO", HELLO);
  assertEquals((await peer.expect("ACK")).name, "fe80--1");
});

Deno.test("[HB-28] a stranger never gets the name of an enrolled client, whatever its case", async () => {
  await using server = await FakeServer.start({ open: true });
  const till = await server.enrol("till-3");
  for (const name of ["till-3", "TILL-3"]) {
    const peer = server.dial();
    await peer.sendUnchecked("HELLO", { ...HELLO, name });
    assertMatch(await refused(peer, "name_taken"), /belongs to an enrolled machine/);
  }
  assertEquals(server.changes, []);
  const peer = await server.connect(till);
  assertEquals(peer.ack?.name, "till-3");
});

Deno.test("[HB-28] a known client proves itself on an open server too", async () => {
  await using server = await FakeServer.start({ open: true });
  const till = await server.enrol("till-3");
  const thief = server.dial();
  await thief.sendUnchecked("HELLO", { ...HELLO, key: till.keyId });
  await thief.expect("CHALLENGE");
  await thief.sendUnchecked("PROVE", { sig: encodeBase64Url(new Uint8Array(64)) });
  await refused(thief, "bad_proof");
});

Deno.test("[HB-33] an address holds a bounded number of unverified connections", async () => {
  await using server = await FakeServer.start({
    open: true,
    lobbyLimits: { unverifiedPerAddress: 2 },
  });
  const keys = await generateKeyPair();
  const guest = server.dial();
  await guest.greet({ keys, name: "guest-1" });
  await server.dial().greet({ keys, name: "guest-2" });
  assertEquals((await refusal(server.dial().greet({ keys, name: "guest-3" }))).code, "full");
  await server.dial({ address: "10.0.0.8" }).greet({ keys, name: "guest-4" });
  const verified = await server.connect(await server.enrol("till-3"));
  assertEquals(verified.ack?.name, "till-3");
  await guest.close();
  await server.dial().greet({ keys, name: "guest-5" });
});

Deno.test("[HB-33] a full server says so", async () => {
  await using server = await FakeServer.start({ lobbyLimits: { connections: 2 } });
  const till = await server.enrol("till-3");
  const first = await server.connect(till, { role: "tool" });
  server.dial();
  assertEquals((await refusal(server.dial().greet(till, { serverId }))).code, "full");
  await first.close();
  await server.connect(till);
});

Deno.test("a flood of silent connections keeps nobody out: the oldest goes", async () => {
  await using server = await FakeServer.start({ lobbyLimits: { perAddress: 3 } });
  const till = await server.enrol("till-3");
  const flood = [server.dial(), server.dial(), server.dial()];
  await server.connect(till);
  assertEquals(await flood[0]?.next(), null);
  await flood[0]?.ended;
  assertEquals(server.parts.lobby.connections, 3);
});

for (const off of [-1, 0, 1]) {
  const bytes = MAX_GREETING_LINE_BYTES + off;
  Deno.test(`[HB-3] a HELLO of ${bytes} bytes is ${off <= 0 ? "read" : "refused"}`, async () => {
    await using server = await FakeServer.start({ open: true });
    const peer = server.dial();
    const head = `HELLO ${JSON.stringify({ ...HELLO, name: "guest", pad: "" }).slice(0, -2)}`;
    const line = `${head}${"x".repeat(bytes - head.length - 2)}"}`;
    assertEquals(line.length, bytes);
    await peer.raw(`${line}\n`);
    assertEquals((await peer.next())?.verb, off <= 0 ? "ACK" : "REFUSE");
  });
}

Deno.test("[HB-3] a greeting without LF is refused as soon as it is too long", async () => {
  await using server = await FakeServer.start();
  const peer = server.dial();
  await peer.raw(`HELLO ${"x".repeat(2 * MAX_GREETING_LINE_BYTES)}`);
  await refused(peer, "bad_frame");
});

Deno.test("[HB-9] nonsense in the greeting ends its own connection only", async () => {
  await using server = await FakeServer.start();
  const other = await server.connect(await server.enrol("till-3"));
  for (const bytes of ["\n", "HELLO [1]\n", "GET / HTTP/1.1\r\n\r\n", new Uint8Array([0xff, 10])]) {
    const peer = server.dial();
    await peer.raw(bytes);
    await refused(peer, "bad_frame");
  }
  other.send({ verb: "HEARTBEAT", seq: 1, at: 1 });
  await other.expect("BEAT");
});

Deno.test("[HB-10] a peer that leaves in the middle of its greeting leaves nothing behind", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const before = server.tables.events({}).length;
  for (const said of ["", "HEL", `HELLO ${JSON.stringify({ ...HELLO, key: till.keyId })}\n`]) {
    const peer = server.dial();
    await peer.raw(said);
    await peer.close();
  }
  assertEquals(server.parts.lobby.connections, 0);
  const kinds = server.tables.events({}).slice(before).map(({ kind }) => kind);
  assertEquals(kinds.filter((kind) => kind !== "audit"), []);
});

Deno.test("[HB-36] HELLO is known in any pieces on an open plaintext port", async () => {
  const hello = encodeFrame("HELLO", { ...HELLO, name: "guest" });
  for (let cut = 1; cut <= 10; cut++) {
    await using server = await FakeServer.start({ plaintext: true, open: true });
    const peer = server.dial();
    await peer.raw(hello.subarray(0, cut));
    await server.clock.advance(CLASSIC_PREFIX_SETTLE_MS - 1);
    await peer.raw(hello.subarray(cut));
    assertEquals((await peer.expect("ACK")).name, "guest");
  }
});

Deno.test("[HB-36] HELLO is known one byte at a time, with what follows it", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const peer = server.dial({ maxReadBytes: 1 });
  await peer.sendUnchecked("HELLO", { ...HELLO, name: "guest" });
  await peer.sendUnchecked("HEARTBEAT", { seq: 3, at: 1 });
  await peer.expect("ACK");
  assertEquals((await peer.expect("BEAT")).seq, 3);
});

Deno.test("[HB-36] what is no HELLO is classic on an open plaintext port", async () => {
  for (const first of ["HEARTBEAT", "H", "hello\n", "HELLO\n", "HELLO{\n", "\x16A\n", "{}\n"]) {
    await using server = await FakeServer.start({ plaintext: true, open: true });
    const peer = server.dial();
    await peer.raw(first);
    await server.clock.advance(CLASSIC_PREFIX_SETTLE_MS);
    await server.clock.advance(CLASSIC_PREFIX_SETTLE_MS);
    assertEquals(server.tables.clients().map(({ kind }) => kind), ["classic"], first);
    const said = server.messages.map(({ text }) => text);
    assertEquals(said, first === "HEARTBEAT" ? [] : [first.trimEnd()]);
  }
});

Deno.test("[HB-36] a classic client may say HELLO and wait for the answer", async () => {
  await using server = await FakeServer.start({ plaintext: true, open: true });
  const peer = server.dial();
  await peer.raw("HELLO");
  await server.clock.advance(CLASSIC_PREFIX_SETTLE_MS - 1);
  assertEquals(server.messages, []);
  await server.clock.advance(1);
  await server.clock.advance(CLASSIC_PREFIX_SETTLE_MS);
  assertEquals(server.messages.map(({ text }) => text), ["HELLO"]);
  await peer.raw("are you there?");
  await server.clock.advance(1_000);
  assertEquals(server.messages.map(({ text }) => text), ["HELLO", "are you there?"]);
});

Deno.test("[HB-36] what is no HELLO is closed without a word on a plaintext port that is not open", async () => {
  await using server = await FakeServer.start({ plaintext: true });
  const peer = server.dial();
  await peer.raw("HEARTBEAT");
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals(server.audits(), [{ action: "classic_refused", address: "10.0.0.7" }]);
  assertNothingStored(server);
});

Deno.test("[HB-36] a TLS client on a plaintext port is closed, with a hint in the log", async () => {
  for (const open of [true, false]) {
    await using server = await FakeServer.start({ plaintext: true, open });
    const peer = server.dial();
    await peer.raw(new Uint8Array([0x16, 0x03, 0x01, 0x02, 0x00]));
    assertEquals(await peer.next(), null);
    await peer.ended;
    assertEquals(server.audits(), [{ action: "tls_on_plaintext", address: "10.0.0.7" }]);
    assert(server.logged.some((line) => line.includes("join it again")));
  }
});

Deno.test("[HB-36] a TLS port knows no classic peers", async () => {
  await using server = await FakeServer.start({ open: true });
  const peer = server.dial();
  await peer.raw("HEARTBEAT\n");
  await refused(peer, "bad_frame");
});

Deno.test("a plaintext port that is not open greets enrolled clients as ever", async () => {
  await using server = await FakeServer.start({ plaintext: true });
  const peer = await server.connect(await server.enrol("till-3"));
  assertEquals(peer.ack?.name, "till-3");
});

Deno.test("the end of a greeted connection frees its place", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  for (let count = 0; count < 5; count++) {
    const peer = await server.connect(till, { role: "tool" });
    assertEquals([server.parts.lobby.connections, server.parts.lobby.waiting], [1, 0]);
    await peer.close();
    assertEquals(server.parts.lobby.connections, 0);
  }
});

Deno.test("a store that fails in the greeting ends the connection and not the server", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  server.fail("client", new StoreError("Cannot use the database"));
  await assertRejects(() => server.dial().greet(till, { serverId }), Error, "closed");
  server.fail("client", undefined);
  await server.connect(till);
});
