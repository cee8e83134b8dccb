import { assertEquals } from "@std/assert";
import { tokenize } from "./tokens.ts";

/** The tokens of `source` as `kind:value`. */
function cut(source: string): string[] {
  return tokenize(source).map((token) => `${token.kind}:${token.value}`);
}

Deno.test("tokenize() tells comments, strings and code apart", () => {
  assertEquals(cut(`a // "b"\n/* 'c' */ "d // e" '\\'f'`), [
    "word:a",
    `comment:// "b"`,
    "comment:/* 'c' */",
    "string:d // e",
    "string:'f",
  ]);
});

Deno.test("tokenize() resolves escapes in strings", () => {
  assertEquals(cut(String.raw`"a\n\x41\u{1f600}\u0042\"\\"`), ['string:a\nA😀B"\\']);
});

Deno.test("tokenize() reads the expressions of nested templates as code", () => {
  assertEquals(cut("`a${ {b: `c${d}e`} }f$g` + h"), [
    "template:a",
    "punctuation:{",
    "punctuation:{",
    "word:b",
    "punctuation::",
    "template:c",
    "punctuation:{",
    "word:d",
    "punctuation:}",
    "template:e",
    "punctuation:}",
    "punctuation:}",
    "template:f$g",
    "punctuation:+",
    "word:h",
  ]);
});

Deno.test("tokenize() tells a regular expression from a division", () => {
  const regexes = (source: string) =>
    tokenize(source).filter((token) => token.kind === "regex").map((token) => token.value);
  assertEquals(regexes(`x = /"[/"]/g; y = a / b / c; (d) / e / f`), [`/"[/"]/g`]);
  assertEquals(regexes(`if (x) /a'/.test(y); return /b/; list[0] / 2 / 3`), ["/a'/", "/b/"]);
});

Deno.test("tokenize() gives offsets that cut the source again", () => {
  const source = "import { a } from './b.ts'; // c\nconst d = `e${f}g`;";
  const cuts = tokenize(source).map((token) => source.slice(token.start, token.end));
  assertEquals(cuts.filter((cut) => /[a-g]/.test(cut)).slice(-6), [
    "// c",
    "const",
    "d",
    "e",
    "f",
    "g",
  ]);
});

Deno.test("tokenize() ends an unclosed string at its line and survives unclosed anything", () => {
  assertEquals(cut(`"a\nb`), ["string:a", "word:b"]);
  assertEquals(cut("`a${b"), ["template:a", "punctuation:{", "word:b"]);
  assertEquals(cut("/* a"), ["comment:/* a"]);
  assertEquals(cut("} ) ]"), ["punctuation:}", "punctuation:)", "punctuation:]"]);
});
