/**
 * What can be said to `deno task simulate` on its command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { wholeNumber } from "../../scripts/bench/bench_options.ts";

/** Most seeds in one run; the largest seed. */
const MAX_SEEDS = 2 ** 32;
const MAX_HOURS = 24 * 365;
const MAX_CLIENTS = 2_000;
const MAX_JOBS = 256;

/** The text of `--help`. */
export const SIMULATE_USAGE = `Usage: deno task simulate [OPTIONS]

Plays days of simulated clients, networks and servers, with the product's own decisions, and checks
what must hold in all of them. The same seed always gives the same trace and the same hash.

  --seeds N    how many seeds, from --first on (100)
  --first N    the first of them (1)
  --seed N     one seed, and its trace
  --hours N    simulated time of each (24)
  --clients N  simulated machines (50)
  --jobs N     threads (2)
  --verbose    a line for each seed, with its hash
`;

/** The command line, checked. */
export interface SimulateOptions {
  readonly help: boolean;
  readonly verbose: boolean;
  readonly seeds: number;
  readonly first: number;
  /** The one seed whose trace is wanted. */
  readonly seed: number | undefined;
  readonly hours: number;
  readonly clients: number;
  readonly jobs: number;
}

/** Reads the command line. Throws with the reason, for people. */
export function parseSimulateOptions(args: readonly string[]): SimulateOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      hours: { type: "string", default: "24" },
      clients: { type: "string", default: "50" },
      jobs: { type: "string", default: "2" },
    },
  });
  const { help, verbose, seed } = values;
  const number = (option: "seeds" | "first" | "hours" | "clients" | "jobs", most: number) =>
    wholeNumber(values[option], { option: `--${option}`, most });
  return {
    help,
    verbose,
    seeds: number("seeds", MAX_SEEDS),
    first: number("first", MAX_SEEDS),
    seed: seed === undefined ? undefined : wholeNumber(seed, { option: "--seed", most: MAX_SEEDS }),
    hours: number("hours", MAX_HOURS),
    clients: number("clients", MAX_CLIENTS),
    jobs: number("jobs", MAX_JOBS),
  };
}
