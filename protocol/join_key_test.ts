/**
 * The join key over the vectors of join_key.json. `certificate` and `secret` are hex; `canonical: false`
 * marks good keys that are not letter for letter what {@linkcode encodeJoinKey} writes.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "./error.ts";
import { decodeJoinKey, encodeJoinKey, type JoinKey } from "./join_key.ts";
import rows from "./testdata/join_key.json" with { type: "json" };

interface Vector {
  clause: string;
  name: string;
  input: string;
  expect: string;
  canonical?: boolean;
  key?: Omit<JoinKey, "certificate" | "secret"> & { certificate: string | null; secret: string };
}

const vectors = rows as Vector[];
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function keyOf(vector: Vector): JoinKey {
  if (vector.key === undefined) throw new Error(`Cannot check "${vector.name}": it has no key`);
  const { certificate, secret, ...key } = vector.key;
  return {
    ...key,
    certificate: certificate === null ? undefined : Uint8Array.fromHex(certificate),
    secret: Uint8Array.fromHex(secret),
  };
}

function refuses(text: string): void {
  assertEquals(assertThrows(() => decodeJoinKey(text), ProtocolError).code, "bad_join_key");
}

for (const vector of vectors) {
  Deno.test(`decodeJoinKey() judges ${vector.name} [${vector.clause}]`, () => {
    if (vector.expect !== "ok") return refuses(vector.input);
    assertEquals(decodeJoinKey(vector.input), keyOf(vector));
    const canonical = vector.canonical !== false;
    assertEquals(encodeJoinKey(keyOf(vector)) === vector.input, canonical);
  });
}

const whole = vectors[0]?.input ?? "";

Deno.test("decodeJoinKey() refuses a key that was cut anywhere, at either end [HB-37]", () => {
  for (let at = 0; at < whole.length; at++) {
    refuses(whole.slice(0, at));
    if (at > 0) refuses(whole.slice(at));
  }
});

Deno.test("decodeJoinKey() refuses a key with one wrong, lost or doubled character anywhere [HB-37]", () => {
  for (let at = 0; at < whole.length; at++) {
    const letter = LETTERS[(LETTERS.indexOf(whole[at] ?? "") + 1 + at % 62) % LETTERS.length];
    const [head, tail] = [whole.slice(0, at), whole.slice(at + 1)];
    refuses(head + letter + tail);
    refuses(head + tail);
    refuses(head + whole[at] + whole[at] + tail);
  }
});

Deno.test("decodeJoinKey() refuses a key above 8 KiB before it unpacks it [HB-37]", () => {
  const key = { ...decodeJoinKey(whole), name: "" };
  const room = 8 * 1024 - encodeJoinKey(key).length;
  const most = Math.floor(room / 4) * 3;
  const fits = encodeJoinKey({ ...key, name: "x".repeat(most - 3) });
  assertEquals(decodeJoinKey(fits).name?.length, most - 3);
  const { message } = assertThrows(
    () => decodeJoinKey(encodeJoinKey({ ...key, name: "x".repeat(most + 3) })),
    ProtocolError,
  );
  assertEquals(message, "Cannot read the join key: it is too long");
});

Deno.test("decodeJoinKey() tells a person what to do about a damaged key", () => {
  const { message } = assertThrows(() => decodeJoinKey(whole.slice(0, -3)), ProtocolError);
  assertEquals(message.includes("copy the whole line again"), true);
});

Deno.test("encodeJoinKey() leaves out an empty list of tags", () => {
  const { tags: _, ...key } = decodeJoinKey(whole);
  assertEquals(encodeJoinKey({ ...key, tags: [] }), whole);
});
