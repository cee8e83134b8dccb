/**
 * What the client remembers of uploads that are not done, in its database: so that the same command, run again,
 * goes on under the same id. One row per path; of many files also which they are and which are stored.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../platform/clock.ts";
import { inTransaction, type Migration } from "../platform/database.ts";
import { PARTIAL_KEEP_MS } from "../protocol/mod.ts";

/** The tables. */
export const UPLOAD_MIGRATION: Migration = {
  name: "uploads that are not done",
  sql: `
    CREATE TABLE upload (
      server TEXT NOT NULL,
      path TEXT NOT NULL,
      id TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL,
      size INTEGER NOT NULL,
      mtime INTEGER NOT NULL,
      holder TEXT NOT NULL,
      at INTEGER NOT NULL,
      PRIMARY KEY (server, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE upload_part (
      id TEXT NOT NULL,
      part INTEGER NOT NULL,
      files TEXT NOT NULL,
      PRIMARY KEY (id, part)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE upload_stored (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      numbers TEXT NOT NULL
    ) STRICT;
    CREATE INDEX upload_stored_id ON upload_stored (id);
  `,
};

/** An upload that has begun. */
export interface RememberedUpload {
  /** The transfer's or manifest's id. */
  id: string;
  /** One file, or many under a manifest. */
  kind: "file" | "many";
  /** Size of the file in bytes; 0 of many. */
  size: number;
  /** Time of its last change in milliseconds since 1970, -1 when there is none; 0 of many. */
  mtime: number;
}

/** One file of a manifest as it was announced. */
export interface RememberedFile {
  /** Its number. */
  n: number;
  /** Its path below the folder, joined with `/`. */
  path: string;
  /** Its size in bytes. */
  size: number;
  /** Time of its last change in milliseconds since 1970, -1 when there is none. */
  mtime: number;
}

/** Files of a manifest in one row: few rows are written faster than many. */
const FILES_PER_PART = 1_000;

/** The uploads to one server. */
export class UploadMemory {
  readonly #database: DatabaseSync;
  readonly #clock: Pick<Clock, "wall">;
  readonly #server: string;
  readonly #holder: string;

  /** Takes the open database, the server's id, and a word that no other process has. */
  constructor(
    database: DatabaseSync,
    options: { clock: Pick<Clock, "wall">; server: string; holder: string },
  ) {
    this.#database = database;
    this.#clock = options.clock;
    this.#server = options.server;
    this.#holder = options.holder;
  }

  /** What was begun under this absolute path and is not done; undefined also when the server has forgotten it. */
  find(path: string): RememberedUpload | undefined {
    const row = this.#database
      .prepare("SELECT id, kind, size, mtime FROM upload WHERE server = ? AND path = ? AND at > ?")
      .get(this.#server, path, this.#now() - PARTIAL_KEEP_MS);
    if (row === undefined) return undefined;
    const kind = row.kind === "many" ? "many" : "file";
    return { id: String(row.id), kind, size: Number(row.size), mtime: Number(row.mtime) };
  }

  /** Notes that this process sends `path` now, instead of whatever was noted, and the `files` of a manifest. */
  begin(path: string, upload: RememberedUpload, files: readonly RememberedFile[] = []): void {
    const { id, kind, size, mtime } = upload;
    inTransaction(this.#database, () => {
      this.#prune();
      this.#run("DELETE FROM upload WHERE server = ? AND path = ?", [this.#server, path]);
      this.#run("INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [
        this.#server,
        path,
        id,
        kind,
        size,
        mtime,
        this.#holder,
        this.#now(),
      ]);
      this.#run("DELETE FROM upload_part WHERE id = ?", [id]);
      for (let at = 0; at < files.length; at += FILES_PER_PART) {
        const rows = files.slice(at, at + FILES_PER_PART)
          .map(({ n, path, size, mtime }) => [n, path, size, mtime]);
        this.#run("INSERT INTO upload_part VALUES (?, ?, ?)", [id, at, JSON.stringify(rows)]);
      }
    });
  }

  /** Whether no other process has begun to send `path` since this one did. */
  holds(path: string): boolean {
    const row = this.#database
      .prepare("SELECT holder FROM upload WHERE server = ? AND path = ?").get(this.#server, path);
    return row === undefined || row.holder === this.#holder;
  }

  /** Forgets an upload that is done or given up; one that another process has taken over stays. */
  forget(path: string): void {
    this.#fast(() =>
      inTransaction(this.#database, () => {
        this.#run("DELETE FROM upload WHERE server = ? AND path = ? AND holder = ?", [
          this.#server,
          path,
          this.#holder,
        ]);
        this.#sweep();
      })
    );
  }

  /** The files that were announced under a manifest. */
  files(id: string): RememberedFile[] {
    return this.#database
      .prepare("SELECT files FROM upload_part WHERE id = ? ORDER BY part").all(id)
      .flatMap((row) => JSON.parse(String(row.files)) as [number, string, number, number][])
      .map(([n, path, size, mtime]) => ({ n, path, size, mtime }));
  }

  /** The numbers of the files of a manifest that are stored. */
  stored(id: string): Set<number> {
    const rows = this.#database
      .prepare("SELECT numbers FROM upload_stored WHERE id = ?").all(id);
    return new Set(rows.flatMap((row) => JSON.parse(String(row.numbers)) as number[]));
  }

  /** Notes that files of a manifest are stored. */
  markStored(id: string, numbers: readonly number[]): void {
    const text = JSON.stringify(numbers);
    this.#fast(() =>
      this.#run("INSERT INTO upload_stored (id, numbers) VALUES (?, ?)", [id, text])
    );
  }

  #prune(): void {
    this.#run("DELETE FROM upload WHERE at <= ?", [this.#now() - PARTIAL_KEEP_MS]);
    this.#sweep();
  }

  #sweep(): void {
    this.#run("DELETE FROM upload_part WHERE id NOT IN (SELECT id FROM upload)", []);
    this.#run("DELETE FROM upload_stored WHERE id NOT IN (SELECT id FROM upload)", []);
  }

  /** Without a sync to the disk: a power cut may undo it, which costs a question to the server and no file. */
  #fast(run: () => void): void {
    this.#database.exec("PRAGMA synchronous = NORMAL");
    try {
      run();
    } finally {
      this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  #run(sql: string, values: (string | number)[]): void {
    this.#database.prepare(sql).run(...values);
  }

  #now(): number {
    return Math.trunc(this.#clock.wall());
  }
}
