/**
 * What a check finds, and how a check that is run by itself tells it.
 *
 * @module
 */

import { writeText } from "./write_text.ts";

/** One breach of a rule. */
export interface Violation {
  /** Path from the root of the project, with forward slashes. */
  readonly file: string;
  /** Line, from 1. */
  readonly line: number;
  /** The rule and what breaks it, for people. */
  readonly rule: string;
}

/** The line for people: `file:line: rule`. */
export function formatViolation(violation: Violation): string {
  return `${violation.file}:${violation.line}: ${violation.rule}`;
}

/** Sorts by file, then line, then rule, into a new array. */
export function sortViolations(violations: readonly Violation[]): Violation[] {
  const compare = (a: string | number, b: string | number) => a < b ? -1 : a > b ? 1 : 0;
  return violations.toSorted((a, b) =>
    compare(a.file, b.file) || compare(a.line, b.line) || compare(a.rule, b.rule)
  );
}

/**
 * Prints what `check` finds in the working directory, one line each on stdout, and exits: 1 where there is
 * anything, else 0, with the count on stderr and before it, on failure, what `detail` has to say. For a
 * check's `import.meta.main`.
 */
export async function runCheck(
  name: string,
  check: (root: string) => Promise<Violation[]>,
  detail?: (root: string) => Promise<string[]>,
): Promise<never> {
  const violations = await check(Deno.cwd());
  const lines = violations.map((violation) => formatViolation(violation) + "\n");
  writeText(Deno.stdout, lines.join(""));
  if (violations.length > 0 && detail !== undefined) {
    writeText(Deno.stderr, (await detail(Deno.cwd())).join("\n") + "\n");
  }
  writeText(Deno.stderr, `${name}: ${violations.length} violations\n`);
  Deno.exit(violations.length === 0 ? 0 : 1);
}
