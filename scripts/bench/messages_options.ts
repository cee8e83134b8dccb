/**
 * What can be said to the message benchmark on its command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { chosen, wantedNames, wholeNumber } from "./bench_options.ts";
import { MESSAGE_CASES } from "./message_case.ts";

const CASE_NAMES: readonly string[] = MESSAGE_CASES.map(({ name }) => name);
/** Most rounds. */
const MAX_ROUNDS = 99;
/** Longest measurement of a case, in seconds. */
const MAX_SECONDS = 600;
/** Time of one measurement with `--quick`, in seconds. */
const QUICK_SECONDS = 0.5;

/** The text of `--help`. */
export const MESSAGES_USAGE = `Usage: deno task bench messages [OPTIONS]

Sends the same messages to hb and to other servers, in turn, and prints a table.

  --quick        one short round, which only shows that everything works
  --only NAME    only this case (${CASE_NAMES.join(", ")}) or contestant; may be given several
                 times, or several names with commas
  --rounds N     rounds of which the median is taken (3)
  --seconds N    time of each measurement (4)
  --scratch DIR  a folder on a disk, for what the servers store (/var/tmp)
  --out DIR      where bench-messages.json goes (dist/bench)
`;

/** The command line, checked. */
export interface MessagesOptions {
  readonly help: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  /** Time of each measurement, in seconds. */
  readonly seconds: number;
  /** A folder on the medium. */
  readonly scratch: string;
  readonly out: string;
  /** Names of cases to run. */
  readonly cases: readonly string[];
  /** Names of contestants to run. */
  readonly contestants: readonly string[];
}

/** Reads the command line; `contestants` are the names that there are. Throws with the reason, for people. */
export function parseMessagesOptions(
  args: readonly string[],
  contestants: readonly string[],
): MessagesOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      scratch: { type: "string", default: "/var/tmp" },
      out: { type: "string", default: "dist/bench" },
    },
  });
  const { help, quick, scratch, out } = values;
  const rounds = wholeNumber(values.rounds, { option: "--rounds", most: MAX_ROUNDS });
  const seconds = wholeNumber(values.seconds, { option: "--seconds", most: MAX_SECONDS });
  const wanted = wantedNames(values.only, [...CASE_NAMES, ...contestants]);
  return {
    ...{ help, quick, scratch, out },
    ...(quick ? { rounds: 1, seconds: QUICK_SECONDS } : { rounds, seconds }),
    cases: chosen(CASE_NAMES, wanted),
    contestants: chosen(contestants, wanted),
  };
}
