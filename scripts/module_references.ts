/**
 * Finds what a source file imports: static, type and dynamic imports, re-exports, workers and assets named
 * by `new URL("./x.ts", import.meta.url)`, and `@ts-types` comments.
 *
 * @module
 */

import type { SourceFile } from "./source_tree.ts";
import type { Token } from "./tokens.ts";

/** One module named by another. */
export interface ModuleReference {
  /** The specifier as written, or undefined where it is computed and cannot be read. */
  readonly specifier: string | undefined;
  /** Line of the reference, from 1. */
  readonly line: number;
}

/** Every reference of `file`, in order. */
export function moduleReferences(file: SourceFile): ModuleReference[] {
  const tokens = file.tokens.filter((token) => token.kind !== "comment");
  const found: { specifier: string | undefined; start: number }[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "word" || isMember(tokens, index)) continue;
    for (const specifier of specifiersAt(tokens, index)) {
      found.push({ specifier, start: token.start });
    }
  }
  for (const token of file.tokens) {
    const types = token.kind === "comment" && /^\/\/\s*@ts-types="([^"]*)"/.exec(token.value);
    if (types) found.push({ specifier: types[1], start: token.start });
  }
  return found.toSorted((a, b) => a.start - b.start)
    .map(({ specifier, start }) => ({ specifier, line: file.lineAt(start) }));
}

/** What the statement or expression that begins with the word at `index` refers to. */
function specifiersAt(tokens: readonly Token[], index: number): (string | undefined)[] {
  const next = tokens[index + 1];
  switch (tokens[index]?.value) {
    case "import":
      if (is(next, "(")) return [literalArgument(tokens, index + 1)];
      if (is(next, ".")) return resolvedByMeta(tokens, index);
      return next?.kind === "string" ? [next.value] : fromClause(tokens, index + 1);
    case "export":
      return fromClause(tokens, index + 1);
    case "new":
      return next?.value === "URL" && is(tokens[index + 2], "(")
        ? modulesOfUrl(tokens, index + 2)
        : [];
    default:
      return [];
  }
}

/** The specifier behind `from`, if the clause at `index` is one of names, `*` and braces only. */
function fromClause(tokens: readonly Token[], index: number): string[] {
  let depth = 0;
  for (let at = index; at < tokens.length; at++) {
    const token = tokens[at];
    const next = tokens[at + 1];
    if (token === undefined) break;
    if (is(token, "{")) depth++;
    else if (is(token, "}")) depth--;
    else if (depth === 0 && token.value === "from" && next?.kind === "string") return [next.value];
    else if (depth === 0 && token.kind === "word" && DECLARATION_WORDS.has(token.value)) break;
    else if (token.kind === "punctuation" && !"*,".includes(token.value)) break;
  }
  return [];
}

/** Words that make an `export` a declaration; `type` is not among them: `export type { A } from`. */
const DECLARATION_WORDS = new Set(
  "const let var function class interface enum abstract async declare default namespace import export"
    .split(" "),
);

/** The literal in `(literal)` or `(literal, …)`; undefined for anything else. */
function literalArgument(tokens: readonly Token[], index: number): string | undefined {
  const [argument, after] = [tokens[index + 1], tokens[index + 2]];
  const literal = argument?.kind === "string" || argument?.kind === "template";
  return literal && (is(after, ")") || is(after, ",")) ? argument.value : undefined;
}

function resolvedByMeta(tokens: readonly Token[], index: number): (string | undefined)[] {
  const call = tokens[index + 2]?.value === "meta" && tokens[index + 4]?.value === "resolve";
  return call && is(tokens[index + 5], "(") ? [literalArgument(tokens, index + 5)] : [];
}

/** The relative modules among the literals of a `new URL(…)` that names `import.meta.url`. */
function modulesOfUrl(tokens: readonly Token[], open: number): string[] {
  const inside = tokens.slice(open + 1, matching(tokens, open));
  const relative = inside.some((token, at) => token.value === "import" && is(inside[at + 1], "."));
  if (!relative) return [];
  return inside.filter((token) => token.kind === "string" || token.kind === "template")
    .map((token) => token.value).filter((value) => /^\.{1,2}\/.*\.ts$/.test(value));
}

/** The index of the bracket that closes the one at `open`, or the end. */
function matching(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const token = tokens[at];
    if (token?.kind !== "punctuation") continue;
    if ("([{".includes(token.value)) depth++;
    else if (")]}".includes(token.value) && --depth === 0) return at;
  }
  return tokens.length;
}

function isMember(tokens: readonly Token[], index: number): boolean {
  return is(tokens[index - 1], ".");
}

function is(token: Token | undefined, punctuation: string): boolean {
  return token?.kind === "punctuation" && token.value === punctuation;
}
