/**
 * What a command of hbclient is given besides its own options.
 *
 * @module
 */

import type { Clock, Random } from "../../platform/clock.ts";
import type { Terminal } from "../../platform/terminal.ts";
import type { Dial } from "../dial.ts";

/** The surroundings of one command. */
export interface CommandContext {
  /** Where to print. */
  terminal: Terminal;
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Opens connections. */
  dial: Dial;
  /** The data directory, from `--data` or the system's default. */
  dataDirectory: string;
  /** Start of this process, in milliseconds since 1970. */
  epoch: number;
  /** Aborts when the person or the system asks the program to end; its reason is the signal's name. */
  stopping: AbortSignal;
  /** Aborts when the person asks a second time, of a command that then still has something to do. */
  insisting: AbortSignal;
}
