/**
 * The one place that receives and publishes files, for both programs.
 *
 * Bytes gather in a staging file that nobody else can reach, and that outlives connections and programs. It
 * gets its final name only when its length and digest are right and it is on disk, and that name is created
 * exclusively: at every moment, also of a power cut, the final name is either free, somebody else's untouched
 * file, or the whole new file. The staging name stays until somebody has recorded the file durably, so that a
 * file whose record was cut off is recognised, and never gets a second name.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "./clock.ts";
import { DurableFileError, durableFileError, systemCode } from "./durable_file_error.ts";
import { DurableLength } from "./durable_length.ts";
import { failpoint } from "./failpoint.ts";
import { type FileSystem, type OpenFile, type PathFacts, systemFiles } from "./file_system.ts";
import { placeFile } from "./place_file.ts";
import { claimStaging, prepareStaging, removeStaged, stagingPath } from "./staging_directory.ts";
import { readNote, removeIfThere, type StagingNote } from "./staging_note.ts";

export { type DurableFileCode, DurableFileError } from "./durable_file_error.ts";
export {
  discardPartial,
  type PartialOptions,
  type SweepOptions,
  sweepStaging,
} from "./staging_directory.ts";

/** Which file {@linkcode StagedFile.open} opens. */
export interface StagingOptions {
  /** A directory of our own, made with mode 0700; on the file system where the file shall end up. */
  stagingDirectory: string;
  /** The directory above it, where that is our own as well and shall be no link either. */
  stagingTop?: string;
  /** Name of the staging file: 1 to 64 letters, digits, `_` or `-`; the transfer's id. */
  id: string;
  /** @default the machine's files */
  files?: FileSystem;
  /** Milliseconds since some fixed moment. @default the machine's clock */
  now?: () => number;
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

/** What an open staging file begins with. */
interface Found {
  readonly file: OpenFile;
  readonly note: StagingNote;
  /** What was there; undefined for a new file. */
  readonly facts: PathFacts | undefined;
}

/** A file that is being received. One operation at a time. */
export class StagedFile implements AsyncDisposable {
  /** Offsets worth proposing to the sender, largest first, without 0; empty for a new file. */
  readonly proposals: readonly number[];
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #durable: DurableLength;
  readonly #claim: Disposable;
  #file: OpenFile | undefined;
  #bytes: number;
  /** Whether the file has a final name already, so that its bytes must never change. */
  #isLinked: boolean;
  /** Whether it is settled where the next chunk goes. */
  #isPositioned: boolean;
  #running: Promise<unknown> | undefined;
  #isKept = true;
  #failure: DurableFileError | undefined;

  private constructor(
    path: string,
    { file, note, facts }: Found,
    { files, now, claim }: { files: FileSystem; now: () => number; claim: Disposable },
  ) {
    this.#path = path;
    this.#file = file;
    this.#files = files;
    this.#claim = claim;
    this.#bytes = facts?.size ?? 0;
    this.#durable = new DurableLength(path, { files, now, note, bytes: facts?.size });
    this.#isLinked = (facts?.names ?? 1) > 1;
    this.#isPositioned = this.#bytes === 0;
    this.proposals = proposalsOf({ bytes: this.#bytes, note, isLinked: this.#isLinked });
  }

  /**
   * Creates a staging file, or opens what an earlier connection or run has left under the id. Rejects with
   * {@linkcode DurableFileError}; `denied` where anything but a regular file of our own is in the way.
   */
  static async open(options: StagingOptions): Promise<StagedFile> {
    const { stagingDirectory, stagingTop, id, files = systemFiles } = options;
    const path = stagingPath(stagingDirectory, id);
    const now = options.now ?? (() => systemClock.now());
    using stack = new DisposableStack();
    try {
      const claim = stack.use(claimStaging(path));
      await prepareStaging(files, { path: stagingDirectory, top: stagingTop });
      const staged = new StagedFile(path, await openStaging(files, path), { files, now, claim });
      stack.move();
      return staged;
    } catch (error) {
      throw durableFileError(`open staging file "${path}"`, error);
    }
  }

  /** How many bytes there are. */
  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 in lower-case hex of the first `offset` bytes; the first call for an old file reads it. */
  async prefixSha256(offset: number): Promise<string> {
    if (offset > this.#bytes) {
      throw new RangeError(`Cannot hash ${offset} bytes: the staged file has ${this.#bytes}`);
    }
    return await this.#operate("check staged file", (file) => file.prefixSha256(offset));
  }

  /** Cuts the file to `offset` bytes, behind which the next chunk goes; 0 starts over. */
  async continueAt(offset: number): Promise<void> {
    if (offset > this.#bytes) {
      throw new RangeError(
        `Cannot continue at ${offset}: the staged file has ${this.#bytes} bytes`,
      );
    }
    await this.#operate("continue staged file", async (file) => {
      if (this.#isLinked && offset < this.#bytes) await this.#startAnew(file);
      else if (!this.#isPositioned || offset < this.#bytes) await this.#cutTo(file, offset);
      this.#isPositioned = true;
    });
  }

  /**
   * Adds `chunk`, and syncs now and then. Resolves with memory of the same length to go on with: `chunk`
   * itself, or other memory, and then `chunk` is detached. Rejects with {@linkcode DurableFileError}, and then
   * everything but `suspend()` and `discard()` fails with the same error.
   */
  async write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = chunk;
    return await this.#operate("write received bytes", async (file) => {
      if (!this.#isPositioned) throw new Error("nobody has said where to continue");
      if (this.#isLinked) await this.#refuseMore();
      const spare = await file.write(chunk);
      this.#bytes += length;
      await this.#durable.checkpointIfDue(file, this.#bytes);
      return spare;
    });
  }

  /** SHA-256 in lower-case hex of what is there. */
  async sha256Hex(): Promise<string> {
    return await this.#operate("hash staged file", (file) => this.#digest(file));
  }

  /**
   * Checks length and digest, flushes the file and gives it its final name, numbered where that is taken; or
   * finds the name that it got before the program died. When it resolves, the whole file, of mode 0600, is
   * there and survives a power cut, and the staging name stays until {@linkcode settle}. When it rejects, with
   * {@linkcode DurableFileError}, nothing is there.
   */
  async publish(options: PublishOptions): Promise<PublishedFile> {
    failpoint("after_last_byte");
    return await this.#operate("publish file", async (file) => {
      const sha256 = await this.#check(file, options);
      failpoint("after_hash");
      await this.#durable.sync(file);
      this.#file = undefined;
      await file.close();
      failpoint("after_fsync");
      const { root, segments } = options;
      const placement = { from: this.#path, segments, bytes: this.#bytes, sha256 };
      const as = await placeFile(this.#files, { root, ...placement });
      this.#isLinked = true;
      return { path: join(root, ...as), as, sha256 };
    });
  }

  /** Removes the staging name and the note, once the published file is recorded; what stays is swept later. */
  async settle(): Promise<void> {
    try {
      await this.#remove();
    } catch {
      // The file is published and recorded: the sweep finds that out, too.
    }
  }

  /** Makes durable what is there and closes the file, for another time; how many bytes are surely there. */
  async suspend(): Promise<number> {
    const file = await this.#end();
    try {
      if (file !== undefined) await this.#durable.syncAndClose(file, this.#isLinked);
      if (!this.#isKept) return 0;
      return this.#isLinked ? this.#durable.synced : await this.#durable.note();
    } finally {
      this.#claim[Symbol.dispose]();
    }
  }

  /** Closes and removes the staging file and what belongs to it; a final name stays. */
  async discard(): Promise<void> {
    try {
      await this.#remove();
    } catch (error) {
      throw durableFileError(`remove staging file "${this.#path}"`, error);
    }
  }

  /** The same as `suspend()`, unless the file was settled or discarded: bytes never go by accident. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isKept) await this.suspend();
  }

  /** Runs one operation on the open file; its failure is that of all that follow. */
  async #operate<T>(action: string, run: (file: OpenFile) => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#running !== undefined) {
      throw new TypeError(`Cannot ${action}: the staged file is busy`);
    }
    if (this.#file === undefined) {
      throw new TypeError(`Cannot ${action}: the staged file is closed`);
    }
    const running = run(this.#file);
    this.#running = running;
    try {
      return await running;
    } catch (error) {
      this.#failure = durableFileError(action, error);
      throw this.#failure;
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends the use of the file, after the operation under way. */
  async #end(): Promise<OpenFile | undefined> {
    try {
      await this.#running;
    } catch {
      // Whoever started it is told.
    }
    const file = this.#file;
    this.#file = undefined;
    return file;
  }

  #digest(file: OpenFile): Promise<string> {
    return this.#isPositioned ? file.sha256Hex() : file.prefixSha256(this.#bytes);
  }

  async #check(
    file: OpenFile,
    { expectedBytes, expectedSha256 }: PublishOptions,
  ): Promise<string> {
    if (this.#bytes !== expectedBytes) {
      throw new DurableFileError(
        "bad_size",
        `Cannot publish file: it has ${this.#bytes} bytes, ${expectedBytes} were announced`,
      );
    }
    const sha256 = await this.#digest(file);
    if (expectedSha256 !== undefined && expectedSha256 !== sha256) {
      throw new DurableFileError(
        "hash",
        `Cannot publish file: its SHA-256 is ${sha256}, ${expectedSha256} was announced`,
      );
    }
    return sha256;
  }

  async #cutTo(file: OpenFile, offset: number): Promise<void> {
    await this.#durable.lower(offset);
    await file.continueAt(offset);
    this.#bytes = offset;
  }

  /** Leaves the file that has a final name to that name, and goes on with an empty one. */
  async #startAnew(file: OpenFile): Promise<void> {
    this.#file = undefined;
    await file.close();
    await removeIfThere(this.#files, this.#path);
    this.#file = await this.#files.create(this.#path);
    this.#isLinked = false;
    this.#bytes = 0;
    this.#durable.restart();
  }

  /** The sender has more bytes than a file that has its final name already: next time it starts over. */
  async #refuseMore(): Promise<never> {
    await removeStaged(this.#files, this.#path);
    throw new DurableFileError(
      "bad_size",
      "Cannot add bytes to file: it has its final name already",
    );
  }

  async #remove(): Promise<void> {
    const file = await this.#end();
    try {
      await file?.close();
    } catch {
      // The file is about to be removed.
    }
    try {
      if (this.#isKept) await removeStaged(this.#files, this.#path);
    } finally {
      this.#isKept = false;
      this.#claim[Symbol.dispose]();
    }
  }
}

function proposalsOf(
  { bytes, note, isLinked }: { bytes: number; note: StagingNote; isLinked: boolean },
): number[] {
  if (bytes === 0) return [];
  return note.synced > 0 && note.synced < bytes && !isLinked ? [bytes, note.synced] : [bytes];
}

async function openStaging(files: FileSystem, path: string): Promise<Found> {
  const note = await readNote(files, path);
  try {
    return { file: await files.create(path), note, facts: undefined };
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
  const facts = await files.look(path);
  if (!facts.isFile) {
    throw new DurableFileError(
      "denied",
      `Cannot open staging file "${path}": it is no regular file`,
    );
  }
  return { file: await files.reopen(path, [note.synced, facts.size]), note, facts };
}
