/**
 * What can be said to the benchmark of alarms on its command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { wholeNumber } from "./bench_options.ts";

/** Most worlds of one scenario. */
const MAX_SEEDS = 10_000;
const QUICK_SEEDS = 1;

/** The text of `--help`. */
export const ALARMS_USAGE = `Usage: deno task bench alarms [OPTIONS]

Plays the rules by which hbserver and other programs call a machine gone over the same simulated
days, and compares how long each takes and how often it wakes somebody for nothing.

  --quick    one day of each kind, which only shows that everything works
  --seeds N  days of each kind, with 50 machines each (20)
  --out DIR  where bench-alarms.json, .md and .svg go (dist/bench)
`;

/** The command line, checked. */
export interface AlarmsOptions {
  readonly help: boolean;
  readonly quick: boolean;
  readonly seeds: number;
  readonly out: string;
}

/** Reads the command line. Throws with the reason, for people. */
export function parseAlarmsOptions(args: readonly string[]): AlarmsOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      seeds: { type: "string", default: "20" },
      out: { type: "string", default: "dist/bench" },
    },
  });
  const { help, quick, out } = values;
  const seeds = wholeNumber(values.seeds, { option: "--seeds", most: MAX_SEEDS });
  return { help, quick, seeds: quick ? QUICK_SEEDS : seeds, out };
}
