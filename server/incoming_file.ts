/**
 * One file on its way in: its bytes, the room that they fill, and its publication.
 *
 * @module
 */

import { basename } from "node:path";
import type { StagedFile } from "../platform/durable_file.ts";
import type { Room } from "./room.ts";
import { inWords } from "./transfer_error.ts";

/** A file as it was published. */
export interface PublishedFile {
  /** Where it lies. */
  path: string;
  /** Its path below the client's folder, with `/` between the names. */
  name: string;
  /** Its final name. */
  as: string;
  bytes: number;
  sha256: string;
}

/** One transfer; whatever is not published is kept for another connection, unless `isKept` says no. */
export class IncomingFile implements AsyncDisposable {
  /** Whether unfinished bytes stay. */
  isKept = true;
  readonly #staged: StagedFile;
  readonly #target: { root: string; path: readonly string[]; size: number };
  readonly #room: Room;
  #isDone = false;
  #isSettled = false;

  /** Made by `Vault`. */
  constructor(
    staged: StagedFile,
    target: { root: string; path: readonly string[]; size: number; room: Room },
  ) {
    this.#staged = staged;
    this.#target = target;
    this.#room = target.room;
  }

  /** Offsets worth proposing, largest first; none beyond the announced size. */
  get proposals(): readonly number[] {
    return this.#staged.proposals.filter((offset) => offset <= this.#target.size);
  }

  /** Whether it has been published and recorded. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** SHA-256 in hex of what is here up to `offset`; rejects with a TransferError. */
  async prefixSha256(offset: number): Promise<string> {
    return await inWords(this.#staged.prefixSha256(offset));
  }

  /** Drops what is behind `offset`, where the next chunk goes; rejects with a TransferError. */
  async continueAt(offset: number): Promise<void> {
    await inWords(this.#staged.continueAt(offset));
  }

  /** Writes a chunk and resolves with memory to go on with; rejects with a TransferError, then always. */
  async write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = chunk;
    const spare = await inWords(this.#staged.write(chunk));
    this.#room.wrote(length);
    return spare;
  }

  /** Publishes the file: exact length, digest when given, synced, under a name of its own. */
  async publish(expectedSha256?: string): Promise<PublishedFile> {
    const { root, path: segments, size } = this.#target;
    const { path, as, sha256 } = await inWords(this.#staged.publish({
      root,
      segments,
      expectedBytes: size,
      ...(expectedSha256 === undefined ? {} : { expectedSha256 }),
    }));
    return { path, name: as.join("/"), as: basename(path), bytes: size, sha256 };
  }

  /** Clears up after a published file, once it is recorded. */
  async settle(): Promise<void> {
    this.#isDone = true;
    this.#isSettled = true;
    await this.#staged.settle();
    this.#room[Symbol.dispose]();
  }

  /** Deletes what there is. */
  async discard(): Promise<void> {
    this.#isDone = true;
    try {
      await inWords(this.#staged.discard());
    } finally {
      this.#room[Symbol.dispose]();
    }
  }

  /** Makes what there is durable and closes; how many bytes are surely kept. */
  async suspend(): Promise<number> {
    if (this.#isDone) return 0;
    this.#isDone = true;
    try {
      return await this.#staged.suspend();
    } finally {
      this.#room[Symbol.dispose]();
    }
  }

  /** Keeps or deletes what has not been published. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return;
    if (this.isKept) await this.suspend();
    else await this.discard();
  }
}
