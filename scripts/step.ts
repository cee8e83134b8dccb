/**
 * Runs the steps of a check in order, one line each, up to the first that fails, and counts.
 *
 * @module
 */

/** Lines of a failed step's output that are shown from its beginning and from its end. */
const SHOWN_LINES = { first: 100, last: 300 };

/** What a step came to. */
export interface StepResult {
  /** Checks or tests that passed. */
  readonly passed: number;
  /** Checks or tests that failed; any makes the step fail. */
  readonly failed: number;
  /** A few words for the step's line, such as a figure. */
  readonly note?: string;
  /** Everything that is worth reading when it failed. */
  readonly output: string;
}

/** One step. */
export interface Step {
  /** Its name in the list. */
  readonly name: string;
  /** Does it; an error that it throws is a failure of the step. */
  run(): Promise<StepResult>;
}

/** The sum over all steps that ran. */
export interface Totals {
  /** Checks and tests that passed. */
  readonly passed: number;
  /** Checks and tests that failed. */
  readonly failed: number;
}

/** How the steps are told. */
export interface RunStepsOptions {
  /** Takes lines for people, each with its LF. */
  readonly write: (text: string) => void;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
}

/**
 * Runs `steps` in order and writes a line with the time of each, the output of the first that fails, what was
 * left out because of it, and at the end `N passed, N failed`.
 */
export async function runSteps(steps: readonly Step[], options: RunStepsOptions): Promise<Totals> {
  const { write, now } = options;
  let passed = 0;
  let failed = 0;
  for (const [index, step] of steps.entries()) {
    const start = now();
    const result = await attempt(step);
    const seconds = ((now() - start) / 1000).toFixed(1).padStart(6);
    const verdict = result.failed === 0 ? "ok  " : "FAIL";
    write(`${verdict} ${seconds} s  ${step.name}${result.note ? `: ${result.note}` : ""}\n`);
    passed += result.passed;
    failed += result.failed;
    if (result.failed === 0) continue;
    write(`${shorten(result.output.trimEnd())}\n`);
    const left = steps.slice(index + 1).map(({ name }) => name);
    if (left.length > 0) write(`not run: ${left.join(", ")}\n`);
    break;
  }
  write(`${passed} passed, ${failed} failed\n`);
  return { passed, failed };
}

async function attempt(step: Step): Promise<StepResult> {
  try {
    return await step.run();
  } catch (error) {
    const output = error instanceof Error ? error.stack ?? error.message : String(error);
    return { passed: 0, failed: 1, output };
  }
}

function shorten(output: string): string {
  const lines = output.split("\n");
  const left = lines.length - SHOWN_LINES.first - SHOWN_LINES.last;
  if (left <= 0) return output;
  const head = lines.slice(0, SHOWN_LINES.first);
  return [...head, `... ${left} lines left out ...`, ...lines.slice(-SHOWN_LINES.last)].join("\n");
}
