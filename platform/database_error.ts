/**
 * What can be wrong with a database file, said for people.
 *
 * @module
 */

import { quoted } from "./option_value.ts";

/** A database that cannot be used. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  /** What to do about it, or undefined. */
  readonly hint: string | undefined;

  /** Makes an error that names the file. */
  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** SQLite's result code for a full disk. */
export const SQLITE_FULL = 13;

/** Reasons and hints by SQLite's primary result code (sqlite.org/rescode.html). */
const REASONS: Readonly<Record<number, readonly [reason: string, hint: string]>> = {
  5: ["another program is writing to it", "Stop that program and try again"],
  6: ["another program is writing to it", "Stop that program and try again"],
  8: ["it cannot be written", "Give the file and its directory to this user"],
  10: [
    "the disk reports an error",
    "Check the disk; restore the file from a backup if it is damaged",
  ],
  11: ["it is damaged", "Restore it from a backup"],
  [SQLITE_FULL]: ["there is no space left", "Make room on its disk"],
  14: ["it cannot be opened", "Check that its directory exists and belongs to this user"],
  26: ["it is no database", "Move that file away, or restore the database from a backup"],
};

/**
 * SQLite's result code of an error by `node:sqlite`, such as 5 for busy; undefined when it carries none, which
 * is so for errors of `exec()` and of opening.
 */
export function sqliteCode(error: unknown): number | undefined {
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  // The upper bits hold the extended code.
  return typeof code === "number" ? code & 0xff : undefined;
}

/** Turns an error of SQLite or the system into one that names the file and says what to do. */
export function databaseError(path: string, error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const [reason, hint] = REASONS[sqliteCode(error) ?? 0] ?? [];
  const text = reason ?? (error instanceof Error ? error.message : String(error));
  return new DatabaseError(`Cannot use database ${quoted(path)}: ${text}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
