/**
 * Key pairs, their ids, and what exactly is signed in the greeting.
 *
 * Ed25519 by WebCrypto; SHA-256 and HMAC by node:crypto, which is the faster of the two for short inputs.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { encodeBase64Url } from "./base64url.ts";
import { KEY_ID_HEX_DIGITS } from "./limits.ts";

/** A key pair that can be written down and read back. */
export interface KeyPair {
  /** The raw Ed25519 public key, 32 bytes. */
  publicKey: Uint8Array<ArrayBuffer>;
  /** The private key in PKCS #8; never leaves the machine. */
  privateKey: Uint8Array<ArrayBuffer>;
}

/** What both sides of a greeting have in common when one proves itself to the other. */
export interface Challenge {
  /** Id of the server that asks. */
  serverId: string;
  /** Its nonce, as it stood in CHALLENGE (base64url). */
  nonce: string;
  /** The HELLO line as it was sent, without its LF. */
  hello: Uint8Array;
}

const encoder = new TextEncoder();

/** Makes a new Ed25519 key pair. */
export async function generateKeyPair(): Promise<KeyPair> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)),
    privateKey: new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
  };
}

/** The id of a public key: the first 40 hex digits of its SHA-256. */
export function keyIdOf(publicKey: Uint8Array): string {
  return createHash("sha256").update(publicKey).digest("hex").slice(0, KEY_ID_HEX_DIGITS);
}

/** The bytes that PROVE and JOIN sign: four lines, so that no two challenges can be confused. */
export function proofBytes(challenge: Challenge): Uint8Array<ArrayBuffer> {
  return encoder.encode(challengeLines("hb/1", challenge).join("\n"));
}

/** HMAC-SHA-256 with the secret of an invite, over the challenge and the key that wants to be known. */
export function joinMac(
  secret: Uint8Array,
  request: { challenge: Challenge; publicKey: Uint8Array },
): Uint8Array {
  const lines = challengeLines("hb/1 join", request.challenge);
  lines.push(encodeBase64Url(request.publicKey));
  return createHmac("sha256", secret).update(lines.join("\n")).digest();
}

function challengeLines(domain: string, challenge: Challenge): string[] {
  const hello = createHash("sha256").update(challenge.hello).digest("hex");
  return [domain, challenge.serverId, challenge.nonce, hello];
}

/** Signs bytes with a PKCS #8 private key; 64 bytes. */
export async function sign(
  privateKey: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("pkcs8", privateKey, "Ed25519", false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes));
}

/** Whether a signature over `bytes` was made with the private half of `publicKey`; false for any bad input. */
export async function verify(
  publicKey: Uint8Array<ArrayBuffer>,
  signed: { bytes: Uint8Array<ArrayBuffer>; signature: Uint8Array<ArrayBuffer> },
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signed.signature, signed.bytes);
  } catch {
    return false; // A key that cannot be imported has signed nothing.
  }
}

/** Whether two byte strings are equal, in time that depends on their lengths alone. */
export function equalInConstantTime(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
