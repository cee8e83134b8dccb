import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  equalInConstantTime,
  generateKeyPair,
  joinMac,
  keyIdOf,
  proofBytes,
  sign,
  verify,
} from "./identity.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "./limits.ts";

const CHALLENGE = {
  serverId: "10965244468947a4021d869c0c5126ecc6f84669",
  nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
  hello: new TextEncoder().encode("HELLO {}"),
};
/** RFC 8032, section 7.1, test 2. */
const RFC8032 = {
  privateKey: Uint8Array.fromHex(
    "302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
  ),
  publicKey: Uint8Array.fromHex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
  bytes: Uint8Array.fromHex("72"),
  signature: Uint8Array.fromHex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ),
};

Deno.test("sign() and verify() agree with the test vector of RFC 8032", async () => {
  assertEquals(await sign(RFC8032.privateKey, RFC8032.bytes), RFC8032.signature);
  assertEquals(await verify(RFC8032.publicKey, RFC8032), true);
});

Deno.test("verify() is false for any changed bit and for input that is no key or no signature", async () => {
  const flipped = (bytes: Uint8Array<ArrayBuffer>, at: number) => {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const { publicKey, bytes, signature } = RFC8032;
  for (let at = 0; at < signature.length; at++) {
    assertEquals(
      await verify(publicKey, { bytes, signature: flipped(signature, at) }),
      false,
    );
  }
  assertEquals(await verify(flipped(publicKey, 0), { bytes, signature }), false);
  assertEquals(await verify(publicKey, { bytes: flipped(bytes, 0), signature }), false);
  assertEquals(await verify(publicKey.slice(1), { bytes, signature }), false);
  assertEquals(await verify(new Uint8Array(), { bytes, signature }), false);
  assertEquals(await verify(publicKey, { bytes, signature: signature.slice(1) }), false);
  assertEquals(await verify(publicKey, { bytes, signature: new Uint8Array() }), false);
});

Deno.test("generateKeyPair() makes a new pair each time, which signs and verifies", async () => {
  const [one, other] = [await generateKeyPair(), await generateKeyPair()];
  assertEquals(one.publicKey.length, PUBLIC_KEY_BYTES);
  assertNotEquals(one.publicKey, other.publicKey);
  const bytes = proofBytes(CHALLENGE);
  const signature = new Uint8Array(await sign(one.privateKey, bytes));
  assertEquals(signature.length, SIGNATURE_BYTES);
  assert(await verify(one.publicKey, { bytes, signature }));
  assert(!await verify(other.publicKey, { bytes, signature }));
});

Deno.test("keyIdOf() is the first 40 hex digits of the key's SHA-256", () => {
  assertEquals(
    keyIdOf(new TextEncoder().encode("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a3",
  );
});

Deno.test("proofBytes() is four lines joined by LF, the last the SHA-256 of HELLO [HB-23]", () => {
  assertEquals(new TextDecoder().decode(proofBytes(CHALLENGE)).split("\n"), [
    "hb/1",
    CHALLENGE.serverId,
    CHALLENGE.nonce,
    "6ba747a5c27f731a713af477e40ccecd0e4f8c9258b7ee6b6459725dd0e2a86b",
  ]);
});

Deno.test("joinMac() changes with the secret, the key and every part of the challenge [HB-24]", () => {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES);
  const secret = new Uint8Array(32);
  const macs = [
    joinMac(secret, { challenge: CHALLENGE, publicKey }),
    joinMac(secret.map(() => 1), { challenge: CHALLENGE, publicKey }),
    joinMac(secret, { challenge: CHALLENGE, publicKey: publicKey.map(() => 1) }),
    joinMac(secret, { challenge: { ...CHALLENGE, nonce: "x" }, publicKey }),
    joinMac(secret, { challenge: { ...CHALLENGE, serverId: "x" }, publicKey }),
    joinMac(secret, { challenge: { ...CHALLENGE, hello: new Uint8Array() }, publicKey }),
  ].map((mac) => new Uint8Array(mac).toHex());
  assertEquals(new Set(macs).size, macs.length);
  assertEquals(macs.every((mac) => mac.length === 64), true);
});

Deno.test("equalInConstantTime() compares length and content", () => {
  const bytes = (...values: number[]) => new Uint8Array(values);
  assertEquals(equalInConstantTime(bytes(), bytes()), true);
  assertEquals(equalInConstantTime(bytes(1, 2), bytes(1, 2)), true);
  assertEquals(equalInConstantTime(bytes(1, 2), bytes(1, 3)), false);
  assertEquals(equalInConstantTime(bytes(1, 2), bytes(1)), false);
});
