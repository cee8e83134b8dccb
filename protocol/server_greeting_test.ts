/**
 * The server's side of the greeting over the vectors of greeting.json (see testdata/README.md), and what all
 * refusals have in common.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { ProtocolError, REFUSE_CODES } from "./error.ts";
import { FakeAuthority } from "./fake_authority.ts";
import { MAX_REASON_CHARS, NONCE_BYTES } from "./limits.ts";
import {
  BAD_PROOF_REASON,
  type EnrolFailure,
  type EnrolRequest,
  type Refused,
  ServerGreeting,
  type ServerStep,
} from "./server_greeting.ts";
import testdata from "./testdata/greeting.json" with { type: "json" };
import { parseFrame } from "./verb.ts";

interface Vector {
  clause: string;
  name: string;
  side: string;
  lines: string[];
  expect: string;
  open?: boolean;
  nonce?: string;
  known?: Record<string, { name: string; revoked: boolean }>;
  enrol?: string;
  given?: string;
  enrols?: { invite: string; key: string; name?: string; suggested?: string };
  admitted?: { key: string | null };
  refuse?: object;
  update?: string;
}

const vectors = (testdata.vectors as Vector[]).filter(({ side }) => side !== "client");
const keys: Record<string, { id: string; publicKey: string }> = testdata.keys;
const SECRET = Uint8Array.fromHex(testdata.invite.secret);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function keyOf(name: string): { id: string; publicKey: Uint8Array<ArrayBuffer> } {
  const key = keys[name];
  if (key === undefined) throw new Error(`Cannot find the key "${name}" in greeting.json`);
  return { id: key.id, publicKey: Uint8Array.fromHex(key.publicKey) };
}

function authorityOf(vector: Vector): FakeAuthority {
  return new FakeAuthority({
    serverId: testdata.server,
    open: vector.open ?? false,
    nonce: () => decodeBase64Url(vector.nonce ?? testdata.nonce),
    clients: Object.entries(vector.known ?? {}).map(([name, client]) => ({
      ...client,
      keyId: keyOf(name).id,
      publicKey: keyOf(name).publicKey,
    })),
    invites: { [testdata.invite.id]: SECRET },
    failure: vector.enrol as EnrolFailure | undefined,
    givenName: vector.given,
  });
}

/** Compares a step with what the vector says that the server sends; of REFUSE the code alone. */
function checkStep(step: ServerStep, line: string): void {
  const [verb] = line.split(" ");
  if (verb === "ACK") return assertEquals(step.kind, "admitted");
  if (step.kind === "admitted") throw new Error(`Cannot find ${line}: the client is in`);
  const sent = parseFrame(step.send.subarray(0, -1));
  if (verb === "REFUSE") {
    assertEquals(sent.verb === "REFUSE" && `REFUSE ${sent.code}`, line);
  } else assertEquals(sent, parseFrame(encoder.encode(line)));
}

/** Plays the client's lines; what comes of the last one. */
async function play(vector: Vector, authority = authorityOf(vector)): Promise<ServerStep> {
  const greeting = new ServerGreeting(authority);
  let step: ServerStep | undefined;
  for (const line of vector.lines) {
    if (line.startsWith("C ")) step = await greeting.receive(encoder.encode(line.slice(2)));
    else if (step !== undefined) checkStep(step, line.slice(2));
  }
  if (step === undefined) throw new Error(`Cannot play "${vector.name}": no line of the client`);
  return step;
}

function checkRefusal(step: ServerStep, vector: Vector): Refused {
  if (step.kind !== "refused") throw new Error(`Cannot check "${vector.name}": ${step.kind}`);
  const { code, reason, audit } = step.refused;
  assertEquals(code as string, vector.expect);
  const frame = parseFrame(step.send.subarray(0, -1));
  assertEquals(
    frame,
    { verb: "REFUSE", code, reason, ...vector.refuse } as unknown as typeof frame,
  );
  if (vector.update) assertEquals(reason.includes(`Update the ${vector.update}`), true);
  assertEquals([audit.length > 0, reason.length <= MAX_REASON_CHARS], [true, true]);
  return step.refused;
}

/** Whether REFUSE is the machine's own answer and not its caller's to a {@linkcode ProtocolError}. */
function isRefusal({ expect, clause }: Vector): boolean {
  if (expect === "bad_frame") return clause === "HB-70";
  return (REFUSE_CODES as readonly string[]).includes(expect);
}

function enrolments({ enrols }: Vector): EnrolRequest[] {
  if (enrols === undefined) return [];
  const { invite, key, name, suggested: suggestedName } = enrols;
  return [{ invite, publicKey: keyOf(key).publicKey, name, suggestedName }];
}

for (const vector of vectors) {
  Deno.test(`ServerGreeting judges ${vector.name} [${vector.clause}]`, async () => {
    const authority = authorityOf(vector);
    if (vector.expect !== "ok" && !isRefusal(vector)) {
      const error = await assertRejects(() => play(vector, authority), ProtocolError);
      return assertEquals(error.code, vector.expect);
    }
    const step = await play(vector, authority);
    if (vector.expect !== "ok") return void checkRefusal(step, vector);
    if (step.kind !== "admitted") throw new Error(`Cannot admit: ${step.kind}`);
    const { epoch: _, app, features, keyId, ...admitted } = step.admitted;
    const { key, ...expected } = vector.admitted ?? { key: null };
    assertEquals(admitted, expected as unknown as typeof admitted);
    assertEquals(keyId, key === null ? undefined : keyOf(key).id);
    assertEquals([app, features], ["hbclient/1.0.0 (linux x86_64)", []]);
    assertEquals(authority.requests, enrolments(vector));
  });
}

function vectorNamed(name: string): Vector {
  const vector = vectors.find((vector) => vector.name === name);
  if (vector === undefined) throw new Error(`Cannot find the vector "${name}"`);
  return vector;
}

Deno.test("ServerGreeting gives every bad proof one and the same line, and the truth to the audit alone [HB-25]", async () => {
  const bad = vectors.filter(({ expect }) => expect === "bad_proof");
  const sent = new Set<string>();
  const audits = new Set<string>();
  for (const vector of bad) {
    const step = await play(vector);
    const { reason, audit } = checkRefusal(step, vector);
    assertEquals(reason, BAD_PROOF_REASON);
    if (step.kind === "refused") sent.add(decoder.decode(step.send));
    audits.add(audit);
  }
  assertEquals([sent.size, bad.length > 20], [1, true]);
  assertEquals([...audits].sort(), [
    `JOIN and HELLO name different keys`,
    `JOIN is not signed by its own key`,
    `invite ${testdata.invite.id} is expired`,
    `invite ${testdata.invite.id} is used`,
    `unknown invite 019aa8d0-0000-7000-8000-000000000002`,
    `wrong secret for invite ${testdata.invite.id}`,
    `wrong signature for "till-3"`,
  ]);
});

Deno.test("ServerGreeting asks to enrol only for a JOIN that holds [HB-27]", async () => {
  for (const vector of vectors.filter(({ expect }) => expect !== "ok")) {
    const authority = authorityOf(vector);
    await play(vector, authority).catch((error) => {
      if (!(error instanceof ProtocolError)) throw error;
    });
    const { expect, enrol } = vector;
    const asks = enrol !== undefined && vector.name !== "a wrong secret of an expired invite";
    assertEquals(authority.requests.length, asks ? 1 : 0, `${expect}: ${vector.name}`);
  }
});

Deno.test("ServerGreeting lets an invite in once: a second machine gets bad_proof [HB-27]", async () => {
  const vector = vectorNamed("a machine enrols");
  const authority = authorityOf(vector);
  assertEquals((await play(vector, authority)).kind, "admitted");
  const again = await play({ ...vector, lines: vector.lines.slice(0, 3) }, authority);
  assertEquals(again.kind === "refused" && again.refused.code, "bad_proof");
});

Deno.test("ServerGreeting sends a nonce of 32 bytes that it asks for anew each time [HB-22]", async () => {
  let count = 0;
  const authority = new FakeAuthority({
    serverId: testdata.server,
    nonce: () => new Uint8Array(NONCE_BYTES).fill(++count),
  });
  const hello = encoder.encode(vectorNamed("HELLO, CHALLENGE, PROVE, ACK").lines[0]?.slice(2));
  for (let times = 1; times <= 3; times++) {
    const step = await new ServerGreeting(authority).receive(hello);
    const frame = step.kind === "challenge" ? parseFrame(step.send.subarray(0, -1)) : undefined;
    assertEquals(
      frame?.verb === "CHALLENGE" && frame.nonce,
      encodeBase64Url(new Uint8Array(NONCE_BYTES).fill(times)),
    );
  }
});

Deno.test("ServerGreeting takes nothing more after it refused or admitted [HB-20]", async () => {
  for (const name of ["the client is too new", "HELLO, CHALLENGE, PROVE, ACK"]) {
    const vector = vectorNamed(name);
    const greeting = new ServerGreeting(authorityOf(vector));
    const lines = vector.lines.filter((line) => line.startsWith("C "));
    for (const line of lines) await greeting.receive(encoder.encode(line.slice(2)));
    for (const line of lines) {
      const again = () => greeting.receive(encoder.encode(line.slice(2)));
      assertEquals((await assertRejects(again, ProtocolError)).code, "unexpected");
    }
  }
});

Deno.test("claimed is what HELLO said, true or not, for the audit log", async () => {
  const vector = vectorNamed("an unknown client");
  const greeting = new ServerGreeting(authorityOf(vector));
  assertEquals(greeting.claimed, { name: undefined, keyId: undefined });
  await greeting.receive(encoder.encode(vector.lines[0]?.slice(2)));
  assertEquals(greeting.claimed, { name: "till-3", keyId: keyOf("till3").id });
});

Deno.test("ServerGreeting passes on what its authority fails with", async () => {
  const vector = vectorNamed("HELLO, CHALLENGE, PROVE, ACK");
  const authority = authorityOf(vector);
  authority.findClient = () => Promise.reject(new Deno.errors.Busy("database is locked"));
  await assertRejects(() => play(vector, authority), Deno.errors.Busy);
});
