import { assertEquals } from "@std/assert";
import { headingAnchors, linkTargets, readMarkdown } from "./markdown.ts";

Deno.test("readMarkdown() tells prose from fenced blocks, an unclosed one too", () => {
  const markdown = readMarkdown("a\n```sh\nb\n```\nc\n  ``` TS \nd");
  assertEquals(markdown.prose.map(({ text, line }) => `${line}:${text}`), ["1:a", "5:c"]);
  assertEquals(
    markdown.fences.map(({ language, lines }) => [language, ...lines.map(({ text }) => text)]),
    [["sh", "b"], ["ts", "d"]],
  );
});

Deno.test("linkTargets() finds links, images and definitions, none in code", () => {
  const text = `[a](b.md) ![c](<d.png> "e") \`[no](no)\`\n[f]: g.md\n\`\`\`\n[no](no)\n\`\`\``;
  assertEquals(linkTargets(readMarkdown(text)).map(({ text, line }) => `${line}:${text}`), [
    "1:b.md",
    "1:d.png",
    "2:g.md",
  ]);
});

Deno.test("headingAnchors() makes anchors as code hosts do", () => {
  const text = "# A `b` (c), d!\n## [E](e.md) f_g-h ##\n## Same\n## Same\n```\n# No\n```";
  assertEquals([...headingAnchors(readMarkdown(text))], ["a-b-c-d", "e-f_g-h", "same", "same-1"]);
});
