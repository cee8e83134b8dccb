/**
 * The server's database, one method per question, all synchronous: `store_statements.ts` runs the statements, and
 * each file of the chain from `store_clients.ts` to `store_alerts.ts` adds the questions about what it is named
 * after. Here are those about the database as a whole.
 *
 * Runs inside `store_worker.ts`, which groups calls into transactions; so no method opens one itself, and a
 * method that throws is undone alone.
 *
 * @module
 */

import { RETENTION } from "./retention.ts";
import { StoreReports } from "./store_reports.ts";
import type { ServerFile } from "./store_record.ts";

/** Rows that one call of prune removes at most: a few milliseconds, as everybody waits for it. */
export const PRUNE_ROWS = 1_000;
/** Pages of 4 KiB that one call of vacuum gives back at most, for the same reason. */
export const VACUUM_PAGES = 250;

/** The tables of one server; see the file's head for how it must be called. */
export class StoreDatabase extends StoreReports {
  /** Removes what is past its time, a bounded part of it; the number of rows removed. */
  prune(now: number): number {
    let left = PRUNE_ROWS;
    for (const { keepMs, sql } of RETENTION) {
      if (left > 0) left -= Number(this.run(sql, now - keepMs, left).changes);
    }
    return PRUNE_ROWS - left;
  }

  /** Gives space that nothing stands in any more back to the disk, a bounded part of it; the pages given back. */
  vacuum(): number {
    const before = this.#freePages();
    this.all(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    return before - this.#freePages();
  }

  #freePages(): number {
    return Number(this.get("PRAGMA freelist_count")?.freelist_count);
  }

  /** Keeps files of the server in this database: in a backup, never in the live one. */
  keepServerFiles(files: ServerFile[]): void {
    for (const { name, content } of files) {
      this.run("INSERT OR REPLACE INTO server_file (name, content) VALUES (?, ?)", name, content);
    }
  }

  /** The files of the server that stand in this database, as they do after a backup has been put into its place. */
  serverFiles(): ServerFile[] {
    return this.all("SELECT name, content FROM server_file")
      .map(({ name, content }) => ({ name: String(name), content: String(content) }));
  }

  /** Removes them: they stand in the data directory now. */
  dropServerFiles(): void {
    this.run("DELETE FROM server_file");
  }
}
