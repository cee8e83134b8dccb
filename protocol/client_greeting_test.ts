/**
 * The client's side of the greeting over the vectors of greeting.json (see testdata/README.md), and both
 * sides against each other over a connection.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { encodeBase64Url } from "./base64url.ts";
import {
  type ClientCredentials,
  ClientGreeting,
  type ClientHello,
  type ClientStep,
  GreetingRefusedError,
} from "./client_greeting.ts";
import { Connection } from "./connection.ts";
import { ProtocolError } from "./error.ts";
import { FakeAuthority } from "./fake_authority.ts";
import { fakeDuplexPair } from "./fake_duplex.ts";
import { generateKeyPair, joinMac, keyIdOf, type KeyPair, proofBytes } from "./identity.ts";
import { NONCE_BYTES } from "./limits.ts";
import { type EnrolledClient, ServerGreeting, type ServerStep } from "./server_greeting.ts";
import testdata from "./testdata/greeting.json" with { type: "json" };
import { parseFrame, type Role } from "./verb.ts";

interface Vector {
  clause: string;
  name: string;
  side: string;
  lines: string[];
  expect: string;
  nonce?: string;
  client?: {
    key: string;
    role: string;
    name?: string;
    server?: string;
    invite?: boolean;
    asks?: string;
    epoch?: number;
  };
  proof?: string;
  mac?: string;
}

const APP = "hbclient/1.0.0 (linux x86_64)";
const EPOCH = 1763847000123;
const SECRET = Uint8Array.fromHex(testdata.invite.secret);
const keys: Record<string, { privateKey: string; publicKey: string }> = testdata.keys;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function greetingOf({ name: title, client }: Vector): ClientGreeting {
  const key = keys[client?.key ?? ""];
  if (client === undefined || key === undefined) throw new Error(`Cannot set up "${title}"`);
  return new ClientGreeting({
    role: client.role as Role,
    name: client.name,
    app: APP,
    epoch: client.epoch ?? EPOCH,
  }, {
    publicKey: Uint8Array.fromHex(key.publicKey),
    privateKey: Uint8Array.fromHex(key.privateKey),
    serverId: client.server,
    invite: client.invite
      ? { id: testdata.invite.id, secret: SECRET, name: client.asks }
      : undefined,
  });
}

/** Plays the server's lines, comparing the client's letter for letter; what comes of the last one. */
async function play(vector: Vector): Promise<ClientStep | undefined> {
  const greeting = greetingOf(vector);
  let step: ClientStep | undefined;
  let sent = greeting.hello;
  for (const line of vector.lines) {
    const text = line.slice(2);
    if (line.startsWith("C ")) assertEquals(decoder.decode(sent), `${text}\n`);
    else {
      step = await greeting.receive(encoder.encode(text));
      if (step.kind === "prove") sent = step.send;
    }
  }
  return step;
}

for (const vector of (testdata.vectors as Vector[]).filter(({ side }) => side !== "server")) {
  Deno.test(`ClientGreeting judges ${vector.name} [${vector.clause}]`, async () => {
    if (vector.expect !== "ok") {
      const error = await assertRejects(() => play(vector));
      const known = error instanceof ProtocolError || error instanceof GreetingRefusedError;
      return assertEquals(known ? error.code : error, vector.expect);
    }
    const step = await play(vector);
    const ack = parseFrame(encoder.encode(vector.lines.at(-1)?.slice(2)));
    assertEquals(step?.kind === "done" && { verb: "ACK", ...step.ack }, ack);
  });
}

for (const vector of testdata.vectors as Vector[]) {
  if (vector.proof === undefined && vector.mac === undefined) continue;
  Deno.test(`what is signed and authenticated in "${vector.name}" is the vector's text [${vector.clause}]`, () => {
    const hello = encoder.encode(vector.lines[0]?.slice(2));
    const challenge = { serverId: testdata.server, nonce: testdata.nonce, hello };
    if (vector.proof) assertEquals(decoder.decode(proofBytes(challenge)), vector.proof);
    if (vector.mac === undefined) return;
    const publicKey = Uint8Array.fromHex(keys[vector.client?.key ?? ""]?.publicKey ?? "");
    const mac = encodeBase64Url(joinMac(SECRET, { challenge, publicKey }));
    const join = parseFrame(encoder.encode(vector.lines[2]?.slice(2)));
    assertEquals([join.verb === "JOIN" && join.mac, vector.mac.split("\n").at(-1)], [
      mac,
      encodeBase64Url(publicKey),
    ]);
  });
}

Deno.test("GreetingRefusedError carries the code and the server's words, also of a newer server", async () => {
  const greeting = new ClientGreeting(HELLO, { ...await generateKeyPair() });
  const error = await assertRejects(
    () => greeting.receive(encoder.encode('REFUSE {"code":"tired","reason":"Come back at noon"}')),
    GreetingRefusedError,
  );
  assertEquals([error.name, error.code, error.message], [
    "GreetingRefusedError",
    "tired",
    "Come back at noon",
  ]);
});

// Both sides against each other.

const SERVER_ID = testdata.server;
const HELLO: ClientHello = { role: "agent", name: "till-3", app: APP, epoch: EPOCH };
const ACK_LIMITS = { line: 65_536, message: 16_384, file: null, data: 2 };

type Tamper = (line: string) => string;

interface Meeting {
  server: FakeAuthority;
  credentials: ClientCredentials;
  hello?: ClientHello;
  /** Changes what the client sends, on its way. */
  tamper?: Tamper;
}

interface Outcome {
  client: string;
  server: ServerStep["kind"] | string;
  lines: string[];
}

/** The server's half over a connection, as a session runs it; what it came to. */
async function serve(connection: Connection, meeting: Meeting, lines: string[]): Promise<string> {
  const greeting = new ServerGreeting(meeting.server);
  while (true) {
    const line = await connection.readLine();
    if (line === null) return "gone";
    const text = meeting.tamper?.(decoder.decode(line)) ?? decoder.decode(line);
    lines.push(text);
    let step: ServerStep;
    try {
      step = await greeting.receive(encoder.encode(text));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      connection.send({ verb: "REFUSE", code: "bad_frame", reason: error.message });
      return error.code;
    }
    if (step.kind !== "admitted") {
      lines.push(decoder.decode(step.send.subarray(0, -1)));
      await connection.write(step.send);
      if (step.kind === "refused") return step.refused.code;
      continue;
    }
    const { version: hb, name = "nameless", verified, joined } = step.admitted;
    const limits = { ...ACK_LIMITS };
    const times = { interval: 20_000, late: 25_000, down: 50_000, time: EPOCH };
    connection.send({ verb: "ACK", hb, session: "s1", name, ...times, features: [], limits });
    return `${name} verified ${verified} joined ${joined}`;
  }
}

/** The client's half over a connection; what it came to. */
async function knock(connection: Connection, meeting: Meeting): Promise<string> {
  const greeting = new ClientGreeting(meeting.hello ?? HELLO, meeting.credentials);
  await connection.write(greeting.hello);
  try {
    while (true) {
      const line = await connection.readLine();
      if (line === null) return "gone";
      const step = await greeting.receive(line);
      if (step.kind === "done") return `in as ${step.ack.name}`;
      await connection.write(step.send);
    }
  } catch (error) {
    if (error instanceof GreetingRefusedError) return `refused ${error.code}`;
    if (error instanceof ProtocolError) return error.code;
    throw error;
  } finally {
    await connection.end();
  }
}

async function meet(meeting: Meeting): Promise<Outcome> {
  const [here, there] = fakeDuplexPair({ maxReadBytes: 11 });
  using client = new Connection(here);
  using server = new Connection(there);
  const lines: string[] = [];
  const [clientOutcome, serverOutcome] = await Promise.all([
    knock(client, meeting),
    serve(server, meeting, lines).finally(() => server.flushed()),
  ]);
  return { client: clientOutcome, server: serverOutcome, lines };
}

function serverOf(options: {
  open?: boolean;
  clients?: EnrolledClient[];
  failure?: "used" | "expired" | "name_taken" | "wrong_name";
  nonces?: number;
} = {}): FakeAuthority {
  let nonce = options.nonces ?? 0;
  return new FakeAuthority({
    serverId: SERVER_ID,
    open: options.open ?? false,
    nonce: () => new Uint8Array(NONCE_BYTES).fill(++nonce),
    clients: options.clients ?? [],
    invites: { [testdata.invite.id]: SECRET },
    failure: options.failure,
  });
}

function enrolled({ publicKey }: KeyPair, revoked = false): EnrolledClient {
  return { keyId: keyIdOf(publicKey), name: "till-3", publicKey, revoked };
}

const INVITE = { id: testdata.invite.id, secret: SECRET };

Deno.test("both sides agree on every outcome of PROVE [HB-20, HB-23, HB-26]", async () => {
  const [own, other] = [await generateKeyPair(), await generateKeyPair()];
  const credentials = { ...own, serverId: SERVER_ID };
  const outcomes: [Meeting, client: string, server: string][] = [
    [
      { server: serverOf({ clients: [enrolled(own)] }), credentials },
      "in as till-3",
      "till-3 verified true joined false",
    ],
    [{ server: serverOf(), credentials }, "refused unknown_client", "unknown_client"],
    [
      { server: serverOf({ clients: [enrolled(own, true)] }), credentials },
      "refused revoked",
      "revoked",
    ],
    [
      {
        server: serverOf({ clients: [enrolled(own)] }),
        credentials: { ...credentials, privateKey: other.privateKey },
      },
      "refused bad_proof",
      "bad_proof",
    ],
    [
      {
        server: serverOf({ clients: [enrolled(own)] }),
        credentials: { ...credentials, serverId: "0".repeat(40) },
      },
      "unexpected",
      "gone",
    ],
    [
      { server: serverOf(), credentials, hello: { ...HELLO, name: "con" } },
      "refused bad_frame",
      "bad_frame",
    ],
  ];
  for (const [meeting, client, server] of outcomes) {
    const outcome = await meet(meeting);
    assertEquals([outcome.client, outcome.server], [client, server]);
  }
});

Deno.test("both sides agree on every outcome of JOIN [HB-24, HB-25, HB-27]", async () => {
  const [own, other] = [await generateKeyPair(), await generateKeyPair()];
  const credentials = { ...own, serverId: SERVER_ID, invite: INVITE };
  const wrongSecret = { ...INVITE, secret: SECRET.map((byte) => byte ^ 1) };
  const outcomes: [Meeting, string][] = [
    [{ server: serverOf(), credentials: { ...credentials, invite: wrongSecret } }, "bad_proof"],
    [
      { server: serverOf(), credentials: { ...credentials, privateKey: other.privateKey } },
      "bad_proof",
    ],
    [{
      server: serverOf(),
      credentials: { ...credentials, invite: { ...INVITE, id: INVITE.id.replace("1", "2") } },
    }, "bad_proof"],
    [{ server: serverOf({ failure: "used" }), credentials }, "bad_proof"],
    [{ server: serverOf({ failure: "expired" }), credentials }, "bad_proof"],
    [{ server: serverOf({ failure: "wrong_name" }), credentials }, "name_taken"],
    [{ server: serverOf({ clients: [enrolled(other)] }), credentials }, "name_taken"],
    [
      {
        server: serverOf(),
        credentials: { ...credentials, invite: { ...INVITE, name: "server" } },
      },
      "bad_frame",
    ],
  ];
  for (const [meeting, code] of outcomes) {
    const outcome = await meet(meeting);
    assertEquals([outcome.client, outcome.server], [`refused ${code}`, code]);
  }
});

Deno.test("a machine that enrolled proves its key afterwards, and its invite is used [HB-24, HB-27]", async () => {
  const [own, other] = [await generateKeyPair(), await generateKeyPair()];
  const server = serverOf();
  const invite = { ...INVITE, name: "till-5" };
  const joined = await meet({ server, credentials: { ...own, serverId: SERVER_ID, invite } });
  assertEquals([joined.client, joined.server], [
    "in as till-5",
    "till-5 verified true joined true",
  ]);
  const proved = await meet({ server, credentials: { ...own, serverId: SERVER_ID } });
  assertEquals(proved.server, "till-5 verified true joined false");
  const late = await meet({
    server,
    credentials: { ...other, serverId: SERVER_ID, invite: INVITE },
  });
  assertEquals(late.client, "refused bad_proof");
});

Deno.test("the secret of an invite and the private key never cross the wire [HB-24]", async () => {
  const own = await generateKeyPair();
  const { lines } = await meet({
    server: serverOf(),
    credentials: { ...own, serverId: SERVER_ID, invite: INVITE },
  });
  const wire = lines.join("\n");
  assertEquals(wire.includes("JOIN "), true);
  for (const secret of [SECRET, own.privateKey.slice(-32)]) {
    for (const text of [encodeBase64Url(secret), secret.toBase64(), secret.toHex()]) {
      assertEquals(wire.includes(text), false);
    }
  }
});

Deno.test("a HELLO that was altered in flight fails the proof, whatever was altered [HB-23]", async () => {
  const own = await generateKeyPair();
  const alterations: Tamper[] = [
    (line) => line.replace('"role":"agent"', '"role":"data"'),
    (line) => line.replace("till-3", "till-4"),
    (line) => line.replace(`${EPOCH}`, `${EPOCH + 1}`),
    (line) => line.replace('"features":[]', '"features":["x"]'),
    (line) => line.replace("HELLO {", "HELLO { "),
  ];
  for (const alter of alterations) {
    const tamper: Tamper = (line) => line.startsWith("HELLO") ? alter(line) : line;
    for (const invite of [undefined, INVITE]) {
      const server = serverOf({ clients: invite ? [] : [enrolled(own)] });
      const outcome = await meet({
        server,
        credentials: { ...own, serverId: SERVER_ID, invite },
        tamper,
      });
      assertEquals([outcome.client, outcome.server], ["refused bad_proof", "bad_proof"]);
    }
  }
});

Deno.test("a PROVE or JOIN that was recorded is worth nothing on the next nonce [HB-22, HB-25]", async () => {
  const own = await generateKeyPair();
  for (const invite of [undefined, INVITE]) {
    const clients = invite ? [] : [enrolled(own)];
    const credentials = { ...own, serverId: SERVER_ID, invite };
    const first = await meet({ server: serverOf({ clients }), credentials });
    const recorded = first.lines.at(-1) ?? "";
    assertEquals(/^(PROVE|JOIN) /.test(recorded), true);
    const tamper: Tamper = (line) => line.startsWith("HELLO") ? line : recorded;
    const again = await meet({ server: serverOf({ clients }), credentials, tamper });
    assertEquals(again.client, "in as till-3"); // The fake repeats its nonces, so the record itself holds.
    const replay = await meet({ server: serverOf({ clients, nonces: 1 }), credentials, tamper });
    assertEquals([replay.client, replay.server], ["refused bad_proof", "bad_proof"]);
  }
});

Deno.test("a public key that was swapped in flight does not enrol [HB-24]", async () => {
  const [own, thief] = [await generateKeyPair(), await generateKeyPair()];
  const swap = (line: string) =>
    line.replace(encodeBase64Url(own.publicKey), encodeBase64Url(thief.publicKey))
      .replace(keyIdOf(own.publicKey), keyIdOf(thief.publicKey));
  const server = serverOf();
  const credentials = { ...own, serverId: SERVER_ID, invite: INVITE };
  const outcome = await meet({ server, credentials, tamper: swap });
  assertEquals([outcome.server, server.requests.length], ["bad_proof", 0]);
});

Deno.test("an open server lets strangers in unverified and asks those that it knows [HB-28]", async () => {
  const [own, other] = [await generateKeyPair(), await generateKeyPair()];
  const server = serverOf({ open: true, clients: [enrolled(own)] });
  const hello = { ...HELLO, name: "laptop" };
  const stranger = await meet({ server, credentials: other, hello });
  assertEquals([stranger.client, stranger.server], [
    "in as laptop",
    "laptop verified false joined false",
  ]);
  const known = await meet({ server, credentials: { ...own, serverId: SERVER_ID } });
  assertEquals(known.server, "till-3 verified true joined false");
  const forged = await meet({ server, credentials: { ...own, privateKey: other.privateKey } });
  assertEquals(forged.client, "refused bad_proof");
  const joining = await meet({
    server,
    credentials: { ...other, serverId: SERVER_ID, invite: INVITE },
    hello,
  });
  assertEquals(joining.server, "laptop verified true joined true");
});

Deno.test("a joining client refuses to be let in without a challenge [HB-30]", async () => {
  const own = await generateKeyPair();
  const outcome = await meet({
    server: serverOf({ open: true }),
    credentials: { ...own, serverId: SERVER_ID, invite: INVITE },
    tamper: (line) => line.replace(',"join":true', ""),
  });
  assertEquals(outcome.client, "unexpected");
  assertEquals(outcome.server, "till-3 verified false joined false");
});

Deno.test("a client without a server id takes any server's challenge", async () => {
  const own = await generateKeyPair();
  const outcome = await meet({ server: serverOf({ clients: [enrolled(own)] }), credentials: own });
  assertEquals(outcome.client, "in as till-3");
});
