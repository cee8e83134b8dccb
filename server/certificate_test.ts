import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { makeIdentity, pinnedName, readIdentity, type ServerIdentity } from "./certificate.ts";

const NOW = Date.UTC(2026, 10, 22, 10);
const DAY = 24 * 3_600_000;
const YEAR = 365 * DAY;

Deno.test("[HB-35] makeIdentity() makes a v3 certificate, CA:FALSE, P-256, for one name", async () => {
  const identity = await makeIdentity(NOW);
  const certificate = new x509.X509Certificate(identity.certificatePem);
  // Version 3 is the number 2, tagged [0] at the head of the certificate's body.
  assertMatch(identity.certificate.toHex(), /^3082....3082....a003020102/);
  assertEquals(new Uint8Array(certificate.rawData), identity.certificate);
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
  assertEquals([constraints?.ca, constraints?.critical], [false, true]);
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items;
  assertEquals(names?.map(({ type, value }) => [type, value]), [
    ["dns", `${identity.serverId}.hb.internal`],
  ]);
  assertEquals(certificate.publicKey.algorithm, { name: "ECDSA", namedCurve: "P-256" });
  assert(await certificate.verify({ date: new Date(NOW) }), "it is signed by its own key");
});

Deno.test("[HB-35] the server id is the first 40 hex digits of SHA-256 over the public key", async () => {
  const { serverId, certificatePem } = await makeIdentity(NOW);
  const spki = new Uint8Array(new x509.X509Certificate(certificatePem).publicKey.rawData);
  assertEquals(serverId, createHash("sha256").update(spki).digest("hex").slice(0, 40));
  assertEquals(pinnedName(serverId), `${serverId}.hb.internal`);
});

Deno.test("[HB-35] a certificate is valid for ten years, and for clocks that are a day behind", async () => {
  const { certificatePem, notAfter } = await makeIdentity(NOW);
  const certificate = new x509.X509Certificate(certificatePem);
  assertEquals(certificate.notBefore.getTime(), NOW - DAY);
  assertEquals([certificate.notAfter.getTime(), notAfter], [NOW + 3_652 * DAY, NOW + 3_652 * DAY]);
});

Deno.test("[HB-35] a serial number is positive, as long as allowed, and never the same", async () => {
  const serials = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const { serialNumber } = new x509.X509Certificate((await makeIdentity(NOW)).certificatePem);
    assert(serialNumber.length <= 40, serialNumber);
    serials.add(serialNumber);
  }
  assertEquals(serials.size, 20);
});

Deno.test("makeIdentity() makes a key of its own each time, or takes the one that is given", async () => {
  const one = await makeIdentity(NOW);
  const other = await makeIdentity(NOW);
  assert(one.serverId !== other.serverId);
  const again = await makeIdentity(NOW + DAY, one.keyPem);
  assertEquals([again.serverId, again.keyPem], [one.serverId, one.keyPem]);
  assert(again.certificatePem !== one.certificatePem);
});

Deno.test("readIdentity() gives back what was stored, as it was", async () => {
  const identity = await makeIdentity(NOW);
  assertEquals(await readIdentity(identity, NOW), identity);
  assertEquals(await readIdentity(identity, NOW + 9 * YEAR - 2 * DAY), identity);
});

for (
  const [left, renewed] of [[YEAR, false], [YEAR - 1, true], [0, true], [-YEAR, true]] as const
) {
  Deno.test(`[HB-35] a certificate with ${left} ms left is ${renewed ? "renewed" : "kept"}, key and id stay`, async () => {
    const identity = await makeIdentity(NOW);
    const now = identity.notAfter - left;
    const read = await readIdentity(identity, now);
    assertEquals([read.keyPem, read.serverId], [identity.keyPem, identity.serverId]);
    assertEquals(read.certificatePem !== identity.certificatePem, renewed);
    // X.509 knows whole seconds.
    if (renewed) assertEquals(read.notAfter, Math.trunc(now / 1_000) * 1_000 + 3_652 * DAY);
  });
}

Deno.test("readIdentity() refuses a certificate of another key", async () => {
  const { keyPem } = await makeIdentity(NOW);
  const { certificatePem } = await makeIdentity(NOW);
  await assertRejects(() => readIdentity({ keyPem, certificatePem }, NOW), Error, "another key");
});

Deno.test("readIdentity() refuses files that are no key or no certificate", async () => {
  const { keyPem, certificatePem } = await makeIdentity(NOW);
  const half = keyPem.slice(0, keyPem.length / 2);
  for (const text of ["", "no PEM", half]) {
    await assertRejects(() => readIdentity({ keyPem: text, certificatePem }, NOW));
    await assertRejects(() => readIdentity({ keyPem, certificatePem: text }, NOW));
  }
});

/** Connects over the loopback to a server with this identity, trusting `trusted` alone. */
async function connect(identity: ServerIdentity, trusted: ServerIdentity): Promise<string> {
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: identity.certificatePem,
    key: identity.keyPem,
  });
  const serving = listener.accept().then(async (conn) => {
    using _conn = conn;
    await conn.write(new TextEncoder().encode("hello"));
  }).catch(() => {
    // A client that does not trust the certificate breaks the connection off.
  });
  try {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using tls = await Deno.startTls(tcp, {
      hostname: pinnedName(trusted.serverId),
      caCerts: [trusted.certificatePem],
    });
    const into = new Uint8Array(5);
    await tls.read(into);
    return new TextDecoder().decode(into);
  } finally {
    await serving;
  }
}

Deno.test("[HB-35] a client that trusts this certificate alone gets through, whatever it dialled", async () => {
  const identity = await makeIdentity(Date.now());
  assertEquals(await connect(identity, identity), "hello");
});

for (const [age, what] of [[9.5, "is about to end"], [11, "has ended"]] as const) {
  Deno.test(`[HB-35] a client whose pinned certificate ${what} gets through to the renewed one`, async () => {
    const pinned = await makeIdentity(Date.now() - age * YEAR);
    const renewed = await readIdentity(pinned, Date.now());
    assert(renewed.certificatePem !== pinned.certificatePem);
    assertEquals(await connect(renewed, pinned), "hello");
    assertEquals(await connect(renewed, renewed), "hello");
  });
}

Deno.test("[HB-35] a client rejects the certificate of another server", async () => {
  const identity = await makeIdentity(Date.now());
  const foreign = await makeIdentity(Date.now());
  await assertRejects(() => connect(foreign, identity), Deno.errors.InvalidData);
});

Deno.test("[HB-35] a client rejects another certificate for the same name", async () => {
  const identity = await makeIdentity(Date.now());
  const foreign = await makeIdentity(Date.now());
  const forged = { ...foreign, serverId: identity.serverId };
  await assertRejects(() => connect(identity, forged), Deno.errors.InvalidData);
});
