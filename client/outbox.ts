/**
 * The messages of this machine for the server: those that wait, in order and bounded, and what became of the
 * last ones. Lives in the database of `store.ts`.
 *
 * @module
 */

import {
  inTransaction,
  type Migration,
  type openDatabase,
  SQLITE_FULL,
  sqliteCode,
} from "../platform/database.ts";
import { databaseError } from "../platform/database_error.ts";
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import { EXIT } from "./exit_code.ts";
import { messageOf, type StoredMessage, TEXT_COLUMN } from "./stored_message.ts";

/** A message as it is queued. */
export interface NewMessage extends StoredMessage {
  /** When it is no longer to be sent, in milliseconds since 1970; undefined for never. */
  expiresAt?: number | undefined;
}

/** A message that waits for the server. */
export interface QueuedMessage extends StoredMessage {
  /** Its place in the queue; later ones have higher numbers. */
  seq: number;
}

/** How a message of this machine ended. */
export type SentState = "stored" | "shown" | "refused" | "expired";

/** A message of this machine, as it stands. */
export interface SentMessage extends StoredMessage {
  /** Whether it waits, or how it ended. */
  state: SentState | "queued";
  /** When the server had stored it, by this machine's clock; undefined when it has not. */
  storedAt: number | undefined;
  /** When this machine was told that the operator was shown it. */
  shownAt: number | undefined;
}

/** The outbox takes no more until the server has taken some: exit code 8. */
export class OutboxFullError extends ClientError {
  override readonly name = "OutboxFullError";

  /** Takes how much waits. */
  constructor({ messages, bytes }: { messages: number; bytes: number }) {
    super(`Cannot queue the message: the queue is full with ${messages} messages, ${bytes} bytes`, {
      exitCode: EXIT.noSpace,
      code: "queue_full",
      hint: "Messages leave the queue when the agent (hbclient run) is connected to the server",
    });
  }
}

/** Messages of which it is remembered what became of them; the oldest are forgotten first. */
export const MAX_SENT_MESSAGES = 10_000;

/** The table of what became of messages, and when those that wait expire. */
export const OUTBOX_MIGRATION: Migration = {
  name: "what became of messages",
  sql: `
    ALTER TABLE outbox ADD COLUMN expires_at INTEGER;
    CREATE TABLE sent (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      at INTEGER NOT NULL,
      text TEXT NOT NULL,
      state TEXT NOT NULL,
      stored_at INTEGER,
      shown_at INTEGER
    ) STRICT;
  `,
};

type Database = ReturnType<typeof openDatabase>;
const encoder = new TextEncoder();

/** The queue and its past; every call has reached the disk when it returns. */
export class Outbox {
  readonly #database: Database;
  readonly #maxSent: number;

  /** Takes an open database with the tables. */
  constructor(
    database: Database,
    { maxSent = MAX_SENT_MESSAGES }: { maxSent?: number | undefined } = {},
  ) {
    this.#database = database;
    this.#maxSent = maxSent;
  }

  /** Puts a message at the end, once per id; throws {@linkcode OutboxFullError}, or a ClientError when it cannot be written. */
  queue(message: NewMessage): void {
    try {
      this.#queue(message);
    } catch (error) {
      if (error instanceof ClientError) throw error;
      const { message: reason, hint } = databaseError("client.sqlite", error);
      throw new ClientError(`Cannot queue the message: ${reason}`, {
        exitCode: sqliteCode(error) === SQLITE_FULL ? EXIT.noSpace : EXIT.failed,
        code: "store",
        hint,
        cause: error,
      });
    }
  }

  #queue({ id, at, text, expiresAt }: NewMessage): void {
    const bytes = encoder.encode(text).length;
    inTransaction(this.#database, () => {
      const waiting = this.waiting();
      if (waiting.messages >= MAX_OUTBOX_MESSAGES || waiting.bytes + bytes > MAX_OUTBOX_BYTES) {
        throw new OutboxFullError(waiting);
      }
      this.#run(
        "INSERT OR IGNORE INTO outbox (id, at, text, bytes, expires_at) VALUES (?, ?, ?, ?, ?)",
        [id, Math.trunc(at), text, bytes, expiresAt === undefined ? null : Math.ceil(expiresAt)],
      );
    });
  }

  /** How much waits. */
  waiting(): { messages: number; bytes: number } {
    const row = this.#database
      .prepare("SELECT COUNT(*) AS messages, COALESCE(SUM(bytes), 0) AS bytes FROM outbox").get();
    return { messages: Number(row?.messages), bytes: Number(row?.bytes) };
  }

  /** At most `limit` messages that wait behind place `after`, in order. */
  queuedAfter(after: number, limit: number): QueuedMessage[] {
    return this.#database
      .prepare(`SELECT seq, id, at, ${TEXT_COLUMN} FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?`)
      .all(after, limit)
      .map((row) => ({ seq: Number(row.seq), ...messageOf(row) }));
  }

  /** The place of a message that waits. */
  placeOf(id: string): number | undefined {
    const row = this.#database.prepare("SELECT seq FROM outbox WHERE id = ?").get(id);
    return row === undefined ? undefined : Number(row.seq);
  }

  /**
   * Ends the wait of messages, with what became of them; those that waited, or had only seemed to have
   * expired.
   */
  settle(ids: readonly string[], { state, at }: { state: SentState; at: number }): string[] {
    return inTransaction(this.#database, () => ids.filter((id) => this.#settle(id, { state, at })));
  }

  /** Ends the wait of messages whose time is over; those. */
  expire(now: number): StoredMessage[] {
    const expired = this.#database
      .prepare(`SELECT id, at, ${TEXT_COLUMN} FROM outbox WHERE expires_at <= ? ORDER BY seq`)
      .all(Math.trunc(now)).map(messageOf);
    if (expired.length > 0) this.settle(expired.map(({ id }) => id), { state: "expired", at: now });
    return expired;
  }

  /** Remembers a message that was sent past the queue. */
  record({ id, at, text }: StoredMessage, storedAt: number): void {
    this.#add({ id, at, text, state: "stored", storedAt });
  }

  /** Notes that the operator was shown messages. */
  markShown(ids: readonly string[], at: number): void {
    inTransaction(this.#database, () => {
      for (const id of ids) {
        this.#run("UPDATE sent SET state = 'shown', shown_at = ? WHERE id = ?", [
          Math.trunc(at),
          id,
        ]);
      }
    });
  }

  /** What a message says that waits or is remembered. */
  textOf(id: string): string | undefined {
    const row = this.#database.prepare(
      `SELECT id, at, ${TEXT_COLUMN} FROM outbox WHERE id = ?1
       UNION ALL SELECT id, at, ${TEXT_COLUMN} FROM sent WHERE id = ?1`,
    ).get(id);
    return row === undefined ? undefined : messageOf(row).text;
  }

  /** The last `limit` messages, whatever became of them, the oldest first. */
  history(limit: number): SentMessage[] {
    return this.#database.prepare(
      `SELECT id, at, ${TEXT_COLUMN}, state, stored_at, shown_at, 0 AS waits, seq FROM sent
       UNION ALL SELECT id, at, ${TEXT_COLUMN}, 'queued', NULL, NULL, 1, seq FROM outbox
       ORDER BY at DESC, waits DESC, seq DESC LIMIT ?`,
    ).all(limit).map((row) => ({
      ...messageOf(row),
      state: row.state as SentMessage["state"],
      storedAt: row.stored_at === null ? undefined : Number(row.stored_at),
      shownAt: row.shown_at === null ? undefined : Number(row.shown_at),
    })).reverse();
  }

  #settle(id: string, { state, at }: { state: SentState; at: number }): boolean {
    const row = this.#database
      .prepare(`SELECT id, at, ${TEXT_COLUMN} FROM outbox WHERE id = ?`).get(id);
    const storedAt = state === "stored" ? Math.trunc(at) : null;
    if (row === undefined) {
      return this.#run(
        "UPDATE sent SET state = ?, stored_at = ? WHERE id = ? AND state = 'expired'",
        [state, storedAt, id],
      ) > 0;
    }
    this.#run("DELETE FROM outbox WHERE id = ?", [id]);
    this.#add({ ...messageOf(row), state, storedAt });
    return true;
  }

  #add(message: StoredMessage & { state: SentState; storedAt: number | null }): void {
    const { id, at, text, state, storedAt } = message;
    this.#run(
      "INSERT OR IGNORE INTO sent (id, at, text, state, stored_at) VALUES (?, ?, ?, ?, ?)",
      [id, Math.trunc(at), text, state, storedAt === null ? null : Math.trunc(storedAt)],
    );
    this.#run("DELETE FROM sent WHERE seq <= (SELECT MAX(seq) FROM sent) - ?", [this.#maxSent]);
  }

  #run(sql: string, values: (string | number | null)[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes);
  }
}
