/**
 * The machine's files, with tests' hands in between: any operation can fail, or be the last before the
 * program dies.
 *
 * @module
 */

import { type FileSystem, hashingFiles } from "./file_system.ts";
import { type RawFile, type RawFileSystem, systemRawFiles } from "./raw_file.ts";

/** Called ahead of every operation with its name and, where it has one, its path. */
export type BeforeOperation = (operation: string, path?: string) => void | Promise<void>;

/** The machine's files, with `before` called ahead of every operation but closing. */
export function watchedRawFiles(before: BeforeOperation): RawFileSystem {
  const open = async (opening: Promise<RawFile>) => watchedFile(await opening, before);
  const files = systemRawFiles;
  const after = async <T>(operation: string, path: string, run: () => Promise<T>): Promise<T> => {
    await before(operation, path);
    return await run();
  };
  return {
    create: (path) => after("create", path, () => open(files.create(path))),
    reopen: (path) => after("reopen", path, () => open(files.reopen(path))),
    read: (path) => after("read", path, () => open(files.read(path))),
    makeDirectory: (path, mode) =>
      after("makeDirectory", path, () => files.makeDirectory(path, mode)),
    look: (path) => after("look", path, () => files.look(path)),
    realPath: (path) => after("realPath", path, () => files.realPath(path)),
    link: (from, to) => after("link", to, () => files.link(from, to)),
    rename: (from, to) => after("rename", to, () => files.rename(from, to)),
    remove: (path) => after("remove", path, () => files.remove(path)),
    list: (path) => after("list", path, () => files.list(path)),
    syncDirectory: (path) => after("syncDirectory", path, () => files.syncDirectory(path)),
    readStart: (path, limit) => after("readStart", path, () => files.readStart(path, limit)),
    writeNew: (path, bytes) => after("writeNew", path, () => files.writeNew(path, bytes)),
  };
}

/** The same, hashed on the way. */
export function watchedFiles(before: BeforeOperation): FileSystem {
  return hashingFiles(watchedRawFiles(before));
}

/** An error of the system with a code such as `ENOSPC`. */
export function systemError(errno: string): Error {
  return Object.assign(new Error(`injected ${errno}`), { code: errno });
}

/** What fails when the `nth` call of an operation fails. */
export function failingAt(
  operation: string,
  { errno, nth = 1 }: { errno: string; nth?: number },
): BeforeOperation {
  let calls = 0;
  return (name) => {
    if (name === operation && ++calls === nth) throw systemError(errno);
  };
}

/** What happens when the program dies ahead of its `step`th operation: from then on, nothing. */
export function dyingAt(step: number): BeforeOperation & { readonly isDead: () => boolean } {
  let left = step;
  const die = () => {
    if (--left <= 0) throw new Error("the program is dead");
  };
  return Object.assign(die, { isDead: () => left <= 0 });
}

/** No hard links, as on FAT. */
export function withoutLinks(errno = "EPERM"): BeforeOperation {
  return (operation) => {
    if (operation === "link") throw systemError(errno);
  };
}

/** All of these, one after the other; none of them may take time. */
export function all(...parts: readonly BeforeOperation[]): BeforeOperation {
  return (operation, path) => {
    for (const part of parts) void part(operation, path);
  };
}

function watchedFile(file: RawFile, before: BeforeOperation): RawFile {
  return {
    write: async (bytes) => {
      await before("write");
      return await file.write(bytes);
    },
    read: async (into) => {
      await before("readBytes");
      return await file.read(into);
    },
    size: () => file.size(),
    seek: (offset) => file.seek(offset),
    truncate: async (length) => {
      await before("truncate");
      await file.truncate(length);
    },
    sync: async () => {
      await before("sync");
      await file.sync();
    },
    syncNow: () => {
      // The hands in between take no time here.
      void before("sync");
      file.syncNow();
    },
    close: () => file.close(),
  };
}
