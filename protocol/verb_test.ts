/**
 * Every verb and field over the vectors of verb.json. In `input`, `%` stands for `fill.text` repeated
 * `fill.times` times; `fields` are the checked fields of a good frame, defaults included.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ProtocolError, REJECT_CODES } from "./error.ts";
import { encodeFrame } from "./frame.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import rows from "./testdata/verb.json" with { type: "json" };
import { BYE_REASONS, parseFrame, ROLES, VERBS } from "./verb.ts";

interface Vector {
  clause: string;
  name: string;
  input: string;
  fill?: { text: string; times: number };
  expect: string;
  fields?: object;
}

const vectors: Vector[] = rows;
const encoder = new TextEncoder();

function lineOf({ input, fill }: Vector): string {
  return fill === undefined ? input : input.replace("%", () => fill.text.repeat(fill.times));
}

for (const verb of VERBS) {
  const own = vectors.filter(({ name }) => name.startsWith(`${verb}: `));
  Deno.test(`parseFrame() judges every vector of ${verb}`, async (t) => {
    assertEquals(own.some(({ expect }) => expect === "ok"), true);
    for (const vector of own) {
      await t.step(`${vector.name} [${vector.clause}]`, () => judge(vector));
    }
  });
}

function judge(vector: Vector): void {
  const line = encoder.encode(lineOf(vector));
  if (vector.expect === "ok") {
    const { verb, ...fields } = parseFrame(line);
    assertEquals(verb as string, vector.name.split(":")[0]);
    if (vector.fields !== undefined) assertEquals(fields as unknown, vector.fields);
    return;
  }
  const error = assertThrows(() => parseFrame(line), ProtocolError);
  assertEquals(error.code as string, vector.expect);
  const field = /"(\w+)"/.exec(vector.name)?.[1];
  if (field !== undefined) assertStringIncludes(error.message, `field "${field}`);
}

Deno.test("verb.json has good and bad vectors of every verb with fields, and no others", () => {
  const verbs = new Set(vectors.map(({ name }) => name.split(":")[0]));
  assertEquals([...verbs].sort(), [...VERBS].sort() as string[]);
  const bad = new Set(
    vectors.filter(({ expect }) => expect !== "ok").map(({ name }) => name.split(":")[0]),
  );
  assertEquals(VERBS.filter((verb) => !bad.has(verb)), ["END"]);
});

Deno.test("verb.json has a vector of every role, BYE reason and REJECT code", () => {
  const names = vectors.map(({ name }) => name);
  for (const role of ROLES) assertEquals(names.includes(`HELLO: role ${role}`), true);
  for (const reason of BYE_REASONS) assertEquals(names.includes(`BYE: reason ${reason}`), true);
  for (const code of REJECT_CODES) assertEquals(names.includes(`REJECT: code ${code}`), true);
});

Deno.test("parseFrame() reads what encodeFrame() wrote, for every good vector", () => {
  for (const vector of vectors.filter(({ expect }) => expect === "ok")) {
    const { verb, ...fields } = parseFrame(encoder.encode(lineOf(vector)));
    assertEquals(
      parseFrame(encodeFrame(verb, fields).subarray(0, -1)),
      { verb, ...fields } as unknown,
    );
  }
});

Deno.test("parseFrame() counts a message's bytes and not its characters [HB-52]", () => {
  const parse = (text: string) =>
    parseFrame(
      encodeFrame("MESSAGE", { id: "019aa8d0-0000-7000-8000-00000000000a", at: 0, text })
        .subarray(0, -1),
    );
  for (const letter of ["x", "é", "€", "\u{1f600}"]) {
    const bytes = encoder.encode(letter).length;
    const most = letter.repeat(Math.floor(MAX_MESSAGE_BYTES / bytes));
    assertEquals("text" in parse(most), true);
    assertEquals(assertThrows(() => parse(most + letter), ProtocolError).code, "bad_field");
  }
});
