/** Peers that take their time, in the greeting or in reading, against real servers with innocent clients. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { GREETING_DEADLINE_MS, MAX_MESSAGE_BYTES } from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { dial, Peer } from "./peer.ts";
import { RawSocket } from "./raw_socket.ts";
import { RunningServer } from "./running_server.ts";
import { pause, until, within } from "./until.ts";

/** How far from the deadline a close may be, in milliseconds. */
const TOLERANCE_MS = 1_000;
/** Greetings of one address that the server serves at once. */
const MAX_GREETING_PER_ADDRESS = 32;

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Sends bytes one by one, for as long as the server takes them. */
async function trickle(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (const byte of bytes) {
      await conn.write(Uint8Array.of(byte));
      await pause(500);
    }
  } catch {
    // The server has closed the connection, which is what the test waits for.
  }
}

/** Descriptors that a process holds; 0 where that cannot be seen. */
function descriptors(pid: number): number {
  return Deno.build.os === "linux" ? [...Deno.readDirSync(`/proc/${pid}/fd`)].length : 0;
}

/** Reads until the server closes; how long that took, in milliseconds. */
async function untilClosed(conn: Deno.Conn, startedAt: number): Promise<number> {
  const buffer = new Uint8Array(4096);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // A reset is a close as well.
  }
  return performance.now() - startedAt;
}

/** One slow greeting: what it does once it is connected; how long the server let it. */
async function slowGreeting(
  connect: () => Promise<Deno.Conn>,
  act: (conn: Deno.Conn) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  using conn = await connect();
  const acting = act(conn);
  // What is never closed counts as endless, so that the test can say which greeting it was.
  const tookMs = await within(untilClosed(conn, startedAt), { what: "the server close" })
    .catch(() => Infinity);
  await acting;
  return tookMs;
}

Deno.test("a greeting that is not done after 10 s is closed, however slowly bytes come (fault 14) [HB-29]", async () => {
  await using secure = await RunningServer.start({ args: ["--interval", "1"] });
  await using open = await RunningServer.start({
    args: ["--interval", "1", "--plaintext", "--open"],
  });
  const key = await secure.invite();
  await using innocent = await InnocentPeer.connect(secure, { join: key, tls: true });
  await using innocentToo = await InnocentPeer.connect(open);
  const tcp = (server: RunningServer) => () => dial(server);
  const tls = () => dial(secure, { tls: true });
  const hello = `HELLO {"hb":[1,1],"role":"agent","app":"test","epoch":0,"key":"${
    "0".repeat(40)
  }"}`;
  const slow = {
    "no TLS handshake": slowGreeting(tcp(secure), () => Promise.resolve()),
    "a TLS handshake byte by byte": slowGreeting(
      tcp(secure),
      (conn) =>
        trickle(conn, Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Array(40).fill(7))),
    ),
    "no HELLO": slowGreeting(tls, () => Promise.resolve()),
    "a HELLO byte by byte": slowGreeting(tls, (conn) => trickle(conn, utf8(hello))),
    "a HELLO without its end": slowGreeting(tls, (conn) => conn.write(utf8(hello))),
    "plaintext, a HELLO byte by byte": slowGreeting(
      tcp(open),
      (conn) => trickle(conn, utf8(`HELLO {${" ".repeat(100)}`)),
    ),
    "plaintext, a HELLO without its end": slowGreeting(
      tcp(open),
      (conn) => conn.write(utf8(hello)),
    ),
    "a CHALLENGE without an answer": slowGreeting(
      tls,
      (conn) => conn.write(utf8(`${hello.replace(/"key".*/, '"join":true}')}\n`)),
    ),
  };
  await using classic = await RawSocket.connect(open.port);
  const tookMs = await Promise.all(Object.values(slow));
  for (const [at, what] of Object.keys(slow).entries()) {
    const took = Math.round(tookMs[at] ?? NaN);
    assertLess(Math.abs(took - GREETING_DEADLINE_MS), TOLERANCE_MS, `${what}: ${took} ms`);
  }
  assert(!classic.closed, "a classic client may be silent for longer");
  await classic.send("HEARTBEAT");
  await open.untilState("127.0.0.1", "UP");
  await innocent.assertUnharmed();
  await innocentToo.assertUnharmed();
});

Deno.test("idle connections of one address push each other out, not the one that greets (fault 14)", async () => {
  await using server = await RunningServer.start({ args: ["--interval", "1", "--plaintext"] });
  await using innocent = await InnocentPeer.connect(server, { join: await server.invite() });
  await using stack = new AsyncDisposableStack();
  const idle: RawSocket[] = [];
  const more = 8;
  for (let count = 0; count < MAX_GREETING_PER_ADDRESS + more; count++) {
    idle.push(stack.use(await RawSocket.connect(server.port)));
  }
  for (const socket of idle.slice(0, more)) await socket.untilClosed(2_000);
  assert(idle.slice(more).every((socket) => !socket.closed), "only the oldest go");
  using peer = await Peer.connect(server, { join: await server.invite(), name: "till-3" });
  assertEquals(peer.ack.name, "till-3");
  await innocent.assertUnharmed();
});

Deno.test("a client that reads nothing is dropped alone, and has every message when it comes back (fault 26) [HB-51]", async () => {
  const count = 310;
  await using server = await RunningServer.start({ args: ["--interval", "1", "--plaintext"] });
  await using innocent = await InnocentPeer.connect(server, { join: await server.invite() });
  const join = await server.invite("--name", "slow");
  using slow = await Peer.connect(server, { join });
  const beating = setInterval(() => slow.send({ verb: "HEARTBEAT", seq: 0, at: 0 }), 250);
  const texts = Array.from({ length: count }, (_, n) => `${n} `.padEnd(MAX_MESSAGE_BYTES, "x"));
  try {
    for (const text of texts) await server.api("/api/messages", { who: "slow", text });
    await server.api("/api/messages", { who: "innocent", text: "are you there?" });
    await server.program.line(/Dropped slow: it has not read/);
    await server.untilLogged("state", ({ client, state }) => client === "slow" && state === "DOWN");
  } finally {
    clearInterval(beating);
  }
  using again = await Peer.connect(server, { keys: slow.keys });
  for (const text of texts) {
    const message = await again.next("MESSAGE");
    assertEquals(message.text.slice(0, 8), text.slice(0, 8));
    again.send({ verb: "RECEIPT", ids: [message.id], state: "stored" });
  }
  await innocent.assertUnharmed();
});

for (const tls of [false, true]) {
  const how = tls ? "TLS" : "plaintext";
  Deno.test(`answers that a client does not read end its connection when they are 1 MiB, over ${how} (fault 26)`, async () => {
    const args = ["--interval", "1", ...(tls ? [] : ["--plaintext"])];
    await using server = await RunningServer.start({ args });
    const key = await server.invite("--uses", "2");
    await using innocent = await InnocentPeer.connect(server, { join: key, name: "innocent", tls });
    await server.api("/api/clients"); // Its connection stays open for the next question.
    const before = descriptors(server.program.pid);
    using flood = await Peer.connect(server, { join: key, name: "flood", tls });
    const beats = utf8('HEARTBEAT {"seq":0,"at":0}\n'.repeat(2_000));
    let sent = 0;
    const sending = (async () => {
      for (; sent < 1_000; sent++) await flood.sendBytes(beats);
    })().catch(() => {
      // The server has closed the connection.
    });
    await server.untilLogged(
      "state",
      ({ client, cause }) => client === "flood" && cause === "connection lost",
    );
    // Its socket goes although the peer still holds on to its own.
    await until(() => descriptors(server.program.pid) <= before, {
      what: () => `${before} descriptors, as before: ${descriptors(server.program.pid)}`,
      timeoutMs: 5_000,
    });
    await sending;
    assertLess(sent, 1_000, "the server took everything");
    await innocent.assertUnharmed();
  });
}
