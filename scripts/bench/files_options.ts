/**
 * What can be said to the file benchmark on its command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { chosen, wantedNames, wholeNumber } from "./bench_options.ts";
import type { Medium } from "./bench_result.ts";

/** The case of heartbeats beside uploads, by its name. */
export const HEARTBEATS = "heartbeats";
/** The cases by their names. */
export const CASE_NAMES: readonly string[] = ["one", "small", "medium", HEARTBEATS];
/** Both media. */
export const MEDIA: readonly Medium[] = ["tmpfs", "disk"];
/** Most rounds. */
const MAX_ROUNDS = 99;

/** The text of `--help`. */
export const USAGE = `Usage: deno task bench files [OPTIONS]

Copies the same files by hb and by other programs, in turn, and prints a table with ratios.

  --quick        small sizes, which only show that everything works
  --only NAME    only this case (${CASE_NAMES.join(", ")}), medium (${MEDIA.join(", ")}) or
                 contestant; may be given several times, or several names with commas
  --rounds N     rounds of which the median is taken (3)
  --tmpfs DIR    a folder on a tmpfs, not below /dev (the one with the most room)
  --disk DIR     a folder on a disk (/var/tmp)
  --out DIR      where bench-files.json and bench-files.svg go (dist/bench)
`;

/** The command line, checked. */
export interface FilesOptions {
  readonly help: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  /** Where each medium is, as far as it was said. */
  readonly directories: Readonly<Partial<Record<Medium, string>>>;
  readonly out: string;
  /** Names of cases to run. */
  readonly cases: readonly string[];
  readonly media: readonly Medium[];
  /** Names of contestants to run. */
  readonly contestants: readonly string[];
}

/** Reads the command line; `contestants` are the names that there are. Throws with the reason, for people. */
export function parseFilesOptions(
  args: readonly string[],
  contestants: readonly string[],
): FilesOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      tmpfs: { type: "string" },
      disk: { type: "string", default: "/var/tmp" },
      out: { type: "string", default: "dist/bench" },
    },
  });
  const rounds = wholeNumber(values.rounds, { option: "--rounds", most: MAX_ROUNDS });
  const wanted = wantedNames(values.only, [...CASE_NAMES, ...MEDIA, ...contestants]);
  const { help, quick, tmpfs, disk, out } = values;
  return {
    ...{ help, quick, rounds, out },
    directories: { disk, ...(tmpfs === undefined ? {} : { tmpfs }) },
    cases: chosen(CASE_NAMES, wanted),
    media: chosen(MEDIA, wanted),
    contestants: chosen(contestants, wanted),
  };
}
