/**
 * What receiving a file needs of a file system, as a port: names, and open files that hash what is written.
 * Here on the calling thread; `file_store.ts` has the same in a worker.
 *
 * @module
 */

import { fileSha256, HashedFile, type OpenFile } from "./hashed_file.ts";
import { type FileOperations, type RawFileSystem, systemRawFiles } from "./raw_file.ts";

export type { OpenFile } from "./hashed_file.ts";
export type { FileOperations, PathFacts } from "./raw_file.ts";

/** Operations on files that are being received; errors carry the system's `code`. */
export interface FileSystem extends FileOperations {
  /** Creates a file of mode 0600 that must not exist, and opens it. */
  create(path: string): Promise<OpenFile>;
  /**
   * Opens a file that an earlier run has left; a link in its place is refused. Nothing may be written before
   * `continueAt()`. The digests of the prefixes that end at `marks` cost one reading of the file in all.
   */
  reopen(path: string, marks: readonly number[]): Promise<OpenFile>;
  /** SHA-256 in hex of a regular file of exactly `bytes` bytes; undefined when it has more or fewer. */
  sha256(path: string, bytes: number): Promise<string | undefined>;
}

/** Files of a port below, hashed on the calling thread. */
export function hashingFiles(files: RawFileSystem): FileSystem {
  return {
    ...files,
    create: async (path) => new HashedFile(await files.create(path)),
    reopen: async (path, marks) => {
      const file = await files.reopen(path);
      try {
        return new HashedFile(file, { length: await file.size(), marks });
      } catch (error) {
        file.close();
        throw error;
      }
    },
    sha256: (path, bytes) => fileSha256(files, { path, bytes }),
  };
}

/** The machine's files. */
export const systemFiles: FileSystem = hashingFiles(systemRawFiles);
