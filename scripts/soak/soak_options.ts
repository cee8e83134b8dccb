/**
 * The command line of a long test: options that are all numbers.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { writeText } from "../write_text.ts";

/** One option, `--NAME N`. */
export interface NumberOption {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Whether parts of a whole are allowed. @default {false} */
  readonly fraction?: boolean;
  /** What it is, for `--help`. */
  readonly about: string;
}

/**
 * Reads `args`; "help" when that is asked for.
 *
 * @throws {Error} with the reason, for people, where an option is unknown or no number in its range.
 */
export function parseSoakOptions<N extends string>(
  args: readonly string[],
  spec: Readonly<Record<N, NumberOption>>,
): Record<N, number> | "help" {
  const names = Object.keys(spec) as N[];
  const text = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parseArgs({
    args: [...args],
    options: { ...text, help: { type: "boolean", default: false } },
  });
  if (values.help === true) return "help";
  const numbers = names.map((name) => {
    const { default: usual, min, max, fraction = false } = spec[name];
    const given = (values as Record<string, string | boolean | undefined>)[name];
    const number = given === undefined ? usual : Number(given);
    if (
      given === "" || !(number >= min && number <= max) || !fraction && !Number.isInteger(number)
    ) {
      throw new Error(`Cannot take --${name} as ${min} to ${max}: it is "${given}"`);
    }
    return [name, number];
  });
  return Object.fromEntries(numbers) as Record<N, number>;
}

/** Signals that give a long test up; what it has started goes with it. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** What a long test works with besides its options. */
export interface SoakPorts {
  /** Prints a line. */
  say: (line: string) => void;
  /** Aborts when the test is to be given up; whoever waits then throws. */
  signal: AbortSignal;
}

/** Runs a long test: 0 when it passed, 1 when it failed or was given up, 2 when it was asked for in a wrong way. */
export async function runSoak<N extends string>(
  about: string,
  spec: Readonly<Record<N, NumberOption>>,
  run: (options: Record<N, number>, ports: SoakPorts) => Promise<boolean>,
): Promise<number> {
  let options: Record<N, number> | "help";
  try {
    options = parseSoakOptions(Deno.args, spec);
  } catch (error) {
    writeText(Deno.stderr, `${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === "help") {
    const lines = Object.entries<NumberOption>(spec).map(([name, option]) =>
      `  ${`--${name} N`.padEnd(16)}${option.about} (${option.default})\n`
    );
    writeText(Deno.stdout, `${about}\n\n${lines.join("")}`);
    return 0;
  }
  const stopping = new AbortController();
  for (const name of SIGNALS) {
    Deno.addSignalListener(name, () => stopping.abort(new Error(`Cannot go on: ${name}`)));
  }
  const say = (line: string) => writeText(Deno.stdout, `${line}\n`);
  try {
    return await run(options, { say, signal: stopping.signal }) ? 0 : 1;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    say(`given up: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
