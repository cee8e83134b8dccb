/**
 * What holds for every input: frames survive encoding and any split, and bytes from the network cause
 * nothing but a {@linkcode ProtocolError} and no memory beyond the ceilings.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { ByteReader, type ByteSource } from "./byte_reader.ts";
import { ClientGreeting, GreetingRefusedError } from "./client_greeting.ts";
import { ProtocolError } from "./error.ts";
import { FakeAuthority } from "./fake_authority.ts";
import { byteStream, pumpBytes } from "./file_stream.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { keyIdOf } from "./identity.ts";
import { decodeJoinKey, encodeJoinKey, type JoinKey } from "./join_key.ts";
import {
  MAX_GREETING_LINE_BYTES,
  MAX_JSON_DEPTH,
  MAX_LINE_BYTES,
  READ_BUFFER_BYTES,
} from "./limits.ts";
import { checkOffer } from "./offer.ts";
import { ServerGreeting } from "./server_greeting.ts";
import greetings from "./testdata/greeting.json" with { type: "json" };
import verbVectors from "./testdata/verb.json" with { type: "json" };
import { parseFrame, VERBS } from "./verb.ts";

const RUNS = { numRuns: 300 };
const FEW_RUNS = { numRuns: 60 };
const encoder = new TextEncoder();

/** Gives the bytes in pieces of the sizes named, in turn, then the end. */
function sourceOf(bytes: Uint8Array, sizes: number[]): ByteSource {
  let at = 0;
  let piece = 0;
  return {
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const size = sizes[piece++ % sizes.length] ?? 1;
      const chunk = bytes.subarray(at, at + Math.min(size, into.length));
      into.set(chunk);
      at += chunk.length;
      return Promise.resolve(chunk.length);
    },
  };
}

/** Runs `act`; anything but the errors that bytes may cause goes on. */
async function tolerated(act: () => unknown): Promise<string> {
  try {
    await act();
    return "ok";
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof GreetingRefusedError) return error.code;
    throw error;
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 8 });
const verb = fc.stringMatching(/^[A-Z]{2,12}$/);
/** Plain JSON values that stay within the allowed depth inside a frame. */
const value = fc.jsonValue({ maxDepth: MAX_JSON_DEPTH - 2 });
const fields = fc.dictionary(fc.string({ unit: "binary" }), value, { maxKeys: 6 });
const goodLines = verbVectors.filter((vector) => vector.expect === "ok" && !("fill" in vector))
  .map(({ input }) => input);

/** Lines that are nearly frames: good ones, cut, spliced, with bytes changed, or known verbs with any JSON. */
const nearlyLine: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.constantFrom(...goodLines), fc.nat(), fc.uint8Array({ maxLength: 6 }))
    .map(([line, at, patch]) => {
      const bytes = encoder.encode(line);
      const start = at % (bytes.length + 1);
      return new Uint8Array([
        ...bytes.subarray(0, start),
        ...patch,
        ...bytes.subarray(start + patch.length),
      ]);
    }),
  fc.tuple(fc.constantFrom<string>(...VERBS), value)
    .map(([name, json]) => encoder.encode(`${name} ${JSON.stringify(json)}`)),
  fc.tuple(fc.constantFrom(...goodLines), fc.string(), value).map(([line, key, json]) => {
    const { verb: name, fields: known } = decodeFrame(encoder.encode(line));
    const keys = [...Object.keys(known), key];
    const changed = keys[key.length % keys.length] ?? key;
    return encoder.encode(`${name} ${JSON.stringify({ ...known, [changed]: json })}`);
  }),
);

Deno.test("any verb and JSON survive encodeFrame() and decodeFrame() [HB-1]", () => {
  fc.assert(
    fc.property(verb, fields, (name, json) => {
      const line = encodeFrame(name, json);
      assertEquals(line.indexOf(0x0a), line.length - 1);
      const expected = JSON.parse(JSON.stringify(json));
      assertEquals(decodeFrame(line.subarray(0, -1)), { verb: name, fields: expected });
    }),
    RUNS,
  );
});

Deno.test("frames and what follows them survive every split [HB-2]", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(verb, fields), { maxLength: 5 }),
      fc.uint8Array({ maxLength: 200 }),
      sizes,
      async (frames, rest, pieces) => {
        const lines = frames.map(([name, json]) => encodeFrame(name, json));
        const reader = new ByteReader(
          sourceOf(new Uint8Array([...lines.flatMap((line) => [...line]), ...rest]), pieces),
        );
        for (const line of lines) {
          assertEquals(await reader.readLine(MAX_LINE_BYTES), line.subarray(0, -1));
        }
        const left = new Uint8Array(rest.length + 1);
        let filled = 0;
        for (
          let count = 0;
          count !== null;
          count = await reader.read(left.subarray(filled)) as number
        ) {
          filled += count;
        }
        assertEquals(left.subarray(0, filled), rest);
      },
    ),
    RUNS,
  );
});

Deno.test("readLine() gives lines or a ProtocolError, and its buffer never grows past the ceiling [HB-3]", async () => {
  const stretches = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 9_000 }), fc.constantFrom("\n", "", "x", "\n\n")),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(
      stretches,
      sizes,
      fc.constantFrom(0, 1, 100, MAX_GREETING_LINE_BYTES, 5_000, MAX_LINE_BYTES),
      async (parts, pieces, ceiling) => {
        const bytes = encoder.encode(
          parts.map(([length, end]) => "a".repeat(length) + end).join(""),
        );
        const reader = new ByteReader(sourceOf(bytes, pieces));
        const most = Math.max(READ_BUFFER_BYTES, ceiling + 1);
        const seen: number[] = [];
        const code = await tolerated(async () => {
          for (
            let line = await reader.readLine(ceiling);
            line;
            line = await reader.readLine(ceiling)
          ) {
            seen.push(line.length);
            assertEquals([line.length <= ceiling, reader.capacity <= most], [true, true]);
          }
        });
        assertEquals(reader.capacity <= most, true);
        const lengths = new TextDecoder().decode(bytes).split("\n").map(({ length }) => length);
        const tooLong = lengths.findIndex((length) => length > ceiling);
        const expected = tooLong >= 0 ? "line_too_long" : lengths.at(-1) ? "truncated" : "ok";
        assertEquals(code, expected);
        assertEquals(seen, lengths.slice(0, tooLong >= 0 ? tooLong : -1));
      },
    ),
    RUNS,
  );
});

Deno.test("nothing but a ProtocolError escapes from parseFrame(), and what it accepts it accepts again", async () => {
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(nearlyLine, async (line) => {
      const code = await tolerated(() => {
        const frame = parseFrame(line);
        if (frame.verb === "unknown") return;
        const { verb: name, ...checked } = frame;
        assertEquals(parseFrame(encodeFrame(name, checked).subarray(0, -1)), frame);
      });
      codes.add(code);
    }),
    { numRuns: 2_000 },
  );
  assertEquals([...codes].sort(), ["bad_field", "bad_frame", "ok"]);
});

const TILL = greetings.keys.till3;
const publicKey = Uint8Array.fromHex(TILL.publicKey);
const privateKey = Uint8Array.fromHex(TILL.privateKey);
const secret = Uint8Array.fromHex(greetings.invite.secret);
/** Lines of greetings, whole or nearly, in any order. */
const greetingLines = fc.array(
  fc.oneof(
    nearlyLine,
    fc.constantFrom(...greetings.vectors.flatMap(({ lines }) => lines))
      .map((line) => encoder.encode(line.slice(2))),
  ),
  { minLength: 1, maxLength: 4 },
);

Deno.test("nothing but a ProtocolError escapes from ServerGreeting, whatever lines come [HB-20]", async () => {
  await fc.assert(
    fc.asyncProperty(greetingLines, fc.boolean(), async (lines, open) => {
      const authority = new FakeAuthority({
        serverId: greetings.server,
        open,
        nonce: () => decodeBase64Url(greetings.nonce),
        clients: [{ keyId: keyIdOf(publicKey), name: "till-3", publicKey, revoked: false }],
        invites: { [greetings.invite.id]: secret },
      });
      const greeting = new ServerGreeting(authority);
      for (const line of lines) {
        await tolerated(async () => {
          const step = await greeting.receive(line);
          if (step.kind !== "admitted") parseFrame(step.send.subarray(0, -1));
        });
      }
    }),
    RUNS,
  );
});

Deno.test("nothing but refusals and ProtocolErrors escape from ClientGreeting, and it answers one challenge [HB-22]", async () => {
  await fc.assert(
    fc.asyncProperty(greetingLines, fc.boolean(), async (lines, joins) => {
      const greeting = new ClientGreeting({ role: "agent", app: "test", epoch: 0 }, {
        publicKey,
        privateKey,
        serverId: greetings.server,
        invite: joins ? { id: greetings.invite.id, secret } : undefined,
      });
      let proofs = 0;
      for (const line of lines) {
        await tolerated(async () => {
          const step = await greeting.receive(line);
          if (step.kind === "prove") proofs++;
          else assertEquals(joins && proofs === 0, false);
        });
      }
      assertEquals(proofs <= 1, true);
    }),
    RUNS,
  );
});

const joinKey: fc.Arbitrary<JoinKey> = fc.record({
  addresses: fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 16 }),
  serverId: fc.stringMatching(/^[0-9a-f]{40}$/),
  certificate: fc.option(fc.uint8Array({ minLength: 1, maxLength: 900 }), { nil: undefined }),
  invite: fc.uuid(),
  secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  expires: fc.maxSafeNat(),
  name: fc.string({ minLength: 1 }),
  tags: fc.array(fc.string(), { minLength: 1, maxLength: 32 }),
}, { requiredKeys: ["addresses", "serverId", "certificate", "invite", "secret", "expires"] });

Deno.test("a join key survives encoding and wrapped lines [HB-37]", () => {
  fc.assert(
    fc.property(joinKey, fc.integer({ min: 1, max: 200 }), (key, width) => {
      const text = encodeJoinKey(key);
      const wrapped = text.replace(new RegExp(`.{${width}}`, "g"), "$&\r\n ");
      assertEquals(decodeJoinKey(wrapped), { ...key });
    }),
    RUNS,
  );
});

Deno.test("nothing but a bad_join_key escapes from decodeJoinKey() [HB-37]", async () => {
  const damaged = fc.tuple(joinKey, fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
    .map(([key, at, lost, patch]) => {
      const text = encodeJoinKey(key);
      const start = at % text.length;
      return text.slice(0, start) + patch + text.slice(start + lost);
    });
  const any = fc.oneof(
    damaged,
    fc.string(),
    fc.string().map((text) => `hb1.${text}`),
    fc.uint8Array().map((bytes) => `hb1.${encodeBase64Url(bytes)}`),
  );
  await fc.assert(
    fc.asyncProperty(any, async (text) => {
      const code = await tolerated(() => decodeJoinKey(text));
      assertEquals(["ok", "bad_join_key"].includes(code), true);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("bytes survive base64url, and each text that decodes is the one that encodes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeBase64Url(bytes);
      assertEquals(decodeBase64Url(text), new Uint8Array(bytes));
      assertEquals(/^[A-Za-z0-9_-]*$/.test(text), true);
    }),
    RUNS,
  );
});

Deno.test("checkOffer() never throws, and what it accepts has names and a whole size [HB-61]", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (path, size) => {
      const offer = checkOffer(path, size);
      if ("code" in offer) assertEquals(["bad_name", "bad_size"].includes(offer.code), true);
      else assertEquals([offer.path.length > 0, Number.isSafeInteger(offer.size)], [true, true]);
    }),
    RUNS,
  );
});

Deno.test("byteStream() takes exactly its length out of any source, however it is split", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 20_000 }),
      fc.nat({ max: 20_000 }),
      sizes,
      async (bytes, length, pieces) => {
        const reader = new ByteReader(sourceOf(bytes, pieces));
        const got: number[] = [];
        const code = await tolerated(() =>
          pumpBytes(byteStream(reader, { length }), (chunk) => {
            for (const byte of chunk) got.push(byte);
            return Promise.resolve();
          })
        );
        assertEquals(code, length > bytes.length ? "truncated" : "ok");
        assertEquals(new Uint8Array(got), new Uint8Array(bytes.subarray(0, length)));
        const next = new Uint8Array(1);
        assertEquals(await reader.read(next), length < bytes.length ? 1 : null);
        if (length < bytes.length) assertEquals(next[0], bytes[length]);
      },
    ),
    FEW_RUNS,
  );
});
