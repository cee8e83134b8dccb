/**
 * The one place that publishes received files, for both programs.
 *
 * Bytes gather in a staging file that nobody else can reach. It gets its final name only when its length and
 * digest are right and it is on disk, and that name is created exclusively: at every moment, also of a power
 * cut, the final name is either free, somebody else's untouched file, or the whole new file.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { DurableFileError, durableFileError, systemCode } from "./durable_file_error.ts";
import { type FileSystem, systemFiles, type WritableFile } from "./file_system.ts";
import { placeFile } from "./place_file.ts";

export { type DurableFileCode, DurableFileError } from "./durable_file_error.ts";

/** Where {@linkcode StagedFile.create} makes its file. */
export interface StagingOptions {
  /** A directory of our own, made with mode 0700; on the file system where the file shall end up. */
  stagingDirectory: string;
  /** Name of the staging file: 1 to 64 letters, digits, `_` or `-`, never used twice. */
  id: string;
  /** @default the machine's files */
  files?: FileSystem;
}

/** What {@linkcode StagedFile.publish} checks, and where it puts the file. */
export interface PublishOptions {
  /** The directory that must hold the file; made if missing. A link in its place is refused. */
  root: string;
  /** The path below `root`, already checked by the gate for names: folders and the file's name. */
  segments: readonly string[];
  /** Exact number of bytes. */
  expectedBytes: number;
  /** SHA-256 in lower-case hex; without it, whatever arrived is taken. */
  expectedSha256?: string;
}

/** A file that is on disk under its final name. */
export interface PublishedFile {
  /** Where it lies. */
  readonly path: string;
  /** Its path below the root; the last one differs from what was asked for when that was taken. */
  readonly as: readonly string[];
  /** SHA-256 in lower-case hex. */
  readonly sha256: string;
}

const STAGING_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** A file that is being received. */
export class StagedFile implements AsyncDisposable, Disposable {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #hash = createHash("sha256");
  #file: WritableFile | undefined;
  #bytes = 0;
  #isBusy = false;
  #isStaged = true;
  #failure: DurableFileError | undefined;

  private constructor(path: string, { file, files }: { file: WritableFile; files: FileSystem }) {
    this.#path = path;
    this.#file = file;
    this.#files = files;
  }

  /** Creates the staging file, which must not exist; rejects with {@linkcode DurableFileError}. */
  static async create(options: StagingOptions): Promise<StagedFile> {
    const { stagingDirectory, id, files = systemFiles } = options;
    if (!STAGING_ID.test(id)) {
      throw new TypeError(`Cannot stage file as "${id}": it is no plain id`);
    }
    const path = join(stagingDirectory, id);
    try {
      await prepareStaging(files, stagingDirectory);
      return new StagedFile(path, { file: await files.create(path), files });
    } catch (error) {
      throw durableFileError(`create staging file "${path}"`, error);
    }
  }

  /** How many bytes have been written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 of what has been written so far, in lower-case hex. */
  sha256Hex(): string {
    return this.#hash.copy().digest("hex");
  }

  /**
   * Appends all of `chunk`, which may be reused once this resolves. One call at a time. After the first
   * failure every further call, and `publish()`, fails with the same error.
   */
  async write(chunk: Uint8Array): Promise<void> {
    const file = this.#take("write");
    try {
      const writing = writeAll(file, chunk);
      // While the bytes are on their way to the disk; a failed write makes the digest worthless anyway.
      this.#hash.update(chunk);
      await writing;
      this.#bytes += chunk.length;
    } catch (error) {
      throw this.#fail("write received bytes", error);
    } finally {
      this.#isBusy = false;
    }
  }

  /**
   * Checks length and digest, flushes the file and gives it its final name, numbered where that is taken.
   * When it resolves, the whole file, of mode 0600, is there and survives a power cut; when it rejects, with
   * {@linkcode DurableFileError}, nothing is there and the staging file waits for `discard()`.
   */
  async publish(options: PublishOptions): Promise<PublishedFile> {
    const file = this.#take("publish");
    try {
      const sha256 = this.#check(options);
      await file.sync();
      this.#file = undefined;
      file.close();
      const { root, segments } = options;
      const as = await placeFile(this.#files, { from: this.#path, root, segments });
      this.#isStaged = false;
      return { path: join(root, ...as), as, sha256 };
    } catch (error) {
      throw this.#fail("publish file", error);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Closes and removes the staging file; does nothing after `publish()` or the second time. */
  async discard(): Promise<void> {
    this[Symbol.dispose]();
    if (!this.#isStaged) return;
    this.#isStaged = false;
    try {
      await this.#files.remove(this.#path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") {
        throw durableFileError(`remove staging file "${this.#path}"`, error);
      }
    }
  }

  /** Closes the staging file and leaves it for the next {@linkcode sweepStaging}; nothing can be written then. */
  [Symbol.dispose](): void {
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }

  /** The same as `discard()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  /** The open file for one operation, of which there must not be another. */
  #take(operation: string): WritableFile {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isBusy) throw new TypeError(`Cannot ${operation} staged file: it is busy`);
    if (this.#file === undefined) {
      throw new TypeError(`Cannot ${operation} staged file: it is closed`);
    }
    this.#isBusy = true;
    return this.#file;
  }

  #check({ expectedBytes, expectedSha256 }: PublishOptions): string {
    if (this.#bytes !== expectedBytes) {
      throw new DurableFileError(
        "bad_size",
        `Cannot publish file: it has ${this.#bytes} bytes, ${expectedBytes} were announced`,
      );
    }
    const sha256 = this.sha256Hex();
    if (expectedSha256 !== undefined && expectedSha256 !== sha256) {
      throw new DurableFileError(
        "hash",
        `Cannot publish file: its SHA-256 is ${sha256}, ${expectedSha256} was announced`,
      );
    }
    return sha256;
  }

  #fail(action: string, error: unknown): DurableFileError {
    this.#failure ??= durableFileError(action, error);
    return this.#failure;
  }
}

/** Removes what an earlier run has left in a staging directory, and says how many files that were. */
export async function sweepStaging(
  stagingDirectory: string,
  files: FileSystem = systemFiles,
): Promise<number> {
  try {
    await requireDirectory(files, stagingDirectory);
    const names = await files.list(stagingDirectory);
    for (const name of names) await files.remove(join(stagingDirectory, name));
    return names.length;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return 0;
    throw durableFileError(`sweep staging directory "${stagingDirectory}"`, error);
  }
}

async function prepareStaging(files: FileSystem, path: string): Promise<void> {
  try {
    await files.makeDirectory(path, 0o700);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    await requireDirectory(files, path);
  }
}

/** Refuses a link in the place of the staging directory: what is below it would not be ours. */
async function requireDirectory(files: FileSystem, path: string): Promise<void> {
  const { isDirectory, isSymlink } = await files.look(path);
  if (isDirectory && !isSymlink) return;
  throw new DurableFileError("denied", `Cannot stage files in "${path}": it is no directory`);
}

async function writeAll(file: WritableFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const count = await file.write(bytes.subarray(written));
    if (count === 0) throw new Error("the system wrote nothing");
    written += count;
  }
}
