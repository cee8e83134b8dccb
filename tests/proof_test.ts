/** Proofs, join keys and tokens that do not hold, word for word over real sockets. */

import { assert, assertEquals, assertGreater, assertLess, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import {
  ClientGreeting,
  decodeJoinKey,
  encodeBase64Url,
  encodeFrame,
  generateKeyPair,
  parseFrame,
  proofBytes,
  sign,
} from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { RawSocket } from "./raw_socket.ts";
import { RunningServer } from "./running_server.ts";

/** As long as a signature, and none. */
const NO_SIGNATURE = encodeBase64Url(new Uint8Array(64));

const utf8 = (text: string) => new TextEncoder().encode(text);

/** What a hostile client answers to the line with the server's CHALLENGE. */
type Answer = (challenge: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** Greets, answers the challenge, and resolves with all that the server says to that before it closes. */
async function greet(server: RunningServer, hello: Uint8Array, answer: Answer): Promise<string> {
  await using socket = await RawSocket.connect(server.port);
  await socket.send(hello);
  const challenge = await socket.take(1);
  await socket.send(await answer(utf8(challenge.trimEnd())));
  await socket.untilClosed();
  return socket.text;
}

async function startServer(...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const options = { args: ["--plaintext", "--interval", "1", ...args] };
  const server = stack.use(await RunningServer.start(options));
  const join = await server.invite("--name", "innocent");
  const innocent = stack.use(await InnocentPeer.connect(server, { join }));
  const moved = stack.move();
  return { server, innocent, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

Deno.test("wrong, replayed and foreign proofs and join keys get one and the same line, and each its audit line (fault 29) [HB-25]", async () => {
  await using on = await startServer();
  const { server } = on;
  const key = decodeJoinKey(await server.invite("--uses", "2"));
  const keys = await generateKeyPair();
  const others = await generateKeyPair();
  const hello = { role: "agent" as const, name: "till-3", app: "test", epoch: 0 };
  const step = async (greeting: ClientGreeting, challenge: Uint8Array) => {
    const next = await greeting.receive(challenge);
    if (next.kind !== "prove") throw new Error("Cannot answer: it is no challenge");
    return next.send;
  };

  // A real enrolment and a real proof, overheard.
  const invite = { id: key.invite, secret: key.secret };
  const joining = new ClientGreeting(hello, { ...keys, invite });
  const proving = new ClientGreeting(hello, keys);
  const overheard: Record<string, Uint8Array> = {};
  for (const [name, greeting] of Object.entries({ JOIN: joining, PROVE: proving })) {
    await using socket = await RawSocket.connect(server.port);
    await socket.send(greeting.hello);
    const answer = await step(greeting, utf8((await socket.take(1)).trimEnd()));
    overheard[name] = answer;
    await socket.send(answer);
    assertEquals((await socket.take(1)).split(" ")[0], "ACK", name);
  }

  const prove = async (challenge: Uint8Array, wrong: { serverId?: string; key?: typeof keys }) => {
    const frame = parseFrame(challenge);
    if (frame.verb !== "CHALLENGE") throw new Error("Cannot prove: it is no challenge");
    const { privateKey } = wrong.key ?? keys;
    const serverId = wrong.serverId ?? frame.server;
    const signed = { serverId, nonce: frame.nonce, hello: proving.hello.subarray(0, -1) };
    return encodeFrame("PROVE", {
      sig: encodeBase64Url(await sign(privateKey, proofBytes(signed))),
    });
  };
  const joinWith = (secret: Uint8Array, id = key.invite): Answer => (challenge) =>
    step(new ClientGreeting(hello, { ...others, invite: { id, secret } }), challenge);
  const othersHello = new ClientGreeting(hello, { ...others, invite }).hello;
  const attempts: [what: string, hello: Uint8Array, answer: Answer][] = [
    ["a proof that was overheard", proving.hello, () => overheard.PROVE ?? utf8("")],
    ["a join that was overheard", joining.hello, () => overheard.JOIN ?? utf8("")],
    [
      "no signature",
      proving.hello,
      () => encodeFrame("PROVE", { sig: NO_SIGNATURE }),
    ],
    ["another key's signature", proving.hello, (challenge) => prove(challenge, { key: others })],
    [
      "a proof for another server",
      proving.hello,
      (challenge) => prove(challenge, { serverId: "0".repeat(40) }),
    ],
    ["another secret", othersHello, joinWith(new Uint8Array(32))],
    ["another invite", othersHello, joinWith(key.secret, crypto.randomUUID())],
  ];
  const answers = new Map<string, string>();
  for (const [what, hello, answer] of attempts) {
    answers.set(await greet(server, hello, answer), what);
  }
  assertEquals(answers.size, 1, JSON.stringify([...answers]));
  const [line = ""] = answers.keys();
  assertEquals(JSON.parse(line.replace(/^REFUSE /, "")).code, "bad_proof");
  const refused = (await server.log("audit")).filter(({ action }) => action === "refused");
  assertEquals(refused.length, attempts.length);
  assertGreater(new Set(refused.map(({ reason }) => reason)).size, 2, "the audit tells them apart");
  for (const { address, code } of refused) {
    assertEquals([address, code], ["127.0.0.1", "bad_proof"]);
  }
  const clients = await server.json<{ name: string }[]>("clients");
  assertEquals(clients.map(({ name }) => name).sort(), ["innocent", "till-3"]);
  await on.innocent.assertUnharmed();
});

Deno.test("failed proofs of one address are slowed down and their audit lines bounded (fault 29) [HB-31]", async () => {
  await using on = await startServer();
  const keys = await generateKeyPair();
  const { hello } = new ClientGreeting({ role: "agent", app: "test", epoch: 0 }, keys);
  const attempts = 30;
  const tookMs = await Promise.all(Array.from({ length: attempts }, async () => {
    const startedAt = performance.now();
    const said = await greet(on.server, hello, () => encodeFrame("PROVE", { sig: NO_SIGNATURE }));
    assert(said.startsWith("REFUSE {"), said);
    return performance.now() - startedAt;
  }));
  const slow = tookMs.filter((ms) => ms >= 1_900).length;
  assertGreater(slow, 5, `${tookMs}`);
  const refused = (await on.server.log("audit")).filter(({ action }) => action === "refused");
  assertGreater(refused.length, 5);
  assertLess(refused.length, attempts / 2);
  await on.innocent.assertUnharmed();
});

/** One HTTP request, header by header; the status line and the body of the answer. */
async function request(url: URL, headers: Record<string, string>): Promise<[string, string]> {
  await using socket = await RawSocket.connect(Number(url.port));
  const lines = Object.entries({ host: url.host, ...headers }).map(([name, value]) =>
    `${name}: ${value}`
  );
  await socket.send(
    `GET /api/clients HTTP/1.1\r\n${lines.join("\r\n")}\r\nconnection: close\r\n\r\n`,
  );
  await socket.untilClosed();
  const [head = "", body = ""] = socket.text.split("\r\n\r\n");
  return [head.split("\r\n")[0] ?? "", body];
}

Deno.test("a wrong, cut or missing API token, a web page and a foreign host name get one answer, are slowed down and noted (fault 29)", async () => {
  await using on = await startServer();
  const { server } = on;
  const { url: base, token } = JSON.parse(await Deno.readTextFile(join(server.data, "api.json")));
  const url = new URL(base);
  const right = { authorization: `Bearer ${token}` };
  const wrong: Record<string, string>[] = [
    {},
    { authorization: "" },
    { authorization: token },
    { authorization: `Bearer ${token.slice(0, -1)}` },
    { authorization: `Bearer ${token}x` },
    { authorization: `Bearer ${encodeBase64Url(new Uint8Array(32))}` },
    { ...right, origin: "http://evil.example" },
    { ...right, host: "evil.example" },
  ];
  const answers = new Set<string>();
  for (const headers of wrong) answers.add(JSON.stringify(await request(url, headers)));
  assertEquals(answers.size, 1, [...answers].join("\n"));
  assert([...answers].every((answer) => answer.includes("HTTP/1.1 401")), [...answers].join());
  let [status] = await request(url, {});
  for (let more = 0; more < 10 && status.includes("401"); more++) [status] = await request(url, {});
  assertEquals(status.split(" ")[1], "429");
  assertEquals((await request(url, right))[0].split(" ")[1], "200", "the right token still works");
  const noted = (await server.log("audit")).filter(({ action }) => action === "api_refused");
  assertNotEquals(noted, []);
  assertLess(noted.length, 12);
  assert(!JSON.stringify(noted).includes(token));
  await on.innocent.assertUnharmed();
});

Deno.test({
  name:
    "nobody else on this machine may read the API token or the server's key (not on Windows: no modes)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using on = await startServer();
    for (const name of ["api.json", "server-key.pem", "hbserver.sqlite"]) {
      const { mode } = await Deno.stat(join(on.server.data, name));
      assertEquals((mode ?? 0) & 0o777, 0o600, name);
    }
    const { mode } = await Deno.stat(on.server.data);
    assertEquals((mode ?? 0) & 0o777, 0o700);
  },
});
