/**
 * Checks that the leak sanitizers of the test runner, which are off by default, are on for every test.
 *
 * @module
 */

import { join } from "node:path";
import { readSourceTree, type SourceFile } from "./source_tree.ts";
import { sortViolations, type Violation } from "./violation.ts";

/** What deno.json must turn on. */
const SANITIZERS = ["sanitizeOps", "sanitizeResources"];

/** Test files that may turn a sanitizer off for a test of theirs; each needs a reason in the file. */
const MAY_TURN_OFF: readonly string[] = [];

/** Sanitizers that are off in the project at `root`: in deno.json or for single tests. */
export async function checkSanitizers(root: string): Promise<Violation[]> {
  const { test = {} } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const off = SANITIZERS.filter((name) => test[name] !== true);
  const files = await readSourceTree(root);
  return sortViolations([
    ...off.map((name) => ({ file: "deno.json", line: 1, rule: `"test" does not turn ${name} on` })),
    ...files.filter((file) => !MAY_TURN_OFF.includes(file.path)).flatMap(turnedOff),
  ]);
}

function turnedOff(file: SourceFile): Violation[] {
  return [...file.code.matchAll(/\b(sanitize(?:Ops|Resources|Exit))\s*:(?!\s*true\b)/g)].map((
    hit,
  ) => ({
    file: file.path,
    line: file.lineAt(hit.index),
    rule: `${hit[1]} may not be turned off`,
  }));
}
