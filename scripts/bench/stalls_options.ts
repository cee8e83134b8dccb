/**
 * What can be said to the benchmark of stalls on its command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { wholeNumber } from "./bench_options.ts";

/** Longest commit that can be asked for, in milliseconds. */
const MAX_COMMIT_MS = 10_000;
/** Longest phase, in seconds. */
const MAX_SECONDS = 600;
/** Time of a phase with `--quick`, in seconds. */
const QUICK_SECONDS = 2;

/** The text of `--help`. */
export const STALLS_USAGE = `Usage: deno task bench stalls [OPTIONS]

Notes how late a timer on the server's main thread is, at rest and while commits are slow, four
clients upload, heartbeats come and messages flow.

  --quick        short phases, which only show that everything works
  --seconds N    time of each phase (20)
  --commit-ms N  what is added to every commit of the store, in milliseconds; 0 adds nothing (50)
  --scratch DIR  a folder on a disk, for what is sent and stored (/var/tmp)
  --out DIR      where bench-stalls.json goes (dist/bench)
`;

/** The command line, checked. */
export interface StallsOptions {
  readonly help: boolean;
  readonly quick: boolean;
  /** Time of each phase, in seconds. */
  readonly seconds: number;
  /** Added to every commit, in milliseconds. */
  readonly commitMs: number;
  readonly scratch: string;
  readonly out: string;
}

/** Reads the command line. Throws with the reason, for people. */
export function parseStallsOptions(args: readonly string[]): StallsOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      seconds: { type: "string", default: "20" },
      "commit-ms": { type: "string", default: "50" },
      scratch: { type: "string", default: "/var/tmp" },
      out: { type: "string", default: "dist/bench" },
    },
  });
  const { help, quick, scratch, out } = values;
  const seconds = wholeNumber(values.seconds, { option: "--seconds", most: MAX_SECONDS });
  const text = values["commit-ms"];
  const commitMs = text === "0"
    ? 0
    : wholeNumber(text, { option: "--commit-ms", most: MAX_COMMIT_MS });
  return { help, quick, seconds: quick ? QUICK_SECONDS : seconds, commitMs, scratch, out };
}
