/**
 * Backups of a running server: its database and its key in one file, made by a thread of its own, under the file's
 * name whole or not at all. Received files, and copies of files that wait for clients, are not in it.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import { type DiskSpace, isNoSpace } from "../platform/disk_space.ts";
import { isDiskFull } from "../platform/durable_file_error.ts";
import { quoted } from "../platform/option_value.ts";
import { readPrivateFile } from "../platform/private_file.ts";
import { formatSize } from "../platform/quantity.ts";
import { syncDirectory } from "../platform/sync_directory.ts";
import type { ServerFile } from "./store_record.ts";

/** What a backup cannot do without, besides the database: the files in the data directory that identify the server. */
export const IDENTITY_FILES = { key: "server-key.pem", certificate: "server-cert.pem" } as const;
/** The database in the data directory. */
export const DATABASE_FILE = "hbserver.sqlite";

/** What the worker is told. */
export interface BackupRequest {
  /** The live database. */
  from: string;
  /** An empty file. */
  to: string;
  files: ServerFile[];
}

/** What the worker answers. */
export type BackupReply = { made: true } | { made: false; message: string; full: boolean };

/** A backup that has been made. */
export interface Backup {
  /** Where it stands, absolute. */
  path: string;
  /** Its size. */
  bytes: number;
}

/** A backup that cannot be made, in words for the operator. */
export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: "bad_request" | "no_space";
  /** What to do about it. */
  readonly hint: string | undefined;

  /** Takes the code and the words. */
  constructor(
    code: BackupError["code"],
    message: string,
    options: ErrorOptions & { hint?: string } = {},
  ) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
  }
}

/** What {@linkcode Backups} need. */
export interface BackupsOptions {
  /** The data directory. */
  directory: string;
  /** Room on the disk of a directory. */
  spaceOf: (directory: string) => Promise<Pick<DiskSpace, "reserve">>;
}

/** Makes backups, one at a time. */
export class Backups implements AsyncDisposable {
  readonly #options: BackupsOptions;
  readonly #stopping = new AbortController();
  #making: Promise<Backup> | undefined;

  /** Touches nothing. */
  constructor(options: BackupsOptions) {
    this.#options = options;
  }

  /** Makes one under an absolute path at which there is nothing; rejects with {@linkcode BackupError}. */
  async make(path: string): Promise<Backup> {
    if (this.#making !== undefined) throw refusal(path, "another backup is under way");
    this.#making = this.#make(path);
    try {
      return await this.#making;
    } catch (error) {
      throw backupError(path, error);
    } finally {
      this.#making = undefined;
    }
  }

  /** Gives up a backup that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#making?.catch(() => {
      // Whoever asked for it is told.
    });
  }

  async #make(path: string): Promise<Backup> {
    if (!isAbsolute(path)) throw refusal(path, "it is no absolute path");
    if (await exists(path)) throw taken(path);
    const partial = `${path}.partial`;
    using _room = await this.#reserve(path);
    await create(partial, path);
    try {
      const from = join(this.#options.directory, DATABASE_FILE);
      const request = { from, to: partial, files: await this.#identity() };
      const reply = await inWorker(request, this.#stopping.signal);
      if (!reply.made) throw failure(path, reply);
      return { path, bytes: await publish(partial, path) };
    } finally {
      await clear(partial);
    }
  }

  async #identity(): Promise<ServerFile[]> {
    const files: ServerFile[] = [];
    for (const name of Object.values(IDENTITY_FILES)) {
      const content = await readPrivateFile(join(this.#options.directory, name));
      if (content !== undefined) files.push({ name, content });
    }
    return files;
  }

  /** As much room as the database takes with its log. */
  async #reserve(path: string): Promise<Disposable> {
    const { directory, spaceOf } = this.#options;
    let needed = 0;
    for (const end of ["", "-wal"]) {
      needed += await sizeOf(join(directory, DATABASE_FILE + end)) ?? 0;
    }
    const room = await (await spaceOf(dirname(path))).reserve(needed);
    if (!isNoSpace(room)) return room;
    const words = `it needs ${formatSize(needed)} and ${formatSize(room.free)} are free there`;
    throw failure(path, { message: words, full: true });
  }
}

/** Resolves with the worker's answer; rejects when it has none, or `signal` aborts. */
function inWorker(request: BackupRequest, signal: AbortSignal): Promise<BackupReply> {
  const name = import.meta.url.endsWith(".ts") ? "./backup_worker.ts" : "./backup_worker.js";
  const worker = new Worker(new URL(name, import.meta.url), { type: "module" });
  return new Promise<BackupReply>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<BackupReply>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    const stop = () => reject(new Error("the server is stopping"));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    worker.postMessage(request);
  }).finally(() => worker.terminate());
}

/** For its owner alone: it holds the server's key. */
async function create(partial: string, path: string): Promise<void> {
  try {
    (await Deno.open(partial, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw refusal(path, `${quoted(partial)} is in its way`, {
      hint: "another backup was cut off there; remove that file",
      cause: error,
    });
  }
}

/** Gives it its name, never over anything; its size in bytes. */
async function publish(partial: string, path: string): Promise<number> {
  using file = await Deno.open(partial, { read: true, write: true });
  await file.sync();
  try {
    await Deno.link(partial, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || await exists(path)) throw taken(path);
    await Deno.rename(partial, path); // A file system without hard links.
  }
  await syncDirectory(dirname(path));
  return (await file.stat()).size;
}

async function clear(partial: string): Promise<void> {
  for (const end of ["", "-wal", "-shm", "-journal"]) {
    await Deno.remove(partial + end).catch(() => {
      // Most of them are not there; one that stays names itself when it is in somebody's way.
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return await sizeOf(path) !== undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.lstat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function taken(path: string): BackupError {
  return refusal(path, "there is something by that name", {
    hint: "name it with the date, such as hb-2026-11-23.sqlite",
  });
}

function failure(path: string, { message, full }: { message: string; full: boolean }): BackupError {
  return new BackupError(
    full ? "no_space" : "bad_request",
    `Cannot back up to ${quoted(path)}: ${message}`,
  );
}

function refusal(
  path: string,
  why: string,
  options: ErrorOptions & { hint?: string } = {},
): BackupError {
  return new BackupError("bad_request", `Cannot back up to ${quoted(path)}: ${why}`, options);
}

/** Says what the system says. */
function backupError(path: string, error: unknown): BackupError {
  if (error instanceof BackupError) return error;
  if (isDiskFull(error)) return failure(path, { message: "the disk is full", full: true });
  if (error instanceof Deno.errors.NotFound) {
    return refusal(path, "its directory is not there", { cause: error });
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return refusal(path, "the server's user may not write there", { cause: error });
  }
  return refusal(path, error instanceof Error ? error.message : String(error), { cause: error });
}
