/**
 * The bytes of a classic connection, read in chunks whose boundaries are kept, with a wait that can end
 * by time, and as a source for a file's bytes.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import type { ByteSource } from "../protocol/mod.ts";

/** Largest chunk that is read at once, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/** Reads a classic connection; one caller at a time. */
export class ClassicInput implements ByteSource {
  #source: ByteSource;
  #clock: Clock;
  #buffer = new Uint8Array(CHUNK_BYTES);
  #reading: Promise<Uint8Array | null> | undefined;
  #left: Uint8Array = new Uint8Array(0);

  /** Wraps a connection's reader. */
  constructor(source: ByteSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The next chunk, null at the end, or "quiet" when none came within `ms` (undefined waits for ever). */
  async next(ms: number | undefined): Promise<Uint8Array | null | "quiet"> {
    if (this.#left.length > 0) return this.takeLeft();
    this.#reading ??= this.#read();
    if (ms === undefined) return await this.#finish();
    const { promise: quiet, resolve } = Promise.withResolvers<"quiet">();
    using _timer = this.#clock.after(ms, () => resolve("quiet"));
    const winner = await Promise.race([this.#reading, quiet]);
    return winner === "quiet" ? winner : await this.#finish();
  }

  /** Bytes that were put back or that arrived behind the end of a file; they are taken out. */
  takeLeft(): Uint8Array {
    const left = this.#left;
    this.#left = new Uint8Array(0);
    return left;
  }

  /** Puts bytes in front of everything that is still to come. */
  unread(bytes: Uint8Array): void {
    this.#left = new Uint8Array([...bytes, ...this.#left]);
  }

  /** Reads at most `into.length` bytes; null at the end. */
  async read(into: Uint8Array): Promise<number | null> {
    if (this.#left.length === 0) {
      this.#reading ??= this.#read();
      const chunk = await this.#finish();
      if (chunk === null) return null;
      this.#left = chunk;
    }
    const count = Math.min(into.length, this.#left.length);
    into.set(this.#left.subarray(0, count));
    this.#left = this.#left.subarray(count);
    return count;
  }

  async #finish(): Promise<Uint8Array | null> {
    const chunk = await this.#reading;
    this.#reading = undefined;
    return chunk ?? null;
  }

  async #read(): Promise<Uint8Array | null> {
    const count = await this.#source.read(this.#buffer);
    return count === null ? null : this.#buffer.slice(0, count);
  }
}
