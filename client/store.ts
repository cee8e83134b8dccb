/**
 * What the client must not forget: its outbox, its inbox, its journal, the files it received and a few facts, in `client.sqlite` in the data
 * directory. Several processes may have it open: the agent and any number of commands.
 *
 * @module
 */

import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { inTransaction, type Migration, openDatabase } from "../platform/database.ts";
import { Journal, JOURNAL_MIGRATION } from "./journal.ts";
import { Outbox, OUTBOX_MIGRATION } from "./outbox.ts";
import { messageOf, type StoredMessage, TEXT_COLUMN } from "./stored_message.ts";
import { UPLOAD_MIGRATION, UploadMemory } from "./upload_memory.ts";

/** A message of the server, as it stands. */
export interface InboxMessage extends StoredMessage {
  /** When it came, in milliseconds since 1970. */
  receivedAt: number;
  /** Whether somebody was shown it. */
  isShown: boolean;
}

/** A file of the server that lies on this machine. */
export interface ReceivedFile {
  /** The push's UUID. */
  id: string;
  /** Its final name. */
  as: string;
  /** Where it was put, absolute. */
  path: string;
  /** Its size. */
  bytes: number;
  /** SHA-256 of its bytes in lower-case hex. */
  sha256: string;
}

/** Messages that the inbox keeps; the oldest go first. More than a server may have waiting for one client. */
export const MAX_INBOX_MESSAGES = 10_000;
/** How long the inbox keeps messages that were shown, and so knows them again, in milliseconds: 30 days. */
export const INBOX_KEEP_MS = 30 * 24 * 3_600_000;
/** Received files that are known again when the server offers them once more; the oldest are forgotten first. */
export const MAX_RECEIVED_FILES = 10_000;
/** Time to wait for another process that is writing, in milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;
/** New messages after which the inbox is cut back again. */
const MESSAGES_PER_PRUNE = 500;

const FILE_NAME = "client.sqlite";
/** Each version of the client's tables, in order; a released one is never changed. */
export const CLIENT_MIGRATIONS: readonly Migration[] = [
  {
    name: "outbox, inbox and facts",
    sql: `
    CREATE TABLE outbox (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      at INTEGER NOT NULL,
      text TEXT NOT NULL,
      bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE inbox (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      at INTEGER NOT NULL,
      text TEXT NOT NULL,
      received_at INTEGER NOT NULL,
      shown INTEGER NOT NULL DEFAULT 0,
      told INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX inbox_untold ON inbox (shown, told);
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE received (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      path TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      sha256 TEXT NOT NULL,
      received_at INTEGER NOT NULL
    ) STRICT;
  `,
  },
  UPLOAD_MIGRATION,
  OUTBOX_MIGRATION,
  JOURNAL_MIGRATION,
];

type Database = ReturnType<typeof openDatabase>;
const RECEIVED = "id, name, path, bytes, sha256";

/** How a {@linkcode ClientStore} works. */
export interface ClientStoreOptions {
  /** Where the times of arrival come from. */
  clock: Pick<Clock, "wall">;
  /** Messages that the inbox keeps. @default {MAX_INBOX_MESSAGES} */
  maxInboxMessages?: number;
  /** Received files that are remembered. @default {MAX_RECEIVED_FILES} */
  maxReceivedFiles?: number;
  /** Own messages of which it is remembered what became of them. @default {MAX_SENT_MESSAGES} */
  maxSentMessages?: number;
  /** Entries of the journal. @default {MAX_JOURNAL_ENTRIES} */
  maxJournalEntries?: number;
}

/** The client's durable memory; every call has reached the disk when it returns. */
export class ClientStore implements Disposable {
  /** The messages of this machine. */
  readonly outbox: Outbox;
  /** What this machine notes while there is no server. */
  readonly journal: Journal;
  readonly #database: Database;
  readonly #clock: Pick<Clock, "wall">;
  readonly #maxInboxMessages: number;
  readonly #maxReceivedFiles: number;
  #receivedSincePrune = 0;

  /** Opens or creates the file in `directory`; throws a `DatabaseError` with a hint when it cannot. */
  constructor(directory: string, options: ClientStoreOptions) {
    this.#clock = options.clock;
    this.#maxInboxMessages = options.maxInboxMessages ?? MAX_INBOX_MESSAGES;
    this.#maxReceivedFiles = options.maxReceivedFiles ?? MAX_RECEIVED_FILES;
    this.#database = openDatabase(join(directory, FILE_NAME), {
      migrations: CLIENT_MIGRATIONS,
      busyTimeoutMs: BUSY_TIMEOUT_MS,
    });
    const { clock, maxSentMessages: maxSent, maxJournalEntries: maxEntries } = options;
    this.outbox = new Outbox(this.#database, { maxSent });
    this.journal = new Journal(this.#database, { clock, maxEntries });
    this.#prune();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Puts messages of the server into the inbox, all or none; those whose ids were not there already. */
  receive(messages: readonly StoredMessage[]): StoredMessage[] {
    const fresh = inTransaction(
      this.#database,
      () =>
        messages.filter(({ id, at, text }) =>
          this.#run(
            "INSERT OR IGNORE INTO inbox (id, at, text, received_at) VALUES (?, ?, ?, ?)",
            [id, Math.trunc(at), text, this.#now()],
          ) > 0
        ),
    );
    this.#receivedSincePrune += fresh.length;
    if (this.#receivedSincePrune >= MESSAGES_PER_PRUNE) this.#prune();
    return fresh;
  }

  /** The last `limit` messages of the server, or of those that nobody has been shown; the oldest first. */
  inbox(limit: number, { onlyUnshown = false }: { onlyUnshown?: boolean } = {}): InboxMessage[] {
    return this.#database.prepare(
      `SELECT id, at, ${TEXT_COLUMN}, received_at, shown FROM inbox WHERE shown = 0 OR ?
       ORDER BY seq DESC LIMIT ?`,
    ).all(onlyUnshown ? 0 : 1, limit).map((row) => ({
      ...messageOf(row),
      receivedAt: Number(row.received_at),
      isShown: row.shown === 1,
    })).reverse();
  }

  /** At most `limit` messages of the server that nobody has been shown, the oldest first. */
  unshown(limit: number): StoredMessage[] {
    return this.#database
      .prepare(`SELECT id, at, ${TEXT_COLUMN} FROM inbox WHERE shown = 0 ORDER BY seq LIMIT ?`)
      .all(limit).map(messageOf);
  }

  /** Notes that messages were shown to somebody. */
  markShown(...ids: string[]): void {
    inTransaction(this.#database, () => {
      for (const id of ids) this.#run("UPDATE inbox SET shown = 1 WHERE id = ?", [id]);
    });
  }

  /** At most `limit` ids of messages that were shown and of which the server has not been told so. */
  untold(limit: number): string[] {
    return this.#database
      .prepare("SELECT id FROM inbox WHERE shown = 1 AND told = 0 ORDER BY seq LIMIT ?")
      .all(limit).map((row) => String(row.id));
  }

  /** Notes that the server was told that these were shown. */
  markTold(ids: readonly string[]): void {
    inTransaction(this.#database, () => {
      for (const id of ids) this.#run("UPDATE inbox SET told = 1 WHERE id = ?", [id]);
    });
  }

  /** Notes that a file of the server lies on this machine; does nothing when its id is there already. */
  recordReceived({ id, as, path, bytes, sha256 }: ReceivedFile): void {
    inTransaction(this.#database, () => {
      this.#run(
        "INSERT OR IGNORE INTO received (id, name, path, bytes, sha256, received_at) VALUES (?, ?, ?, ?, ?, ?)",
        [id, as, path, bytes, sha256, this.#now()],
      );
      this.#run("DELETE FROM received WHERE seq <= (SELECT MAX(seq) FROM received) - ?", [
        this.#maxReceivedFiles,
      ]);
    });
  }

  /** The file that was received under an id, also when somebody has moved it since. */
  receivedFile(id: string): ReceivedFile | undefined {
    const row = this.#database.prepare(`SELECT ${RECEIVED} FROM received WHERE id = ?`).get(id);
    return row === undefined ? undefined : receivedFileOf(row);
  }

  /** The `limit` files that were received last, the oldest of them first. */
  receivedFiles(limit: number): (ReceivedFile & { receivedAt: number })[] {
    return this.#database
      .prepare(`SELECT ${RECEIVED}, received_at FROM received ORDER BY seq DESC LIMIT ?`)
      .all(limit)
      .map((row) => ({ ...receivedFileOf(row), receivedAt: Number(row.received_at) })).reverse();
  }

  /** Keeps one fact under a key. */
  remember(key: string, value: string): void {
    this.#run("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", [key, value]);
  }

  /** The fact under a key, undefined when there is none. */
  recall(key: string): string | undefined {
    const row = this.#database.prepare("SELECT value FROM facts WHERE key = ?").get(key);
    return row === undefined ? undefined : String(row.value);
  }

  /** The memory of uploads to the server with this id, for one sender: nobody else uses the word `holder`. */
  uploads(server: string, holder: string): UploadMemory {
    return new UploadMemory(this.#database, { clock: this.#clock, server, holder });
  }

  #prune(): void {
    this.#receivedSincePrune = 0;
    this.#run("DELETE FROM inbox WHERE shown = 1 AND received_at < ?", [
      this.#now() - INBOX_KEEP_MS,
    ]);
    this.#run("DELETE FROM inbox WHERE seq <= (SELECT MAX(seq) FROM inbox) - ?", [
      this.#maxInboxMessages,
    ]);
  }

  #run(sql: string, values: (string | number)[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes);
  }

  #now(): number {
    return Math.trunc(this.#clock.wall());
  }
}

function receivedFileOf(row: Record<string, unknown>): ReceivedFile {
  return {
    id: String(row.id),
    as: String(row.name),
    path: String(row.path),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
  };
}
