/**
 * The few operations on files by which received files become durable, as a port, so that tests can let each
 * of them fail.
 *
 * @module
 */

import { syncDirectory } from "./sync_directory.ts";

/** An open file that is being written. */
export interface WritableFile {
  /** Writes some of `bytes` and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Flushes data and size to disk. */
  sync(): Promise<void>;
  /** Closes it. */
  close(): void;
}

/** What is at a path, without following a link there. */
export interface PathFacts {
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  /** The same for all names of one file and for no other; undefined where the system has no such thing. */
  readonly identity: string | undefined;
}

/** Operations on files; errors carry the system's `code`. */
export interface FileSystem {
  /** Creates a file of mode 0600 that must not exist, and opens it for writing. */
  create(path: string): Promise<WritableFile>;
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
}

/** The machine's files. */
export const systemFiles: FileSystem = {
  create: (path) => Deno.open(path, { write: true, createNew: true, mode: 0o600 }),
  makeDirectory: (path, mode) => Deno.mkdir(path, { mode }),
  look,
  realPath: (path) => Deno.realPath(path),
  link: (from, to) => Deno.link(from, to),
  rename: (from, to) => Deno.rename(from, to),
  remove: (path) => Deno.remove(path),
  list: (path) => Array.fromAsync(Deno.readDir(path), ({ name }) => name),
  syncDirectory,
};

async function look(path: string): Promise<PathFacts> {
  const { isDirectory, isSymlink, dev, ino } = await Deno.lstat(path);
  return { isDirectory, isSymlink, identity: ino === null ? undefined : `${dev}:${ino}` };
}
