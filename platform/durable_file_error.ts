/**
 * Why a received file was not stored, in the codes that the sender is told.
 *
 * @module
 */

/** The kinds of failure; each is also a code of REJECT. */
export type DurableFileCode = "bad_size" | "hash" | "no_space" | "denied" | "io";

/** A received file that was not published; nothing of it is visible. */
export class DurableFileError extends Error {
  override readonly name = "DurableFileError";
  /** What kind of failure it is; decide by this, never by the text. */
  readonly code: DurableFileCode;

  /** Makes an error with its code and a text for the log. */
  constructor(code: DurableFileCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The system's code of an error, such as `ENOSPC`, or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Whether the system found no space on the disk, or no quota of this user's. */
export function isDiskFull(error: unknown): boolean {
  return kindOf(error) === "no_space";
}

/** Wraps an error of the system; `action` completes `Cannot …`. A {@linkcode DurableFileError} stays as it is. */
export function durableFileError(action: string, error: unknown): DurableFileError {
  if (error instanceof DurableFileError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DurableFileError(kindOf(error), `Cannot ${action}: ${reason}`, { cause: error });
}

/** What `run` resolves with, or the error that it rejects with; see {@linkcode durableFileError}. */
export async function orDurableFileError<T>(
  action: string,
  run: () => Promise<T>,
): Promise<T | DurableFileError> {
  try {
    return await run();
  } catch (error) {
    return durableFileError(action, error);
  }
}

function kindOf(error: unknown): DurableFileCode {
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return "no_space";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "denied";
    default:
      return "io";
  }
}
