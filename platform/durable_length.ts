/**
 * How much of a staging file is surely on disk, its name included; and the note that says so to the next run.
 *
 * @module
 */

import { dirname } from "node:path";
import { CHECKPOINT_BYTES, CHECKPOINT_MS } from "../protocol/mod.ts";
import { failpoint } from "./failpoint.ts";
import type { FileSystem, OpenFile } from "./file_system.ts";
import { removeStaged } from "./staging_directory.ts";
import { readNote, type StagingNote, writeNote } from "./staging_note.ts";

/** What a {@linkcode DurableLength} begins with. */
export interface DurableLengthOptions {
  files: FileSystem;
  /** Milliseconds since some fixed moment. */
  now: () => number;
  /** What an earlier run has noted. */
  note: StagingNote;
  /** How many bytes an earlier run has left; undefined for a new file. */
  bytes: number | undefined;
}

/** The durable length of one staging file. */
export class DurableLength {
  readonly #path: string;
  readonly #files: FileSystem;
  readonly #now: () => number;
  #synced: number;
  #isNameDurable: boolean;
  #checkpointAt: number;
  #checkpointBytes: number;

  /** Takes the path of the staging file; touches nothing. */
  constructor(path: string, { files, now, note, bytes = 0 }: DurableLengthOptions) {
    this.#path = path;
    this.#files = files;
    this.#now = now;
    this.#synced = Math.min(note.synced, bytes);
    this.#isNameDurable = this.#synced > 0;
    this.#checkpointAt = now();
    this.#checkpointBytes = bytes;
  }

  /** How many bytes have been synced. */
  get synced(): number {
    return this.#synced;
  }

  /** Syncs and notes, where enough of the `bytes` that there are, or enough time, has passed since. */
  async checkpointIfDue(file: OpenFile, bytes: number): Promise<void> {
    const isDue = bytes - this.#checkpointBytes >= CHECKPOINT_BYTES ||
      this.#now() - this.#checkpointAt >= CHECKPOINT_MS;
    if (!isDue) return;
    await this.sync(file);
    await this.#writeNote();
    await this.#syncName();
    this.#checkpointAt = this.#now();
    this.#checkpointBytes = bytes;
    failpoint("after_checkpoint");
  }

  /** Syncs the bytes. */
  async sync(file: OpenFile): Promise<void> {
    this.#synced = await file.sync();
  }

  /** Notes that the file is about to be cut to `bytes`. */
  async lower(bytes: number): Promise<void> {
    this.#checkpointBytes = bytes;
    if (this.#synced <= bytes) return;
    this.#synced = bytes;
    await this.#writeNote();
  }

  /** Another, empty file has got the name. */
  restart(): void {
    this.#synced = this.#checkpointBytes = 0;
    this.#isNameDurable = false;
  }

  /**
   * Syncs and closes. Where the sync fails, nothing since the last good one can be relied on, and must not be
   * read again: the system may show bytes that it failed to write. `isFinal`: the file must not be cut.
   */
  async syncAndClose(file: OpenFile, isFinal: boolean): Promise<void> {
    try {
      await this.sync(file);
    } catch {
      if (!isFinal) await this.#cutToSynced(file);
    }
    try {
      await file.close();
    } catch {
      // What was synced is on disk; its digest is checked again before anything is built on it.
    }
  }

  /** Notes what has been synced, and makes the name durable; how many bytes can be relied on. */
  async note(): Promise<number> {
    if (this.#synced === 0) return 0;
    try {
      await this.#syncName();
      await this.#writeNote();
    } catch {
      // A full disk has no room for the note: the file's length is then the proposal.
    }
    return this.#isNameDurable ? this.#synced : 0;
  }

  async #cutToSynced(file: OpenFile): Promise<void> {
    try {
      await file.cut(this.#synced);
    } catch {
      this.#synced = 0;
      try {
        await removeStaged(this.#files, this.#path);
      } catch {
        // A disk that neither syncs nor cuts nor removes: the digest of the whole file has the last word.
      }
    }
  }

  async #writeNote(): Promise<void> {
    const note = { ...await readNote(this.#files, this.#path), synced: this.#synced };
    await writeNote(this.#files, { path: this.#path, note });
  }

  async #syncName(): Promise<void> {
    if (this.#isNameDurable) return;
    await this.#files.syncDirectory(dirname(this.#path));
    this.#isNameDurable = true;
  }
}
