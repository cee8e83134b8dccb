/**
 * The name gate over its vectors, and the property that an accepted name cannot leave its folder.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import posix from "node:path/posix";
import win32 from "node:path/win32";
import { ProtocolError } from "./error.ts";
import {
  checkClientName,
  checkFileName,
  checkFilePath,
  checkId,
  checkTag,
  isClientName,
  isFileName,
} from "./file_name.ts";
import { MAX_NAME_BYTES } from "./limits.ts";
import rows from "./testdata/file_name.json" with { type: "json" };

function judge(check: string, input: string | string[]): void {
  if (check === "path") return checkFilePath(input as string[]);
  const name = input as string;
  switch (check) {
    case "name":
      return checkFileName(name);
    case "client":
      return checkClientName(name);
    case "tag":
      return checkTag(name);
    case "id":
      return checkId(name);
  }
  throw new Error(`Cannot judge vector: unknown check "${check}"`);
}

/** One vector; `utf16` gives, as hex, what JSON tools cannot carry: text that is no Unicode. */
interface Vector {
  clause: string;
  check: string;
  input?: string | string[];
  utf16?: string;
  expect: string;
  why: string;
}

const vectors = (rows as Vector[]).map(({ input, utf16: units = "", ...row }) => ({
  ...row,
  input: input ?? String.fromCharCode(...units.split(" ").map((unit) => parseInt(unit, 16))),
}));

function verdict(check: string, input: string | string[]): string {
  try {
    judge(check, input);
    return "ok";
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

for (const check of ["name", "path", "client", "tag", "id"]) {
  Deno.test(`file_name gives the verdict of every "${check}" vector`, () => {
    const asked = vectors.filter((row) => row.check === check);
    const wrong = asked.filter((row) => verdict(check, row.input) !== row.expect);
    assertEquals(wrong, []);
    assertEquals(new Set(asked.map((row) => row.expect)), new Set(["ok", "bad_name"]));
  });
}

Deno.test("isFileName() and isClientName() agree with the checks", () => {
  for (const { check, input, expect } of vectors) {
    if (check === "name") assertEquals(isFileName(input as string), expect === "ok");
    if (check === "client") assertEquals(isClientName(input as string), expect === "ok");
  }
});

Deno.test("checkFileName() says which name it refuses and why", () => {
  assertThrows(
    () => checkFileName('a\u202e"\u001b/é'),
    ProtocolError,
    'Cannot accept file name "a\\u202e\\"\\u001b/\\u00e9": it contains a control character',
  );
});

Deno.test("checkFileName() quotes a refused name as at most 80 ASCII characters", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
    try {
      checkFileName(name);
    } catch (error) {
      const { message } = error as ProtocolError;
      const quoted = /^Cannot accept file name "([ -~]*)"(?:\.\.\.)?: [ -~]+$/.exec(message);
      assertEquals((quoted?.[1] ?? "x".repeat(81)).length <= 80, true, message);
    }
  }));
  const error = assertThrows(() => checkFileName("\u202e".repeat(50)), ProtocolError);
  assertEquals(error.message.includes(`"${"\\u202e".repeat(13)}"...: `), true);
});

Deno.test("checkFileName() refuses 10 MB of combining marks", () => {
  assertEquals(isFileName("a" + "\u0301".repeat(5_000_000)), false);
});

/** Names near the rules: separators, dots, devices and look-alikes are far more likely than by chance. */
const spicyName = fc.array(
  fc.oneof(
    fc.constantFrom(
      "..",
      ".",
      "/",
      "\\",
      ":",
      "C:",
      "CON",
      "nul",
      "COM1",
      "¹",
      " ",
      "．",
      "／",
      "‥",
    ),
    fc.constantFrom(
      "a",
      "B",
      "é",
      "e\u0301",
      "😀",
      "\u200d",
      "\ufe0f",
      "-",
      "$",
      "\u0000",
      "\u202e",
    ),
    fc.string({ unit: "grapheme", maxLength: 3 }),
    fc.string({ unit: "binary", maxLength: 2 }),
  ),
  { minLength: 1, maxLength: 6 },
).map((parts) => parts.join(""));

function assertStaysBelow(name: string): void {
  for (const [path, root] of [[posix, "/srv/in"], [win32, "C:\\srv\\in"]] as const) {
    const expected = root + path.sep + name;
    assertEquals(path.join(root, name), expected);
    assertEquals(path.resolve(root, name), expected);
    assertEquals(path.basename(expected), name);
    assertEquals(path.dirname(expected), root);
  }
}

Deno.test("checkFileName() accepts only names that join() and resolve() keep below their root", () => {
  for (const { check, input, expect } of vectors) {
    if (check === "name" && expect === "ok") assertStaysBelow(input as string);
  }
  let accepted = 0;
  fc.assert(
    fc.property(spicyName, (name) => {
      if (!isFileName(name)) return;
      accepted++;
      assertStaysBelow(name);
      assertEquals(new TextEncoder().encode(name).length <= MAX_NAME_BYTES, true);
      assertEquals(new TextDecoder().decode(new TextEncoder().encode(name)), name);
    }),
    { numRuns: 3_000 },
  );
  assertEquals(accepted > 300, true, `only ${accepted} names were accepted`);
});

Deno.test("checkFilePath() accepts only paths that join() keeps segment by segment below their root", () => {
  fc.assert(fc.property(fc.array(spicyName, { minLength: 1, maxLength: 4 }), (segments) => {
    if (verdict("path", segments) !== "ok") return;
    for (const [path, root] of [[posix, "/srv/in"], [win32, "C:\\srv\\in"]] as const) {
      assertEquals(path.resolve(root, ...segments), [root, ...segments].join(path.sep));
    }
  }));
});

Deno.test("checkClientName() accepts only names that are file names too", () => {
  fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{1,66}$/), (name) => {
    if (isClientName(name)) checkFileName(name);
  }));
});
