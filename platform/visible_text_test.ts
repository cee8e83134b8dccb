import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MAX_VISIBLE_CHARS, visible } from "./visible_text.ts";

/** What must never reach a terminal: stated apart from the implementation, by code points. */
function isDangerous(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x061c || code === 0xad ||
    (code >= 0x200b && code <= 0x200c) || code === 0x200e || code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code === 0xfeff ||
    (code >= 0xd800 && code <= 0xf8ff) || (code >= 0xfff0 && code <= 0xfffb) ||
    (code >= 0xe0000);
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom(..."\x1b[]0m\r\n\x07\x9b\u202e\u2066\u200d\ufe0f\u0301a❤👩\ud83d"))
    .map((parts) => parts.join("")),
);

Deno.test("visible() lets no control, bidi or invisible character through", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const char of visible(text)) {
        assert(!isDangerous(char.codePointAt(0) ?? 0), JSON.stringify(char));
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("visible() with keepNewlines lets LF through and nothing else", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const shown = visible(text, { keepNewlines: true });
      assertEquals(shown.split("\n").length, text.split("\n").length);
      for (const char of shown.replaceAll("\n", "")) {
        assert(!isDangerous(char.codePointAt(0) ?? 0));
      }
    }),
  );
});

Deno.test("visible() leaves ordinary text of many scripts as it is", () => {
  for (
    const text of [
      "",
      "report (2).pdf",
      "Grüße, Ελλάδα, Привет, 你好　世界, こんにちは, 안녕",
      "नमस्ते, สวัสดี, שלום, مرحبا",
      "e\u0301a\u0300",
      "✓ → “quoted” … € \\x1b",
      "I ❤️ it 👍🏽 👩‍👩‍👧 👩‍❤️‍👩 ☎️",
      "Screenshot 3.00\u202fPM.png",
    ]
  ) assertEquals(visible(text), text);
});

Deno.test("visible() writes each kind of harmful character as an escape", () => {
  const cases: [string, string][] = [
    ["\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"],
    ["\x1b]8;;http://x\x07link\x1b]8;;\x07", "\\x1b]8;;http://x\\x07link\\x1b]8;;\\x07"],
    ["\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"],
    ["\x9b31m\x7f", "\\x9b31m\\x7f"],
    ["a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"],
    ["exe.\u202egpj", "exe.\\u202egpj"],
    ["\u2066x\u2069\u200e\u200f\u061c", "\\u2066x\\u2069\\u200e\\u200f\\u061c"],
    ["a\u200bb\u200cc\u200dd\ufeff", "a\\u200bb\\u200cc\\u200dd\\ufeff"],
    ["a\u00adb\u2028\u2029", "a\\xadb\\u2028\\u2029"],
    ["\u{e0041}\ue000\u{10ffff}\ufdd0", "\\u{e0041}\\ue000\\u{10ffff}\\ufdd0"],
    ["\ud83d", "\\ud83d"],
    ["\ude00x", "\\ude00x"],
    ["a\ufe0f\u3164\u115f\u2800", "a\\ufe0f\\u3164\\u115f\\u2800"],
    ["\u{1f8ff}\u200d\u{1f8ff}", "\\u{1f8ff}\\u200d\\u{1f8ff}"],
    ["👩\u200d", "👩\\u200d"],
    ["❤\ufe0f\ufe0f", "❤\ufe0f\\ufe0f"],
  ];
  for (const [text, shown] of cases) assertEquals(visible(text), shown);
});

Deno.test("visible() cuts runs of more than 4 combining marks and says how many", () => {
  assertEquals(visible("a" + "\u0301".repeat(4)), "a" + "\u0301".repeat(4));
  assertEquals(visible("a" + "\u0301".repeat(5) + "b"), "a" + "\u0301".repeat(4) + "[+1 marks]b");
  assertEquals(visible("\u{1d165}".repeat(6)), "\u{1d165}".repeat(4) + "[+2 marks]");
  const flood = visible("a" + "\u0301".repeat(10_000_000));
  assertEquals(flood, `a${"\u0301".repeat(4)}[+16379 marks]… (9983617 more)`);
});

Deno.test("visible() caps the text at, below and above its limit", () => {
  assertEquals(visible("abc", { maxChars: 3 }), "abc");
  assertEquals(visible("abcd", { maxChars: 3 }), "abc… (1 more)");
  assertEquals(visible("ab", { maxChars: 3 }), "ab");
  assertEquals(visible("x".repeat(MAX_VISIBLE_CHARS)).length, MAX_VISIBLE_CHARS);
  assertEquals(
    visible("x".repeat(MAX_VISIBLE_CHARS + 1)),
    "x".repeat(MAX_VISIBLE_CHARS) + "… (1 more)",
  );
});

Deno.test("visible() does not cut a surrogate pair in two", () => {
  assertEquals(visible("ab😀c", { maxChars: 3 }), "ab… (3 more)");
  assertEquals(visible("ab😀c", { maxChars: 4 }), "ab😀… (1 more)");
});

Deno.test("visible() takes time proportional to its limit on hostile input", () => {
  const started = performance.now();
  for (const unit of ["\u0301", "👩\u200d", "\ud83d", "❤\ufe0f", "\x1b"]) {
    visible(unit.repeat(1_000_000), { maxChars: 200_000 });
  }
  assert(performance.now() - started < 5_000);
});
