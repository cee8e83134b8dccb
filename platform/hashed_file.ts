/**
 * An open staging file that is hashed on the way: what is written, and what an earlier run has left.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import type { RawFile, RawFileSystem } from "./raw_file.ts";

/** A staging file that is being written. Operations follow each other; none may overlap another. */
export interface OpenFile {
  /**
   * Writes all of `chunk` behind what is there. Resolves with memory of the same length to go on with: that
   * of `chunk`, or other memory, and then `chunk` is detached and may still be on its way: its failure is that
   * of the next call. After a failure only `sync()`, `cut()` and `close()` may follow.
   */
  write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** SHA-256 in hex of the first `offset` bytes; a shorter file is an error. */
  prefixSha256(offset: number): Promise<string>;
  /** Cuts the file to `offset` bytes, behind which the next chunk goes. */
  continueAt(offset: number): Promise<void>;
  /** SHA-256 in hex of what is there. */
  sha256Hex(): Promise<string>;
  /** Flushes data and size to disk, and resolves with how many bytes that are, also after a failed write. */
  sync(): Promise<number>;
  /** Cuts the file, whose digest is then unknown: only `sync()` and `close()` may follow. */
  cut(length: number): Promise<void>;
  /** Closes it. */
  close(): Promise<void>;
}

/** What is read at once of a file that is checked, in bytes. */
const READ_BYTES = 1024 * 1024;

/** What a {@linkcode HashedFile} begins with. */
export interface HashedFileOptions {
  /** How many bytes the file has. @default 0 */
  length?: number;
  /** Offsets at which somebody may want to go on. */
  marks?: readonly number[];
}

/** An {@linkcode OpenFile} over a file of the system; hashes on the thread that calls it. */
export class HashedFile implements OpenFile {
  readonly #file: RawFile;
  /** States of the hash at offsets at which somebody may want to go on. */
  readonly #marks = new Map<number, Hash | undefined>();
  #hash = createHash("sha256");
  /** How many bytes {@linkcode #hash} has seen; the file's position, while reading. */
  #hashed = 0;
  #length: number;

  /** Takes an open file at its beginning; at the offsets `marks` the hash is remembered when it passes. */
  constructor(file: RawFile, { length = 0, marks = [] }: HashedFileOptions = {}) {
    this.#file = file;
    this.#length = length;
    for (const mark of marks) this.#marks.set(mark, undefined);
  }

  async write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const writing = writeAll(this.#file, chunk, (count) => this.#length += count);
    // While the bytes are on their way to the disk; after a failed write nobody asks for the digest.
    this.#hash.update(chunk);
    await writing;
    this.#hashed += chunk.length;
    return chunk;
  }

  async prefixSha256(offset: number): Promise<string> {
    return (await this.#hashAt(offset)).copy().digest("hex");
  }

  async continueAt(offset: number): Promise<void> {
    const hash = await this.#hashAt(offset);
    this.#hash = hash.copy();
    this.#hashed = offset;
    this.#marks.clear();
    await this.#file.truncate(offset);
    this.#length = offset;
    await this.#file.seek(offset);
  }

  // deno-lint-ignore require-await -- a failure of the hash is a rejection, as in a worker
  async sha256Hex(): Promise<string> {
    return this.#hash.copy().digest("hex");
  }

  async sync(): Promise<number> {
    const length = this.#length;
    await this.#file.sync();
    return length;
  }

  async cut(length: number): Promise<void> {
    await this.#file.truncate(length);
    this.#length = length;
  }

  // deno-lint-ignore require-await -- a failed close is a rejection, as in a worker
  async close(): Promise<void> {
    this.#file.close();
  }

  /** The hash of the first `offset` bytes, read where it is not known. */
  async #hashAt(offset: number): Promise<Hash> {
    if (offset === 0) return createHash("sha256");
    const known = this.#marks.get(offset);
    if (known !== undefined) return known;
    if (offset < this.#hashed || this.#hashed === 0) {
      this.#hash = createHash("sha256");
      this.#hashed = 0;
      await this.#file.seek(0);
    }
    for (const mark of [...this.#marks.keys()].sort((a, b) => a - b)) {
      if (mark <= this.#hashed || mark >= offset) continue;
      await this.#hashUpTo(mark);
      this.#marks.set(mark, this.#hash.copy());
    }
    await this.#hashUpTo(offset);
    const hash = this.#hash.copy();
    this.#marks.set(offset, hash);
    return hash;
  }

  async #hashUpTo(offset: number): Promise<void> {
    await readInto(this.#file, { bytes: offset - this.#hashed, hash: this.#hash });
    this.#hashed = offset;
  }
}

/** SHA-256 in hex of a regular file that has `bytes` bytes, or undefined when it is shorter or longer. */
export async function fileSha256(
  files: RawFileSystem,
  { path, bytes }: { path: string; bytes: number },
): Promise<string | undefined> {
  if ((await files.look(path)).size !== bytes) return undefined;
  const file = await files.read(path);
  try {
    const hash = createHash("sha256");
    await readInto(file, { bytes, hash });
    return hash.digest("hex");
  } finally {
    file.close();
  }
}

/** Writes all of `bytes`, however few the system takes at once. */
export async function writeAll(
  file: RawFile,
  bytes: Uint8Array,
  wrote: (count: number) => void = () => {},
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const count = await file.write(bytes.subarray(written));
    if (count === 0) throw new Error("the system wrote nothing");
    written += count;
    wrote(count);
  }
}

/** Feeds the next `bytes` bytes to `hash`; one piece is hashed while the next is read. */
async function readInto(
  file: RawFile,
  { bytes, hash }: { bytes: number; hash: Hash },
): Promise<void> {
  let left = bytes;
  const size = Math.min(READ_BYTES, bytes);
  let [into, spare] = [new Uint8Array(size), new Uint8Array(left > size ? size : 0)];
  let reading = left > 0 ? file.read(into) : undefined;
  while (reading !== undefined) {
    const count = await reading;
    if (count === null) throw new Error(`the file ends ${left} bytes early`);
    left -= count;
    const piece = into.subarray(0, count);
    [into, spare] = [spare, into];
    reading = left > 0 ? file.read(into.subarray(0, Math.min(left, into.length))) : undefined;
    hash.update(piece);
  }
}
