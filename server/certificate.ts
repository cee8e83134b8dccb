/**
 * The server's key and its self-signed certificate, which every join key pins.
 *
 * @module
 */

import "reflect-metadata";
import { createHash } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { systemRandomBytes } from "../platform/random.ts";
import { encodeBase64Url, KEY_ID_HEX_DIGITS } from "../protocol/mod.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 24 * 3_600_000;
/** Validity of a new certificate, in milliseconds: ten years, since clients pin it. */
const VALID_MS = 3_652 * DAY_MS;
/** A certificate begins this much earlier, for clients whose clock is behind, in milliseconds. */
const BACKDATED_MS = DAY_MS;
/** A certificate is renewed when less than this is left of it, in milliseconds. */
const RENEW_MS = 365 * DAY_MS;
const SERIAL_BYTES = 16;

/** What identifies a server. */
export interface ServerIdentity {
  /** First 40 hex digits of SHA-256 over the public key (SPKI). */
  serverId: string;
  /** Private key, PKCS #8 in PEM. */
  keyPem: string;
  /** Certificate in PEM. */
  certificatePem: string;
  /** Certificate in DER. */
  certificate: Uint8Array;
  /** End of its validity, in milliseconds since 1970. */
  notAfter: number;
}

/** What is kept of an identity between two starts. */
export interface StoredIdentity {
  keyPem: string;
  certificatePem: string;
}

/** The one name that a server's certificate is for; nobody can buy it. */
export function pinnedName(serverId: string): string {
  return `${serverId}.hb.internal`;
}

/** Makes a certificate, for a new key unless the PEM of one is given. */
export async function makeIdentity(now: number, keyPem?: string): Promise<ServerIdentity> {
  if (keyPem !== undefined) return await certify(await readKeys(keyPem), { keyPem, now });
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return await certify(keys, { keyPem: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"), now });
}

async function readKeys(keyPem: string): Promise<CryptoKeyPair> {
  const pkcs8 = x509.PemConverter.decodeFirst(keyPem);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const jwk = { kty, crv, x, y } as JsonWebKey;
  const publicKey = await crypto.subtle.importKey("jwk", jwk, ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}

/**
 * Reads an identity back; renews its certificate, with the same key and name, when it is about to end.
 * Rejects when key or certificate cannot be read or do not belong together.
 */
export async function readIdentity(stored: StoredIdentity, now: number): Promise<ServerIdentity> {
  const keys = await readKeys(stored.keyPem);
  const certificate = new x509.X509Certificate(stored.certificatePem);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  if (encodeBase64Url(spki) !== encodeBase64Url(new Uint8Array(certificate.publicKey.rawData))) {
    throw new Error("Cannot use the server's certificate: it belongs to another key");
  }
  if (certificate.notAfter.getTime() - now < RENEW_MS) {
    return await certify(keys, { keyPem: stored.keyPem, now });
  }
  return describe(spki, { keyPem: stored.keyPem, certificate });
}

async function certify(
  keys: CryptoKeyPair,
  { keyPem, now }: { keyPem: string; now: number },
): Promise<ServerIdentity> {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const name = pinnedName(serverIdOf(spki));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: systemRandomBytes(SERIAL_BYTES).toHex(),
    name: "CN=hb",
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + VALID_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
    ],
  });
  return describe(spki, { keyPem, certificate });
}

function describe(
  spki: Uint8Array,
  { keyPem, certificate }: { keyPem: string; certificate: x509.X509Certificate },
): ServerIdentity {
  return {
    serverId: serverIdOf(spki),
    keyPem,
    certificatePem: certificate.toString("pem"),
    certificate: new Uint8Array(certificate.rawData),
    notAfter: certificate.notAfter.getTime(),
  };
}

function serverIdOf(spki: Uint8Array): string {
  return createHash("sha256").update(spki).digest("hex").slice(0, KEY_ID_HEX_DIGITS);
}
