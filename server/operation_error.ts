/**
 * How an operation of the operator fails.
 *
 * @module
 */

/** An operation that cannot be done, in words for the operator. */
export class OperationError extends Error {
  override readonly name = "OperationError";
  /** What kind of refusal it is. */
  readonly code: "not_found" | "bad_request" | "queue_full" | "unreadable" | "no_space";
  /** What to do about it. */
  readonly hint: string | undefined;

  /** Takes the code and the words. */
  constructor(code: OperationError["code"], message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
