import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Address } from "../platform/address.ts";
import { systemClock } from "../platform/clock.ts";
import { encodeFrame, generateKeyPair, type KeyPair, ServerGreeting } from "../protocol/mod.ts";
import { ByteReader, MAX_GREETING_LINE_BYTES } from "../protocol/mod.ts";
import { CannotConnectError, RefusedError, WRONG_SERVER } from "./client_error.ts";
import { createDial, type DialRequest } from "./dial.ts";

const SERVER_ID = "a".repeat(40);
const dial = createDial(systemClock);
const encoder = new TextEncoder();

interface TestCertificate {
  cert: string;
  key: string;
  der: Uint8Array;
}

async function makeCertificate(from: string, to: string): Promise<TestCertificate> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const name = `${SERVER_ID}.hb.internal`;
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: keys as CryptoKeyPair,
    notBefore: new Date(from),
    notAfter: new Date(to),
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", (keys as CryptoKeyPair).privateKey);
  return {
    cert: cert.toString("pem"),
    key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    der: new Uint8Array(cert.rawData),
  };
}

/** A listener that hands every connection to `serve` and closes everything when disposed. */
class TestServer implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #done: Promise<void>;

  constructor(listener: Deno.Listener, serve: (conn: Deno.Conn) => Promise<void>) {
    this.#listener = listener;
    this.#done = this.#accept(serve);
  }

  get address(): Address {
    const { hostname, port } = this.#listener.addr as Deno.NetAddr;
    return { hostname, port };
  }

  async #accept(serve: (conn: Deno.Conn) => Promise<void>): Promise<void> {
    while (true) {
      const conn = await this.#listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      await serve(conn).catch(() => {});
      try {
        conn.close();
      } catch {
        // The test's serve() may have closed it.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}

const plain = (serve: (conn: Deno.Conn) => Promise<void>) =>
  new TestServer(Deno.listen({ hostname: "127.0.0.1", port: 0 }), serve);
const tls = ({ cert, key }: TestCertificate, serve: (conn: Deno.Conn) => Promise<void>) =>
  new TestServer(Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key }), serve);

/** Greets as a server that knows `keys` under the name till-3, then waits for the client to close. */
function greeter(keys: KeyPair, serverId = SERVER_ID) {
  return async (conn: Deno.Conn) => {
    const greeting = new ServerGreeting({
      serverId,
      open: false,
      nonce: () => new Uint8Array(32),
      findClient: (keyId) =>
        Promise.resolve({ keyId, name: "till-3", publicKey: keys.publicKey, revoked: false }),
      findInviteSecret: () => Promise.resolve(undefined),
      enrol: () => Promise.resolve("used" as const),
    });
    const reader = new ByteReader(conn);
    while (true) {
      const line = await reader.readLine(MAX_GREETING_LINE_BYTES);
      if (line === null) return;
      const step = await greeting.receive(line);
      if (step.kind === "admitted") break;
      await conn.write(step.send);
      if (step.kind === "refused") return;
    }
    await conn.write(encodeFrame("ACK", {
      hb: 1,
      session: "s",
      name: "till-3",
      interval: 20_000,
      late: 25_000,
      down: 50_000,
      time: 1,
      limits: { line: 65_536, message: 16_384, file: null, data: 2 },
    }));
    while (await conn.read(new Uint8Array(1024)) !== null);
  };
}

async function request(
  addresses: Address[],
  changes: Partial<DialRequest> & { certificate?: Uint8Array; keys?: KeyPair } = {},
): Promise<DialRequest> {
  const { certificate, ...rest } = changes;
  return {
    role: "tool",
    destination: { addresses, serverId: SERVER_ID, certificate },
    name: "till-3",
    keys: changes.keys ?? await generateKeyPair(),
    app: "test",
    epoch: 1,
    ...rest,
  };
}

Deno.test("dial() reaches a server through TLS with the pinned certificate", async () => {
  const certificate = await makeCertificate("2020-01-01", "2100-01-01");
  const keys = await generateKeyPair();
  await using server = tls(certificate, greeter(keys));
  let bytes = 0;
  const dialled = await dial(
    await request([server.address], {
      certificate: certificate.der,
      keys,
      onRead: (count) => bytes += count,
    }),
  );
  assertEquals(dialled.ack.name, "till-3");
  assertEquals(dialled.address, server.address);
  assert(dialled.rttMs >= 0 && dialled.rttMs < 10_000);
  assert(bytes > 0);
  dialled.connection.close();
});

Deno.test("dial() tries the next address when one does not answer", async () => {
  const keys = await generateKeyPair();
  await using dead = plain(() => Promise.resolve());
  await using server = plain(greeter(keys));
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr as Deno.NetAddr;
  gone.close();
  const addresses = [{ hostname: "127.0.0.1", port }, dead.address, server.address];
  const { connection, address } = await dial(await request(addresses, { keys }));
  assertEquals(address, server.address);
  connection.close();
});

Deno.test("dial() names every address and what happened there", async () => {
  await using closing = plain((conn) => Promise.resolve(conn.close()));
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr as Deno.NetAddr;
  gone.close();
  const addresses = [
    { hostname: "127.0.0.1", port },
    closing.address,
    { hostname: "no-such-host.invalid", port: 5001 },
  ];
  const error = await assertRejects(
    async () => await dial(await request(addresses)),
    CannotConnectError,
  );
  assertEquals(error.exitCode, 3);
  assertStringIncludes(error.message, `127.0.0.1:${port} refused`);
  assertStringIncludes(error.message, `:${closing.address.port} closed by the server`);
  assertStringIncludes(error.message, "no-such-host.invalid:5001 name does not resolve");
  assert(error.hint !== undefined);
});

Deno.test("[HB-35] dial() refuses a server with another certificate for the same name", async () => {
  const pinned = await makeCertificate("2020-01-01", "2100-01-01");
  const keys = await generateKeyPair();
  await using server = tls(await makeCertificate("2020-01-01", "2100-01-01"), greeter(keys));
  const error = await assertRejects(
    async () => await dial(await request([server.address], { certificate: pinned.der, keys })),
    RefusedError,
  );
  assertEquals([error.exitCode, error.code], [4, WRONG_SERVER]);
  assertStringIncludes(
    error.message,
    "is not the one in the join key (its certificate is another)",
  );
});

Deno.test("dial() goes on to the next address when another server answers at one", async () => {
  const pinned = await makeCertificate("2020-01-01", "2100-01-01");
  const keys = await generateKeyPair();
  await using foreign = tls(await makeCertificate("2020-01-01", "2100-01-01"), greeter(keys));
  await using server = tls(pinned, greeter(keys));
  const addresses = [foreign.address, server.address];
  const { connection, address } = await dial(
    await request(addresses, { certificate: pinned.der, keys }),
  );
  assertEquals(address, server.address);
  connection.close();
});

for (const [from, to] of [["2020-01-01", "2021-01-01"], ["2090-01-01", "2100-01-01"]] as const) {
  Deno.test(`dial() blames the clock for a certificate valid from ${from} to ${to}`, async () => {
    const certificate = await makeCertificate(from, to);
    await using server = tls(certificate, () => Promise.resolve());
    const error = await assertRejects(
      async () => await dial(await request([server.address], { certificate: certificate.der })),
      CannotConnectError,
    );
    assertStringIncludes(error.message, "not valid at this machine's time");
    assertEquals(error.hint, "Check this machine's clock");
  });
}

Deno.test("dial() in TLS tells a server that speaks plaintext", async () => {
  const certificate = await makeCertificate("2020-01-01", "2100-01-01");
  for (const answer of ["", "REFUSE {}\n"]) {
    await using server = plain(async (conn) => {
      if (answer === "") return conn.close();
      await conn.write(encoder.encode(answer));
      await conn.read(new Uint8Array(4096));
    });
    const error = await assertRejects(
      async () => await dial(await request([server.address], { certificate: certificate.der })),
      CannotConnectError,
    );
    assertStringIncludes(error.hint ?? "", "--plaintext");
  }
});

Deno.test("dial() in plaintext tells a server that speaks TLS", async () => {
  const certificate = await makeCertificate("2020-01-01", "2100-01-01");
  await using server = tls(certificate, async (conn) => {
    await (conn as Deno.TlsConn).handshake();
  });
  const error = await assertRejects(
    async () => await dial(await request([server.address])),
    CannotConnectError,
  );
  assertStringIncludes(error.message, "speaks TLS");
  assertStringIncludes(error.hint ?? "", "leave out --plaintext");
});

Deno.test("dial() passes on a refusal in the server's words", async () => {
  await using server = plain(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await conn.write(encodeFrame("REFUSE", { code: "revoked", reason: "shut\u001b[31m out" }));
  });
  const error = await assertRejects(
    async () => await dial(await request([server.address])),
    RefusedError,
  );
  assertEquals([error.exitCode, error.code], [4, "revoked"]);
  assertStringIncludes(error.message, "shut\\x1b[31m out");
});

Deno.test("[HB-30] dial() in plaintext refuses a server with another id", async () => {
  const keys = await generateKeyPair();
  await using server = plain(greeter(keys, "b".repeat(40)));
  const error = await assertRejects(
    async () => await dial(await request([server.address], { keys })),
    RefusedError,
  );
  assertEquals(error.code, WRONG_SERVER);
});

Deno.test("dial() says when the other side is no hb server", async () => {
  await using server = plain(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await conn.write(encoder.encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const error = await assertRejects(
    async () => await dial(await request([server.address])),
    CannotConnectError,
  );
  assertStringIncludes(error.message, "is no hb server");
});

Deno.test("dial() gives up at once when it is aborted", async () => {
  const reached = Promise.withResolvers<void>();
  await using server = plain(async (conn) => {
    reached.resolve();
    while (await conn.read(new Uint8Array(4096)) !== null);
  });
  const controller = new AbortController();
  const dialling = dial(await request([server.address], { signal: controller.signal }));
  await reached.promise;
  controller.abort(new Error("stopping"));
  await assertRejects(() => dialling, Error, "stopping");
});

Deno.test("dial() gives a silent server up after the greeting's deadline", async () => {
  const hurried = createDial({
    ...systemClock,
    after: (ms, run) => systemClock.after(ms / 100, run),
  });
  for (const certificate of [undefined, await makeCertificate("2020-01-01", "2100-01-01")]) {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    await using server = plain(() => done);
    const changes = certificate === undefined ? {} : { certificate: certificate.der };
    const error = await assertRejects(
      async () => await hurried(await request([server.address], changes)),
      CannotConnectError,
    );
    assertStringIncludes(error.message, "timed out (10 s)");
    resolve();
  }
});
