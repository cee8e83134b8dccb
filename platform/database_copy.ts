/**
 * Copies a database that somebody is writing to, on a thread of its own: the copying holds that thread up until it is
 * done, and nobody else.
 *
 * @module
 */

import { backup, DatabaseSync } from "node:sqlite";
import { DatabaseError, databaseError } from "./database_error.ts";
import { quoted } from "./option_value.ts";

/** Pages between two flushes, 1 MiB: a flush of the whole would hold up those of everybody else on that disk. */
const FLUSH_PAGES = 250;

/**
 * Copies the database at `from`, as it stands at one moment, over the empty file `to`, and checks the copy as a whole.
 * Throws {@linkcode DatabaseError}; what stands in `to` is of no use then.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  try {
    using source = new DatabaseSync(from, { readOnly: true });
    // Closed after the copying: that gives up the locks that SQLite holds on the file.
    using file = await Deno.open(to, { write: true });
    // One transaction around all steps: whoever reads keeps no writer waiting, and sees no commit that comes meanwhile,
    // after which the copying would begin anew.
    source.exec("BEGIN");
    source.prepare("SELECT count(*) FROM sqlite_schema").get();
    await backup(source, to, { rate: FLUSH_PAGES, progress: () => file.syncDataSync() });
    source.exec("COMMIT");
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
