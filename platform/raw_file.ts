/**
 * The few operations on files by which received files become durable, as a port, so that tests can let each
 * of them fail. Two implementations: one waits for the system in the background, one on the spot.
 *
 * @module
 */

import { DurableFileError } from "./durable_file_error.ts";
import { syncDirectory, syncDirectoryPromptly } from "./sync_directory.ts";

/** An open file. Operations follow each other; none may start before the one ahead has settled. */
export interface RawFile {
  /** Writes some of `bytes` and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Reads some bytes into `into` and says how many; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** How many bytes it has. */
  size(): Promise<number>;
  /** Goes to an offset from the beginning. */
  seek(offset: number): Promise<void>;
  /** Cuts the file, or fills it with zeros, to a length; the position stays. */
  truncate(length: number): Promise<void>;
  /** Flushes data and size to disk, in the background. */
  sync(): Promise<void>;
  /** The same, and this thread waits. */
  syncNow(): void;
  /** Closes it. */
  close(): void;
}

/** What is at a path, without following a link there. */
export interface PathFacts {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  /** In bytes. */
  readonly size: number;
  /** When its content last changed, in milliseconds since 1970-01-01 UTC; 0 where that is unknown. */
  readonly modifiedAt: number;
  /** How many names the file has; 1 where the system does not say. */
  readonly names: number;
  /** The same for all names of one file and for no other; undefined where the system has no such thing. */
  readonly identity: string | undefined;
}

/** Operations on names and on small files; errors carry the system's `code`. */
export interface FileOperations {
  /** Creates one directory that must not exist. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Says what is at a path. */
  look(path: string): Promise<PathFacts>;
  /** The path without links, `.` or `..`. */
  realPath(path: string): Promise<string>;
  /** Gives a file a second name, which must not exist. */
  link(from: string, to: string): Promise<void>;
  /** Renames a file, replacing what is there. */
  rename(from: string, to: string): Promise<void>;
  /** Removes the name of a file or of an empty directory; never follows a link there. */
  remove(path: string): Promise<void>;
  /** Names in a directory. */
  list(path: string): Promise<string[]>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** The beginning of a regular file, at most `limit` bytes of it; a link there is refused. */
  readStart(path: string, limit: number): Promise<Uint8Array>;
  /** Creates a file of mode 0600 that must not exist, with these bytes, which are then on disk. */
  writeNew(path: string, bytes: Uint8Array): Promise<void>;
}

/** Operations on files, those on open ones included. */
export interface RawFileSystem extends FileOperations {
  /** Creates a file of mode 0600 that must not exist, and opens it for writing and reading. */
  create(path: string): Promise<RawFile>;
  /** Opens a regular file for writing and reading, at its beginning; a link there is refused. */
  reopen(path: string): Promise<RawFile>;
  /** Opens a regular file for reading only; a link there is refused. */
  read(path: string): Promise<RawFile>;
}

const NEW_FILE = { read: true, write: true, createNew: true, mode: 0o600 };

/** The machine's files; whoever waits for the disk does not hold up the thread. */
export const systemRawFiles: RawFileSystem = {
  create: async (path) => rawFile(await Deno.open(path, NEW_FILE)),
  reopen: (path) => openRegular(path, { read: true, write: true }),
  read: (path) => openRegular(path, { read: true }),
  makeDirectory: (path, mode) => Deno.mkdir(path, { mode }),
  look: async (path) => facts(await Deno.lstat(path)),
  realPath: (path) => Deno.realPath(path),
  link: (from, to) => Deno.link(from, to),
  rename: (from, to) => Deno.rename(from, to),
  remove: (path) => Deno.remove(path),
  list: (path) => Array.fromAsync(Deno.readDir(path), ({ name }) => name),
  syncDirectory,
  readStart,
  writeNew: async (path, bytes) => {
    using file = await Deno.open(path, NEW_FILE);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  },
};

/**
 * The machine's files for a thread on which nothing else waits: what takes microseconds is done on the spot,
 * which is ten times as fast for small files. Only {@linkcode RawFile.sync}, reading and directories' syncs
 * wait in the background.
 */
export const promptRawFiles: RawFileSystem = {
  ...systemRawFiles,
  create: (path) => promptly(() => promptFile(Deno.openSync(path, NEW_FILE))),
  makeDirectory: (path, mode) => promptly(() => Deno.mkdirSync(path, { mode })),
  look: (path) => promptly(() => facts(Deno.lstatSync(path))),
  realPath: (path) => promptly(() => Deno.realPathSync(path)),
  link: (from, to) => promptly(() => Deno.linkSync(from, to)),
  rename: (from, to) => promptly(() => Deno.renameSync(from, to)),
  remove: (path) => promptly(() => Deno.removeSync(path)),
  syncDirectory: syncDirectoryPromptly,
};

function promptly<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(error);
  }
}

function rawFile(file: Deno.FsFile): RawFile {
  return {
    write: (bytes) => file.write(bytes),
    read: (into) => file.read(into),
    size: async () => (await file.stat()).size,
    seek: async (offset) => void await file.seek(offset, Deno.SeekMode.Start),
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    syncNow: () => file.syncSync(),
    close: () => file.close(),
  };
}

function promptFile(file: Deno.FsFile): RawFile {
  return { ...rawFile(file), write: (bytes) => promptly(() => file.writeSync(bytes)) };
}

function facts(info: Deno.FileInfo): PathFacts {
  const { isFile, isDirectory, isSymlink, size, mtime, nlink, dev, ino } = info;
  return {
    ...{ isFile, isDirectory, isSymlink, size },
    modifiedAt: mtime?.getTime() ?? 0,
    names: nlink ?? 1,
    identity: ino === null ? undefined : `${dev}:${ino}`,
  };
}

/** Opens a file that is there, and makes sure that it is the one that was looked at: no link, no device. */
async function openRegular(path: string, options: Deno.OpenOptions): Promise<RawFile> {
  return rawFile(await openSame(path, options));
}

async function openSame(path: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
  const seen = facts(await Deno.lstat(path));
  // Before it is opened: a pipe would wait for its other end.
  if (!seen.isFile) throw noFile(path);
  const file = await Deno.open(path, options);
  try {
    const { isFile, identity } = facts(await file.stat());
    if (!isFile || identity !== seen.identity) throw noFile(path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function noFile(path: string): DurableFileError {
  return new DurableFileError("denied", `Cannot open "${path}": it is no regular file`);
}

async function readStart(path: string, limit: number): Promise<Uint8Array> {
  using file = await openSame(path, { read: true });
  const bytes = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
