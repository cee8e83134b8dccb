/**
 * Checks that a source file tells what it is and what it exports.
 *
 * @module
 */

import type { SourceFile } from "./source_tree.ts";
import type { Token } from "./tokens.ts";
import type { Violation } from "./violation.ts";

/** Exports of `file` without a comment of their own right before them, and the lack of a head comment. */
export function checkDocComments(file: SourceFile): Violation[] {
  const head = file.tokens.find((token) => token.kind === "word" || token.kind === "comment");
  const violations: Violation[] = isDoc(head) && head.value.includes("@module")
    ? []
    : [{ file: file.path, line: 1, rule: "does not begin with a comment for the file (@module)" }];
  let overloaded = "";
  for (const [index, token] of file.tokens.entries()) {
    if (token.value !== "export" || token.kind !== "word") continue;
    const name = declaredName(file.tokens, index + 1);
    if (name === undefined || name === overloaded) continue;
    const comment = file.tokens[index - 1];
    if (isDoc(comment) && !comment.value.includes("@module")) overloaded = name;
    else {
      const line = file.lineAt(token.start);
      violations.push({ file: file.path, line, rule: `export "${name}" has no comment` });
    }
  }
  return violations;
}

const MODIFIERS = new Set(
  "abstract async class const declare default enum function interface let namespace type".split(
    " ",
  ),
);

/** The name that the export whose declaration begins at `index` declares; none for lists and re-exports. */
function declaredName(tokens: readonly Token[], index: number): string | undefined {
  const list = tokens[index]?.value === "type" ? tokens[index + 1] : tokens[index];
  if (list?.value === "{" || list?.value === "*") return undefined;
  return tokens.slice(index).find((token) => token.kind === "word" && !MODIFIERS.has(token.value))
    ?.value;
}

function isDoc(token: Token | undefined): token is Token {
  return token?.kind === "comment" && token.value.startsWith("/**");
}
