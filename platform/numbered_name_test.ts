import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MAX_FILE_NAME_BYTES, MAX_NAME_NUMBER, numberedName } from "./numbered_name.ts";

const bytes = (text: string) => new TextEncoder().encode(text).length;

Deno.test("numberedName() puts the number before the ending", () => {
  const cases: [string, number, string][] = [
    ["report.pdf", 1, "report.pdf"],
    ["report.pdf", 2, "report (2).pdf"],
    ["report", 3, "report (3)"],
    [".bashrc", 2, ".bashrc (2)"],
    ["a.tar.gz", 2, "a.tar (2).gz"],
    ["x (2).txt", 2, "x (2) (2).txt"],
    [`a.${"b".repeat(31)}`, 2, `a (2).${"b".repeat(31)}`],
    [`a.${"b".repeat(32)}`, 2, `a.${"b".repeat(32)} (2)`],
  ];
  for (const [name, number, expected] of cases) assertEquals(numberedName(name, number), expected);
});

Deno.test("numberedName() cuts the stem where the name would be too long", () => {
  const name = `${"x".repeat(251)}.pdf`;
  assertEquals(numberedName(name, 1), name);
  assertEquals(numberedName(name, 2), `${"x".repeat(247)} (2).pdf`);
  assertEquals(bytes(numberedName(name, MAX_NAME_NUMBER)), MAX_FILE_NAME_BYTES);
  assertEquals(numberedName(`${"é".repeat(125)}.pdf`, 2), `${"é".repeat(123)} (2).pdf`);
  assertEquals(numberedName(`${"😀".repeat(62)}.pdf`, 10), `${"😀".repeat(61)} (10).pdf`);
});

Deno.test("numberedName() never exceeds the limit and never breaks a character", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 255 })
    .filter((text) => bytes(text) <= MAX_FILE_NAME_BYTES && text.isWellFormed());
  fc.assert(
    fc.property(name, fc.integer({ min: 2, max: MAX_NAME_NUMBER }), (text, number) => {
      const numbered = numberedName(text, number);
      assert(bytes(numbered) <= MAX_FILE_NAME_BYTES);
      assert(numbered.isWellFormed());
      assert(numbered.includes(` (${number})`));
    }),
  );
});
