/**
 * What a command of hbserver is given besides its own options.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import type { Terminal } from "../../platform/terminal.ts";

/** The surroundings of one command. */
export interface CommandContext {
  terminal: Terminal;
  clock: Clock;
  /** The data directory, from `--data` or the system's default. */
  dataDirectory: string;
  /** The command line, which every user of the machine can read. */
  args: readonly string[];
  /** The name of the user who runs it. */
  user: string;
  /** Aborts when the person or the system asks the program to end; its reason is the signal's name. */
  stopping: AbortSignal;
}
