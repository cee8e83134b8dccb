/**
 * How the server's database is asked: runs statements, adds lines to the timeline, and knows the bytes of a message.
 * The questions are in `store_clients.ts` and the files that go on from there, up to `store_database.ts`.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, StatementResultingChanges } from "node:sqlite";
import type { EventRecord } from "./store_record.ts";

/** Rows that one listing returns at most. */
export const MAX_ROWS = 10_000;

/** A message's text as bytes: as text, `node:sqlite` would end it at the first NUL. */
export const MESSAGE_TEXT = "CAST(message.text AS BLOB) AS text_bytes";
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A value as a statement takes and gives it. */
export type SqlValue = SQLInputValue;

/** One row of an answer, by column. */
export type Row = Record<string, SqlValue>;

/** A line to be added to the timeline. */
export type NewEvent = Omit<EventRecord, "seq" | "clientName" | "message">;

/** The text of a message in a row that was asked for {@linkcode MESSAGE_TEXT}. */
export function messageText(row: Row): string {
  return decoder.decode(row.text_bytes as Uint8Array);
}

/** What all tables share; see `store_database.ts` for how they must be called. */
export class StoreStatements {
  readonly #database: DatabaseSync;

  /** Takes an open database with the schema of `store_schema.ts`, which keeps its statements prepared. */
  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Adds a line to the timeline. */
  protected addEvent(event: NewEvent): void {
    this.run(
      "INSERT INTO event (at, client, kind, ref, data) VALUES (?, ?, ?, ?, ?)",
      event.at,
      event.client ?? null,
      event.kind,
      event.ref ?? null,
      JSON.stringify(event.data),
    );
  }

  /** Runs a statement for what it changes. */
  protected run(sql: string, ...values: SqlValue[]): StatementResultingChanges {
    return this.#database.prepare(sql).run(...values);
  }

  /** The first row of an answer. */
  protected get(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#database.prepare(sql).get(...values) as Row | undefined;
  }

  /** All rows of an answer. */
  protected all(sql: string, ...values: SqlValue[]): Row[] {
    return this.#database.prepare(sql).all(...values) as Row[];
  }
}
