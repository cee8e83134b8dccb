/**
 * The folder of files that wait for clients: one copy of each, however many clients wait for it.
 *
 * The copy is what is sent, so that nobody gets half of an old file and half of a new one; it goes when
 * nobody waits for it any more. Who waits for what stands in the store.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { DataDirectoryError } from "../platform/data_directory.ts";
import { type DiskSpace, isNoSpace } from "../platform/disk_space.ts";
import { syncDirectory } from "../platform/sync_directory.ts";
import {
  checkFileName,
  type Connection,
  FILE_CHUNK_BYTES,
  ProtocolError,
} from "../protocol/mod.ts";
import { OutgoingFile } from "./outgoing_file.ts";
import type { PushRecord } from "./store_record.ts";

/** Why a file cannot be pushed. */
export type SourceErrorCode = "bad_request" | "unreadable" | "no_space";

/** A file that cannot be pushed, in words for the operator. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** What kind of failure it is. */
  readonly code: SourceErrorCode;

  /** Takes the code and the words. */
  constructor(code: SourceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A file that may be pushed, looked at before anything is copied. */
export interface Source {
  /** Absolute. */
  path: string;
  /** The name under which it is offered. */
  name: string;
  bytes: number;
}

/** A complete copy, on disk. */
export interface Copy {
  /** Its name in the folder. */
  content: string;
  bytes: number;
  /** In hex. */
  sha256: string;
}

/** A copy that nobody waits for yet. */
export interface NewCopy extends Copy, AsyncDisposable {
  /** Lets the copy stay: there are rows that name it. */
  keep(): void;
}

/** Room on the disk, held for one copy. */
export interface CopyRoom extends Disposable {
  /** Notes bytes that have been written. */
  wrote(bytes: number): void;
}

/** Settings of an {@linkcode Outgoing}. */
export interface OutgoingOptions {
  /** The folder. */
  directory: string;
  /** A new name for a copy. */
  newId: () => string;
  /** Holds room for a copy, or says in words why there is none. */
  reserve: (bytes: number) => Promise<CopyRoom | string>;
}

/** Room for copies on a disk, kept free of what else is promised there. */
export function roomOn(findSpace: () => Promise<DiskSpace>): OutgoingOptions["reserve"] {
  return async (bytes) => {
    let space: DiskSpace;
    try {
      space = await findSpace();
    } catch {
      return UNKNOWN_SPACE; // The folder is gone, or may not be looked at: there is no room in it either way.
    }
    const answer = await space.reserve(bytes);
    if (!isNoSpace(answer)) return answer;
    if (answer.cause !== undefined) return UNKNOWN_SPACE;
    return `it needs ${bytes} bytes and the server's disk has room for ${answer.free}`;
  };
}

const UNKNOWN_SPACE = "the free space of the server's disk cannot be found out";

/** The folder of outgoing files of one server. */
export class Outgoing {
  #options: OutgoingOptions;
  #closing = new AbortController();
  /** Copies that no row names yet. */
  #making = new Set<string>();
  #copying = new Set<Promise<unknown>>();
  #turns = new Map<string, Connection>();

  /** Touches nothing; see {@linkcode Outgoing.prepare}. */
  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** Makes the folder; rejects with a DataDirectoryError when it cannot be used. */
  async prepare(): Promise<void> {
    const { directory } = this.#options;
    try {
      await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DataDirectoryError(`Cannot use "${directory}" for outgoing files: ${why}`, {
        hint: "choose another data directory with --data DIR",
        cause,
      });
    }
  }

  /** Removes copies that nobody waits for: `contents` gives those that somebody does. Returns how many went. */
  async sweep(contents: () => Promise<string[]>): Promise<number> {
    const making = new Set(this.#making);
    const found = await Array.fromAsync(Deno.readDir(this.#options.directory), ({ name }) => name);
    // Asked for after the folder was read: a copy that has got its rows meanwhile is among them.
    const wanted = new Set(await contents());
    const swept = found.filter((name) => !making.has(name) && !wanted.has(name));
    for (const name of swept) await this.discard(name);
    return swept.length;
  }

  /**
   * Copies a file; the result is on disk, and goes again when it is disposed of without having been kept.
   * Rejects with {@linkcode SourceError}, or with the reason of `signal`.
   */
  async copy(source: Source, signal?: AbortSignal): Promise<NewCopy> {
    const stop = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])]);
    const content = this.#options.newId();
    this.#making.add(content);
    const work = this.#copy(source, { content, stop });
    this.#copying.add(work);
    try {
      return this.#newCopy(await work);
    } catch (error) {
      await this.discard(content);
      this.#making.delete(content);
      throw error;
    } finally {
      this.#copying.delete(work);
    }
  }

  /** Opens the copy that a push sends; rejects with a CopyError. */
  async open({ content, bytes }: PushRecord): Promise<OutgoingFile> {
    return await OutgoingFile.open(this.#path(content), { bytes });
  }

  /** Removes a copy; one that cannot be removed now goes at the next start. */
  async discard(content: string): Promise<void> {
    try {
      await Deno.remove(this.#path(content));
    } catch {
      // Not there, or still open on Windows: either way sweep() has the last word.
    }
  }

  /** Lets one connection at a time fetch a push. The newest wins: an older one is most likely half dead. */
  takeTurn({ client, id }: PushRecord, connection: Connection): Disposable {
    const key = `${client}/${id}`;
    this.#turns.get(key)?.close();
    this.#turns.set(key, connection);
    return {
      [Symbol.dispose]: () => {
        if (this.#turns.get(key) === connection) this.#turns.delete(key);
      },
    };
  }

  /** Gives up what is being copied, and copies nothing more. */
  async close(): Promise<void> {
    this.#closing.abort(
      new SourceError("bad_request", "Cannot push files: the server is stopping"),
    );
    await Promise.allSettled(this.#copying);
  }

  #newCopy(copy: Copy): NewCopy {
    let kept = false;
    return {
      ...copy,
      keep: () => {
        kept = true;
      },
      [Symbol.asyncDispose]: async () => {
        if (!kept) await this.discard(copy.content);
        this.#making.delete(copy.content);
      },
    };
  }

  async #copy(
    source: Source,
    { content, stop }: { content: string; stop: AbortSignal },
  ): Promise<Copy> {
    stop.throwIfAborted();
    using file = await openSource(source.path);
    const before = await file.stat();
    const room = await this.#options.reserve(before.size);
    if (typeof room === "string") {
      throw new SourceError("no_space", `Cannot push "${source.path}": ${room}`);
    }
    using _room = room;
    const copy = await this.#write(file, { content, room, stop, source, size: before.size });
    const after = await file.stat();
    const unchanged = after.size === copy.bytes &&
      after.mtime?.getTime() === before.mtime?.getTime();
    if (unchanged) return copy;
    throw changed(source);
  }

  async #write(
    from: Deno.FsFile,
    { content, room, stop, source, size }: {
      content: string;
      room: CopyRoom;
      stop: AbortSignal;
      source: Source;
      /** What there is room for: a file that grows faster than it is copied would never end. */
      size: number;
    },
  ): Promise<Copy> {
    const buffer = new Uint8Array(FILE_CHUNK_BYTES);
    const hash = createHash("sha256");
    let bytes = 0;
    using to = await inWords(
      source,
      Deno.open(this.#path(content), { write: true, createNew: true, mode: 0o600 }),
    );
    while (true) {
      stop.throwIfAborted();
      const count = await readSource(from, { into: buffer, source });
      if (count === null) break;
      if (bytes + count > size) throw changed(source);
      const chunk = buffer.subarray(0, count);
      hash.update(chunk);
      for (let at = 0; at < count;) at += await inWords(source, to.write(chunk.subarray(at)));
      room.wrote(count);
      bytes += count;
    }
    await inWords(source, to.sync());
    await inWords(source, syncDirectory(this.#options.directory));
    return { content, bytes, sha256: hash.digest("hex") };
  }

  #path(content: string): string {
    return join(this.#options.directory, content);
  }
}

/** Looks at a file that is to be pushed; rejects with a {@linkcode SourceError} that says what is wrong. */
export async function lookAtSource(path: string): Promise<Source> {
  const name = basename(path);
  try {
    checkFileName(name);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new SourceError("bad_request", `Cannot push "${path}": ${cause.message}`, { cause });
  }
  let facts: Deno.FileInfo;
  try {
    facts = await Deno.stat(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  // Before it is opened: opening a pipe would wait for its other end.
  if (facts.isDirectory) {
    throw new SourceError("bad_request", `Cannot push "${path}": it is a directory`);
  }
  if (!facts.isFile) {
    throw new SourceError("bad_request", `Cannot push "${path}": it is no regular file`);
  }
  return { path, name, bytes: facts.size };
}

/** Opens a file that is to be pushed; rejects with a {@linkcode SourceError}. */
export async function openSource(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function readSource(
  file: Deno.FsFile,
  { into, source }: { into: Uint8Array; source: Source },
): Promise<number | null> {
  try {
    return await file.read(into);
  } catch (cause) {
    throw unreadable(source.path, cause);
  }
}

function changed({ path }: Source): SourceError {
  return new SourceError(
    "unreadable",
    `Cannot push "${path}": it changed while it was being copied`,
  );
}

function unreadable(path: string, cause: unknown): SourceError {
  const why = cause instanceof Deno.errors.NotFound
    ? "it does not exist"
    : cause instanceof Deno.errors.PermissionDenied
    ? "this user may not read it"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new SourceError("unreadable", `Cannot push "${path}": ${why}`, { cause });
}

/** Says what went wrong with the copy. */
async function inWords<T>(source: Source, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT") {
      throw new SourceError("no_space", `Cannot push "${source.path}": the server's disk is full`, {
        cause,
      });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SourceError(
      "bad_request",
      `Cannot push "${source.path}": copying it failed: ${why}`,
      {
        cause,
      },
    );
  }
}
