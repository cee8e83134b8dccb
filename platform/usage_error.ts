/**
 * The one error that means "the person called the program wrongly": exit code 2.
 *
 * @module
 */

/** What a {@linkcode UsageError} may carry besides its message. */
export interface UsageErrorOptions extends ErrorOptions {
  /** What to do instead, as a full sentence for people. */
  hint?: string;
}

/** A command line, environment variable or configuration file that the program cannot follow. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** What to do instead, or undefined when the message says it all. */
  readonly hint: string | undefined;

  /** Makes an error from a message that names the option and the value. */
  constructor(message: string, options: UsageErrorOptions = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}
