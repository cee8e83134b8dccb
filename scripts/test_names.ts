/**
 * Reads the names of tests out of a test file without running it.
 *
 * @module
 */

import type { SourceFile } from "./source_tree.ts";
import type { Token } from "./tokens.ts";

/**
 * The literal names that `file` gives to `Deno.test(…)`, to `.step(…)` and in `name:` fields; of templates and
 * sums every literal piece. Tests that never run (`Deno.test.ignore(…)`) are left out.
 */
export function testNames(file: SourceFile): string[] {
  const tokens = file.tokens.filter((token) => token.kind !== "comment");
  return tokens.flatMap((token, index) => {
    const literal = token.kind === "string" || token.kind === "template";
    return literal && namesTest(tokens, index) ? pieces(tokens, index) : [];
  });
}

/** Whether the literal at `index` stands where a test's name does. */
function namesTest(tokens: readonly Token[], index: number): boolean {
  const before = (back: number) => tokens[index - back]?.value;
  if (before(1) === ":") return before(2) === "name";
  if (before(1) !== "(") return false;
  return before(2) === "step" || before(2) === "test" && before(4) === "Deno" ||
    before(2) === "only" && before(4) === "test";
}

/** The literal at `index` and, of a template, the pieces that go on from it. */
function pieces(tokens: readonly Token[], index: number): string[] {
  const found: string[] = [];
  let depth = 0;
  for (const token of tokens.slice(index)) {
    if (token.kind === "punctuation" && "([{".includes(token.value)) depth++;
    else if (token.kind === "punctuation" && ")]}".includes(token.value)) depth--;
    else if (depth === 0 && (token.kind === "string" || token.kind === "template")) {
      found.push(token.value);
    } else if (depth === 0 && token.value !== "+") break;
    if (depth < 0) break;
  }
  return found;
}
