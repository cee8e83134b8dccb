/**
 * Reads the last line of `deno test`.
 *
 * @module
 */

/** How many tests there were; steps inside of tests are not counted. */
export interface TestSummary {
  /** Tests that passed. */
  readonly passed: number;
  /** Tests that failed, and files that could not be loaded. */
  readonly failed: number;
  /** Tests that did not run. */
  readonly ignored: number;
}

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(.*)$/gm;

/** The summary in the output of `deno test` without colours, or undefined where it did not come to one. */
export function readTestSummary(output: string): TestSummary | undefined {
  const last = [...output.matchAll(SUMMARY)].at(-1);
  if (last === undefined) return undefined;
  const ignored = /\| (\d+) ignored/.exec(last[3] ?? "")?.[1] ?? 0;
  return { passed: Number(last[1]), failed: Number(last[2]), ignored: Number(ignored) };
}
