/**
 * The project's TypeScript files as the checks read them: text, tokens, and what kind of code each is.
 *
 * @module
 */

import { join } from "node:path";
import { type Token, tokenize } from "./tokens.ts";

/** The folders that make up the product, beside `mod.ts`. */
export const PRODUCT_FOLDERS = ["protocol", "platform", "server", "client"] as const;

/** Folders that hold no source of ours, at any depth. */
const SKIPPED_FOLDERS = new Set([".git", "node_modules", "coverage", "dist"]);

/** One TypeScript file. */
export class SourceFile {
  /** Path from the root, with forward slashes. */
  readonly path: string;
  /** The whole text. */
  readonly text: string;
  /** The text in tokens, comments included. */
  readonly tokens: readonly Token[];
  readonly #lineStarts: number[] = [0];

  /** Cuts `text` into tokens. */
  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.tokens = tokenize(text);
    for (const newline of text.matchAll(/\n/g)) this.#lineStarts.push(newline.index + 1);
  }

  /** The line, from 1, of an offset in the text. */
  lineAt(offset: number): number {
    const next = this.#lineStarts.findIndex((start) => start > offset);
    return next === -1 ? this.#lineStarts.length : next;
  }

  /** The text with comments turned to spaces and literals to quotes; offsets and lines stay. */
  get code(): string {
    let code = "";
    for (const { kind, start, end } of this.tokens) {
      const source = this.text.slice(start, end);
      code += blank(this.text.slice(code.length, start), " ");
      if (kind === "word" || kind === "punctuation") code += source;
      else code += blank(source, kind === "comment" ? " " : '"');
    }
    return code + blank(this.text.slice(code.length), " ");
  }

  /** Whether it only serves tests and measurements, see {@linkcode isTestPath}. */
  get isTest(): boolean {
    return isTestPath(this.path);
  }

  /** Whether it ends up in the programs or the library: code of a product folder or `mod.ts`, no test. */
  get isProduct(): boolean {
    const folder = this.path.split("/")[0] ?? "";
    return !this.isTest &&
      (this.path === "mod.ts" || PRODUCT_FOLDERS.some((name) => name === folder));
  }
}

/** Whether a file only serves tests and measurements: `*_test.ts`, `*_bench.ts`, `*_soak.ts`, `fake_*.ts`, all of `tests/`. */
export function isTestPath(path: string): boolean {
  return path.startsWith("tests/") || /(^|\/)fake_[^/]*$|_(test|bench|soak)\.ts$/.test(path);
}

/** Reads every `.ts` file under `root`, declaration files included, sorted by path. */
export async function readSourceTree(root: string): Promise<SourceFile[]> {
  const paths = await listFiles(root);
  return await Promise.all(
    paths.filter((path) => path.endsWith(".ts")).map(async (path) =>
      new SourceFile(path, await Deno.readTextFile(join(root, path)))
    ),
  );
}

/** Paths of all files under `root`, from there, with forward slashes, sorted; no build products. */
export async function listFiles(root: string, under = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(root, under))) {
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    if (entry.isFile) found.push(path);
    else if (entry.isDirectory && !SKIPPED_FOLDERS.has(entry.name)) {
      found.push(...await listFiles(root, path));
    }
  }
  return found.sort();
}

function blank(text: string, filler: string): string {
  return text.replace(/[^\n]/g, filler);
}
