/**
 * Opens an SQLite database so that what is committed stays, and brings its tables up to date.
 *
 * Every call on the result blocks its thread; a service uses it in a worker. Traps of `node:sqlite`: a boolean
 * cannot be bound (use 0 and 1), errors of `exec()` carry no code (prepare what may fail), rows have no
 * prototype, and `VACUUM` and `ATTACH` are refused unless all permissions are given.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DatabaseError, databaseError, SQLITE_FULL, sqliteCode } from "./database_error.ts";
import { failpoint } from "./failpoint.ts";
import { quoted } from "./option_value.ts";

export { DatabaseError, SQLITE_FULL, sqliteCode } from "./database_error.ts";

/** One step of a database's tables. Steps are only ever added at the end; a released one never changes. */
export interface Migration {
  /** What it does, for the error when it fails. */
  readonly name: string;
  /** Statements, without transactions of their own. */
  readonly sql: string;
}

/** How {@linkcode openDatabase} opens. */
export interface DatabaseOptions {
  /** All steps since the first version; the database's version is the number of those it has. */
  migrations: readonly Migration[];
  /** Time to wait for another process that is writing, in milliseconds; the thread waits with it. */
  busyTimeoutMs: number;
  /** Pages of 4 KiB in the log after which a commit moves them into the database. @default {1000} */
  logPages?: number;
}

/** Path of a database that lives in memory and ends with its handle. */
export const IN_MEMORY = ":memory:";
/** What SQLite answers when it is asked for this kind of `auto_vacuum`. */
const INCREMENTAL = 2;
/** Size to which a log that had grown is cut back, in bytes. */
const JOURNAL_LIMIT_BYTES = 16 * 1024 * 1024;
/** Statements that one database keeps prepared; the oldest goes first. */
const MAX_STATEMENTS = 256;
/** Smallest page of SQLite, in bytes; no database is shorter. */
const MIN_PAGE_BYTES = 512;

/**
 * A database that prepares each statement once. Preparing it again and again would work, but what SQLite holds
 * for a statement is out of the collector's sight: a client that looks into its store every 2 s grew by half a
 * MiB a minute until a collection happened to run.
 */
class KeepingDatabase extends DatabaseSync {
  readonly #statements = new Map<string, StatementSync>();

  override prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = super.prepare(sql);
      const [oldest] = this.#statements.keys();
      if (this.#statements.size >= MAX_STATEMENTS && oldest !== undefined) {
        this.#statements.delete(oldest);
      }
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Opens or creates the database at `path` (mode 0600, in WAL mode, with every commit flushed to disk) and runs
 * the migrations that it lacks, each in a transaction. Throws {@linkcode DatabaseError} for a file that is no
 * database, cannot be written, is damaged, is held by another program, or comes from a newer program.
 * Its `prepare()` returns the same statement for the same text, which must not be in use twice at a time.
 */
export function openDatabase(
  path: string,
  { migrations, busyTimeoutMs, logPages }: DatabaseOptions,
): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (path !== IN_MEMORY) prepareFile(path);
    database = new KeepingDatabase(path, { timeout: busyTimeoutMs });
    configure(database, path);
    if (logPages !== undefined) ask(database, `PRAGMA wal_autocheckpoint = ${logPages}`);
    migrate(database, { path, migrations });
    return database;
  } catch (error) {
    database?.close();
    throw databaseError(path, error);
  }
}

/**
 * Runs `run` in a transaction that takes the right to write at once, and commits; when `run` throws, nothing
 * of it stays and the error is passed on. Must not be nested.
 */
export function inTransaction<T>(database: DatabaseSync, run: () => T): T {
  database.prepare("BEGIN IMMEDIATE").run();
  try {
    const result = run();
    database.prepare("COMMIT").run();
    return result;
  } catch (error) {
    // SQLite itself ends the transaction on errors such as a full disk.
    if (database.isTransaction) database.prepare("ROLLBACK").run();
    throw error;
  }
}

/**
 * Creates the file for its owner alone, before SQLite would with a looser mode, or looks at what is there.
 * Never opens a file that exists: to close it again would give up the locks that another connection of this
 * process holds on it (sqlite.org/howtocorrupt.html, 2.2).
 */
function prepareFile(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const { size } = Deno.statSync(path);
  // SQLite takes a file shorter than a page for an empty database and would write over it.
  if (size > 0 && size < MIN_PAGE_BYTES) {
    throw new DatabaseError(`Cannot use database ${quoted(path)}: it is no database`, {
      hint: "Move that file away, or restore the database from a backup",
    });
  }
  if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
}

function configure(database: DatabaseSync, path: string): void {
  // Takes effect only before the first table; later it would still write, for which a full disk has no room.
  if (ask(database, "PRAGMA auto_vacuum") !== INCREMENTAL) {
    ask(database, "PRAGMA auto_vacuum = INCREMENTAL");
  }
  const mode = ask(database, "PRAGMA journal_mode = WAL");
  if (mode !== "wal" && path !== IN_MEMORY) {
    throw new DatabaseError(
      `Cannot use database ${quoted(path)}: its file system cannot hold a write-ahead log`,
      { hint: "Put the data directory on a local disk with --data" },
    );
  }
  ask(database, "PRAGMA synchronous = FULL");
  ask(database, "PRAGMA foreign_keys = ON");
  ask(database, `PRAGMA journal_size_limit = ${JOURNAL_LIMIT_BYTES}`);
  // On macOS a plain fsync leaves data in the drive's cache.
  if (Deno.build.os === "darwin") {
    ask(database, "PRAGMA fullfsync = ON");
    ask(database, "PRAGMA checkpoint_fullfsync = ON");
  }
}

/** Runs a statement prepared, so that its errors carry SQLite's code, and returns the first value it answers. */
function ask(database: DatabaseSync, sql: string): unknown {
  return Object.values(database.prepare(sql).get() ?? {})[0];
}

function migrate(
  database: DatabaseSync,
  { path, migrations }: { path: string; migrations: readonly Migration[] },
): void {
  refuseNewer(database, { path, known: migrations.length });
  for (const [index, { name, sql }] of migrations.entries()) {
    const isNew = inTransaction(database, () => {
      // Inside the transaction: another process may have been faster.
      if (version(database) > index) return false;
      try {
        database.exec(sql);
      } catch (error) {
        throw new DatabaseError(
          `Cannot bring database ${quoted(path)} up to date: step "${name}" failed: ${
            error instanceof Error ? error.message : String(error)
          }`,
          {
            cause: error,
            hint: "Nothing was changed; the program of the last version still works",
          },
        );
      }
      ask(database, `PRAGMA user_version = ${index + 1}`);
      failpoint("database_migrating");
      return true;
    });
    if (isNew) failpoint("database_migrated");
  }
  // Whoever was faster may have been a newer program.
  proveWritable(database);
  refuseNewer(database, { path, known: migrations.length });
}

/** A database that cannot be written shows it now; one whose disk is full can be read, and written later. */
function proveWritable(database: DatabaseSync): void {
  try {
    inTransaction(database, () => ask(database, `PRAGMA user_version = ${version(database)}`));
  } catch (error) {
    if (sqliteCode(error) !== SQLITE_FULL) throw error;
  }
}

function refuseNewer(
  database: DatabaseSync,
  { path, known }: { path: string; known: number },
): void {
  const found = version(database);
  if (found <= known) return;
  throw new DatabaseError(
    `Cannot use database ${quoted(path)}: its version is ${found}, this program knows ${known}`,
    { hint: "Use the newer program that wrote it, or restore a backup from before the update" },
  );
}

function version(database: DatabaseSync): number {
  return Number(ask(database, "PRAGMA user_version"));
}
