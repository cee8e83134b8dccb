/**
 * How hbserver ends: the exit codes, and the error that carries one.
 *
 * @module
 */

/** The exit codes of hbserver; the numbers are a contract with other people's scripts. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  cannotConnect: 3,
  refused: 4,
  someFailed: 5,
  source: 7,
  noSpace: 8,
  interrupted: 130,
} as const;

/** A command that ends with an exit code of its own and words for the operator. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** How the program ends. */
  readonly exitCode: number;
  /** What to do about it. */
  readonly hint: string | undefined;

  /** Takes code and words. */
  constructor(
    exitCode: number,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
    this.hint = options.hint;
  }
}
