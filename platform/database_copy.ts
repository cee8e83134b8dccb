/**
 * Copies a database that somebody is writing to, on a thread of its own: the copying holds that thread up until it is
 * done, and nobody else.
 *
 * @module
 */

import { backup, DatabaseSync } from "node:sqlite";
import { DatabaseError, databaseError } from "./database_error.ts";
import { quoted } from "./option_value.ts";

/** More pages than a database has. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies the database at `from`, as it stands at one moment, over the empty file `to`, and checks the copy as a whole.
 * Throws {@linkcode DatabaseError}; what stands in `to` is of no use then.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  try {
    using source = new DatabaseSync(from, { readOnly: true });
    // In one step: in WAL mode whoever reads keeps no writer waiting, while between steps every commit would have it
    // begin anew, and under load it would never end.
    await backup(source, to, { rate: ALL_PAGES });
  } catch (error) {
    throw databaseError(to, error);
  }
  using copy = new DatabaseSync(to);
  const verdict = Object.values(copy.prepare("PRAGMA integrity_check(1)").get() ?? {})[0];
  if (verdict === "ok") return;
  throw new DatabaseError(`Cannot copy database ${quoted(from)}: it is damaged: ${verdict}`, {
    hint: "Restore it from an earlier backup",
  });
}
