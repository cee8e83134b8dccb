/**
 * Frames as they come over a connection: every vector of frame.json whole, split everywhere, and one byte
 * at a time.
 *
 * A vector's line is `text` or `hex`, with spaces behind it up to `padTo` bytes. LF follows, unless the
 * stream is `cut` there; `rest` (hex) stands behind it in the same segment. `greeted` raises the ceiling.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ByteReader, type ByteSource } from "./byte_reader.ts";
import { ProtocolError } from "./error.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { MAX_GREETING_LINE_BYTES, MAX_LINE_BYTES } from "./limits.ts";
import rows from "./testdata/frame.json" with { type: "json" };
import { parseFrame } from "./verb.ts";

interface Vector {
  clause: string;
  name: string;
  text?: string;
  hex?: string;
  padTo?: number;
  cut?: boolean;
  greeted?: boolean;
  rest?: string;
  expect: string;
  frame?: object;
}

const LONG_LINE_BYTES = 200;
const encoder = new TextEncoder();

function bytesOf(vector: Vector): Uint8Array {
  const line = vector.hex === undefined
    ? encoder.encode(vector.text)
    : Uint8Array.fromHex(vector.hex);
  const padding = new Array(Math.max(0, (vector.padTo ?? 0) - line.length)).fill(0x20);
  return new Uint8Array([...line, ...padding, ...(vector.cut ? [] : [0x0a])]);
}

/** Gives the bytes in pieces of at most the sizes named, the last size again and again, then the end. */
function sourceOf(bytes: Uint8Array, sizes: number[]): ByteSource {
  let at = 0;
  let piece = 0;
  return {
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const size = sizes[Math.min(piece++, sizes.length - 1)] ?? bytes.length;
      const chunk = bytes.subarray(at, at + Math.min(size, into.length));
      into.set(chunk);
      at += chunk.length;
      return Promise.resolve(chunk.length);
    },
  };
}

async function judge(vector: Vector, source: ByteSource): Promise<void> {
  const reader = new ByteReader(source);
  const read = async () => {
    const line = await reader.readLine(vector.greeted ? MAX_LINE_BYTES : MAX_GREETING_LINE_BYTES);
    return line && parseFrame(line);
  };
  if (vector.expect === "ok") {
    assertEquals(await read() as unknown, vector.frame);
    const rest = Uint8Array.fromHex(vector.rest ?? "");
    const behind = new Uint8Array(rest.length);
    for (let at = 0; at < rest.length;) at += await reader.read(behind.subarray(at)) ?? rest.length;
    assertEquals(behind, rest);
    assertEquals(await reader.read(new Uint8Array(1)), null);
  } else {
    assertEquals((await assertRejects(read, ProtocolError)).code as string, vector.expect);
  }
}

for (const vector of rows as Vector[]) {
  Deno.test(`parseFrame() judges ${vector.name} [${vector.clause}]`, async () => {
    const bytes = new Uint8Array([...bytesOf(vector), ...Uint8Array.fromHex(vector.rest ?? "")]);
    await judge(vector, sourceOf(bytes, [Infinity]));
    await judge(vector, sourceOf(bytes, [1]));
    const step = bytes.length > LONG_LINE_BYTES ? Math.ceil(bytes.length / 7) : 1;
    for (let at = step; at < bytes.length; at += step) {
      await judge(vector, sourceOf(bytes, [at, Infinity]));
    }
  });
}

Deno.test("the vectors of frame.json cover every clause on frames [HB-1, HB-2, HB-3, HB-4, HB-5, HB-6, HB-8]", () => {
  for (const clause of ["HB-1", "HB-2", "HB-3", "HB-4", "HB-5", "HB-6", "HB-8"]) {
    const expects = rows.filter((row) => row.clause === clause).map((row) => row.expect);
    assertEquals([expects.includes("ok"), expects.some((expect) => expect !== "ok")], [true, true]);
  }
});

Deno.test("encodeFrame() writes verb, space, JSON and LF, or the verb alone [HB-1]", () => {
  const text = (verb: string, fields?: object) =>
    new TextDecoder().decode(encodeFrame(verb, fields));
  assertEquals(text("PING", { n: 1 }), 'PING {"n":1}\n');
  assertEquals(text("END"), "END\n");
  assertEquals(text("END", {}), "END {}\n");
  assertEquals(text("HB", { x: "a\nb\u2028\ud800" }), 'HB {"x":"a\\nb\u2028\\ud800"}\n');
});

Deno.test("encodeFrame() throws a TypeError for what is no verb [HB-1]", () => {
  for (const verb of ["", "A", "ping", "PING ", "PING\n", "ABCDEFGHIJKLM", "PING2"]) {
    assertThrows(() => encodeFrame(verb), TypeError);
  }
});

Deno.test("decodeFrame() gives fields without the object's own prototype being touched", () => {
  const { fields } = decodeFrame(encoder.encode('HB {"__proto__":{"polluted":1},"a":1}'));
  assertEquals(Object.keys(fields), ["__proto__", "a"]);
  assertEquals("polluted" in {}, false);
});

Deno.test("decodeFrame() keeps what it quotes of a bad verb short and printable", () => {
  const line = encoder.encode("\x1b[31m\u202e" + "x".repeat(1_000));
  const { message } = assertThrows(() => decodeFrame(line), ProtocolError);
  assertEquals(/^[\x20-\x7e]{1,60}$/.test(message), true);
});
