/**
 * The exit codes of hbclient: a contract that scripts rely on.
 *
 * @module
 */

/** The exit codes by meaning. */
export const EXIT = {
  /** Done. */
  done: 0,
  /** Failed in a way that no other code names. */
  failed: 1,
  /** The command line cannot be followed. */
  usage: 2,
  /** The server cannot be reached. */
  cannotConnect: 3,
  /** The server refused. */
  refused: 4,
  /** Some of several items failed. */
  some: 5,
  /** What arrived is not what was sent. */
  integrity: 6,
  /** A source cannot be read, or changed while it was read. */
  source: 7,
  /** No space, or a quota or queue is full. */
  noSpace: 8,
  /** Took too long or was cut off; may be tried again. */
  timeout: 9,
  /** Stopped by the person. */
  interrupted: 130,
} as const;

/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The codes with their meaning, for the manual. */
export const EXIT_CODE_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.done, "done"],
  [EXIT.failed, "failed"],
  [EXIT.usage, "wrong usage"],
  [EXIT.cannotConnect, "cannot connect to the server"],
  [EXIT.refused, "refused by the server"],
  [EXIT.some, "some of several items failed"],
  [EXIT.integrity, "what the server stored is not what was sent"],
  [EXIT.source, "a file cannot be read, or changed while it was sent"],
  [EXIT.noSpace, "no space left, or a quota or queue is full"],
  [EXIT.timeout, "timed out or cut off; try again"],
  [EXIT.interrupted, "interrupted"],
];
