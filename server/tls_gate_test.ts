import { assert, assertEquals, assertLess } from "@std/assert";
import { systemClock } from "../platform/clock.ts";
import { makeIdentity, pinnedName, type ServerIdentity } from "./certificate.ts";
import { type GatedSocket, TlsGate } from "./tls_gate.ts";

/** Longest time in which a forced close must be seen, in milliseconds: LINGER_MS and a busy machine. */
const FORCED_CLOSE_MS = 3_000;
const MB = 1024 * 1024;

const identity: ServerIdentity = await makeIdentity(Date.now());

function openGate(): TlsGate {
  const { certificatePem: cert, keyPem: key } = identity;
  return new TlsGate({ hostname: "127.0.0.1", port: 0, cert, key, clock: systemClock });
}

/** A client and the server's side of its connection, shaken hands. */
async function connect(gate: TlsGate): Promise<{ client: Deno.TlsConn; socket: GatedSocket }> {
  const accepting = gate.accept();
  const { hostname, port } = gate.addr;
  const tcp = await Deno.connect({ hostname, port });
  const tls = { hostname: pinnedName(identity.serverId), caCerts: [identity.certificatePem] };
  const client = await Deno.startTls(tcp, tls);
  const socket = await accepting;
  await Promise.all([client.handshake(), socket.handshake()]);
  return { client, socket };
}

async function readAll(conn: { read(into: Uint8Array): Promise<number | null> }): Promise<number> {
  const buffer = new Uint8Array(MB);
  let total = 0;
  try {
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      total += count;
    }
  } catch {
    // The end without a goodbye is an end.
  }
  return total;
}

async function writeAll(conn: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array) {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** The gate and all that went through it are gone, or the test's own sanitizer says so. */
async function shut(gate: TlsGate, ...sockets: GatedSocket[]): Promise<void> {
  gate.close();
  for (const socket of sockets) socket.close();
  await gate.drained();
  await Promise.all(sockets.map(({ ended }) => ended));
}

Deno.test("TlsGate carries bytes both ways and knows the peer's own address", async () => {
  const gate = openGate();
  const { client, socket } = await connect(gate);
  assertEquals(socket.remoteAddr.port, (client.localAddr as Deno.NetAddr).port);
  const bytes = new Uint8Array(3 * MB).map((_, at) => (at * at) >> 7);
  for (const [from, to] of [[client, socket], [socket, client]] as const) {
    const got = new Uint8Array(bytes.length);
    const sending = writeAll(from, bytes);
    for (let at = 0; at < got.length;) at += await to.read(got.subarray(at)) ?? 0;
    await sending;
    assert(got.every((byte, at) => byte === bytes[at]));
  }
  client.close();
  assertEquals(await socket.read(new Uint8Array(1)).catch(() => null), null);
  await shut(gate, socket);
});

Deno.test("GatedSocket.close() lets the last bytes leave", async () => {
  const gate = openGate();
  const { client, socket } = await connect(gate);
  await writeAll(socket, new Uint8Array(200_000));
  socket.close();
  assertEquals(await readAll(client), 200_000);
  client.close();
  await shut(gate, socket);
});

Deno.test("GatedSocket.close() ends a connection whose handshake is not done, at once", async () => {
  for (const said of [new Uint8Array(), Uint8Array.of(0x16, 3, 1, 2, 0, 1)]) {
    const gate = openGate();
    const accepting = gate.accept();
    const { hostname, port } = gate.addr;
    using client = await Deno.connect({ hostname, port });
    const socket = await accepting;
    if (said.length > 0) await client.write(said);
    const shaking = socket.handshake().catch(() => "failed");
    socket.close();
    assertEquals(await readAll(client), 0);
    assertEquals(await shaking, "failed");
    await shut(gate, socket);
  }
});

Deno.test("GatedSocket.close() ends a connection whose peer reads nothing, within a moment", async () => {
  const gate = openGate();
  const { client, socket } = await connect(gate);
  const writing = writeAll(socket, new Uint8Array(64 * MB)).catch(() => "cut off");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedAt = performance.now();
  socket.close();
  await socket.ended;
  assertLess(performance.now() - startedAt, FORCED_CLOSE_MS);
  assertEquals(await writing, "cut off");
  assertLess(await readAll(client), 64 * MB);
  client.close();
  await shut(gate, socket);
});

Deno.test("TlsGate.accept() goes on after peers that speak no TLS or leave at once", async () => {
  const gate = openGate();
  const { hostname, port } = gate.addr;
  const sockets: GatedSocket[] = [];
  for (const said of ["GET / HTTP/1.1\r\n\r\n", "HEARTBEAT", ""]) {
    const accepting = gate.accept();
    const client = await Deno.connect({ hostname, port });
    const socket = await accepting;
    sockets.push(socket);
    const shaking = socket.handshake().then(() => "done", () => "failed");
    await client.write(new TextEncoder().encode(said));
    if (said === "") client.close();
    assertEquals(await shaking, "failed");
    socket.close();
    if (said !== "") client.close();
  }
  const { client, socket } = await connect(gate);
  client.close();
  await shut(gate, ...sockets, socket);
});
