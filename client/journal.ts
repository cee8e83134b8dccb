/**
 * What this machine notes for the server while the server cannot know it: bounded, numbered, and kept until the
 * server has it. Lives in the database of `store.ts`.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { inTransaction, type Migration, type openDatabase } from "../platform/database.ts";
import type { Vitals } from "../platform/host_facts.ts";
import { uuidV7 } from "../platform/random.ts";

/** What can stand in a journal. */
export type JournalEvent =
  | "started"
  | "stopped"
  | "rebooted"
  | "slept"
  | "clock_set"
  | "server_lost"
  | "server_back"
  | "vitals";

/** What an entry says besides its event. */
export interface JournalDetails {
  /** Why, in words, at most {@linkcode MAX_REASON_CHARS} characters. */
  reason?: string | undefined;
  /** How long, in milliseconds. */
  ms?: number | undefined;
  /** What was measured. */
  vitals?: Vitals | undefined;
}

/** One entry. */
export interface JournalEntry extends JournalDetails {
  /** Its number; later ones have higher numbers. */
  seq: number;
  /** When, in milliseconds since 1970 by this machine's clock. */
  at: number;
  /** What. */
  event: JournalEvent;
}

/** Entries that are kept: a week of one a minute. Then vitals go first, the oldest before the others. */
export const MAX_JOURNAL_ENTRIES = 10_000;
/** Longest reason, in characters; longer ones are cut. */
export const MAX_REASON_CHARS = 100;

/** The table. */
export const JOURNAL_MIGRATION: Migration = {
  name: "journal",
  sql: `
    CREATE TABLE journal (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      at INTEGER NOT NULL,
      event TEXT NOT NULL,
      details TEXT NOT NULL,
      sent INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX journal_unsent ON journal (seq) WHERE sent = 0;
    CREATE INDEX journal_prune ON journal (sent DESC, event = 'vitals' DESC, seq);
    CREATE TABLE journal_state (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      id TEXT NOT NULL,
      dropped INTEGER NOT NULL
    ) STRICT;
  `,
};

type Database = ReturnType<typeof openDatabase>;

/** The journal of one data directory; every call has reached the disk when it returns. */
export class Journal {
  /** Its UUID; a new data directory begins a new journal. */
  readonly id: string;
  readonly #database: Database;
  readonly #clock: Pick<Clock, "wall">;
  readonly #maxEntries: number;

  /** Takes an open database with the tables. */
  constructor(
    database: Database,
    { clock, maxEntries = MAX_JOURNAL_ENTRIES }: {
      clock: Pick<Clock, "wall">;
      maxEntries?: number | undefined;
    },
  ) {
    this.#database = database;
    this.#clock = clock;
    this.#maxEntries = maxEntries;
    this.#run("INSERT OR IGNORE INTO journal_state (one, id, dropped) VALUES (1, ?, 0)", [
      uuidV7(clock),
    ]);
    this.id = String(database.prepare("SELECT id FROM journal_state").get()?.id);
  }

  /** Adds an entry with the time of now. */
  add(event: JournalEvent, { reason, ms, vitals }: JournalDetails = {}): void {
    const details = {
      ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON_CHARS).toWellFormed() }),
      ...(ms === undefined ? {} : { ms: Math.max(0, Math.round(ms)) }),
      ...(vitals === undefined ? {} : { vitals }),
    };
    inTransaction(this.#database, () => {
      this.#run("INSERT INTO journal (at, event, details) VALUES (?, ?, ?)", [
        Math.max(0, Math.trunc(this.#clock.wall())),
        event,
        JSON.stringify(details),
      ]);
      this.#prune();
    });
  }

  /** At most `limit` entries that the server does not have, the oldest first. */
  unsent(limit: number): JournalEntry[] {
    return this.#database
      .prepare("SELECT seq, at, event, details FROM journal WHERE sent = 0 ORDER BY seq LIMIT ?")
      .all(limit).map(toEntry);
  }

  /** How many entries were dropped, for want of space, before the server had them. */
  get dropped(): number {
    return Number(this.#database.prepare("SELECT dropped FROM journal_state").get()?.dropped);
  }

  /** Notes that the server has every entry up to a number, and was told of `dropped` that are missing. */
  markSent(seq: number, dropped: number): void {
    inTransaction(this.#database, () => {
      this.#run("UPDATE journal SET sent = 1 WHERE sent = 0 AND seq <= ?", [seq]);
      this.#run("UPDATE journal_state SET dropped = dropped - ?", [dropped]);
    });
  }

  /** The last `limit` entries, the oldest first. */
  last(limit: number): JournalEntry[] {
    return this.#database
      .prepare("SELECT seq, at, event, details FROM journal ORDER BY seq DESC LIMIT ?")
      .all(limit).map(toEntry).reverse();
  }

  /** Entries that the server has go first, then vitals, then the oldest. */
  #prune(): void {
    const { count } = this.#database.prepare("SELECT COUNT(*) AS count FROM journal").get() ?? {};
    const surplus = Number(count) - this.#maxEntries;
    if (surplus <= 0) return;
    const unsent = this.#database.prepare(
      `DELETE FROM journal WHERE seq IN (SELECT seq FROM journal
         ORDER BY sent DESC, event = 'vitals' DESC, seq LIMIT ?) RETURNING sent`,
    ).all(surplus).filter((row) => row.sent === 0).length;
    this.#run("UPDATE journal_state SET dropped = dropped + ?", [unsent]);
  }

  #run(sql: string, values: (string | number)[]): void {
    this.#database.prepare(sql).run(...values);
  }
}

function toEntry(row: Record<string, unknown>): JournalEntry {
  return {
    seq: Number(row.seq),
    at: Number(row.at),
    event: row.event as JournalEvent,
    ...JSON.parse(String(row.details)),
  };
}
