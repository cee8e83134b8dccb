/**
 * Bounded lines and raw bytes from one stream, in order, without losing what follows a line.
 *
 * The reader never looks for a newline beyond the ceiling that its caller names, and it hands on whatever
 * arrived behind a line untouched, because raw file bytes may follow in the same segment.
 *
 * @module
 */

import { ProtocolError } from "./error.ts";
import { READ_BUFFER_BYTES } from "./limits.ts";

const LF = 0x0a;

/** Anything that bytes can be read from: a socket, an open file, the reader below. */
export interface ByteSource {
  /** Reads at most `into.length` bytes; resolves with their count, or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** Anything that bytes can be written to; a write may be short. */
export interface ByteSink {
  /** Writes some of `bytes`; resolves with how many were taken. */
  write(bytes: Uint8Array): Promise<number>;
}

/** One connection as the protocol sees it: `Deno.Conn` is one, an in-memory pair another. */
export interface ByteDuplex extends ByteSource, ByteSink {
  /** Ends both directions at once; pending reads and writes reject. */
  close(): void;
}

/** Settings of a {@linkcode ByteReader}. */
export interface ByteReaderOptions {
  /** Called with the count after every read from the source: any byte is a sign of life. */
  onRead?: (count: number) => void;
}

/** Reads bounded lines and raw bytes from a {@linkcode ByteSource}; one caller at a time. */
export class ByteReader implements ByteSource {
  #source: ByteSource;
  #buffer = new Uint8Array(READ_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #onRead: (count: number) => void;

  /** Wraps a source; nothing is read until asked. */
  constructor(source: ByteSource, options: ByteReaderOptions = {}) {
    this.#source = source;
    this.#onRead = options.onRead ?? (() => {});
  }

  /** Bytes that were read from the source and not yet taken. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Memory that the line buffer holds, in bytes. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /**
   * Resolves with the next line, LF removed, or null when the stream ended between two lines.
   * Rejects with `line_too_long` when no LF comes within `ceilingBytes`, and `truncated` when the stream
   * ends in the middle of a line.
   */
  async readLine(ceilingBytes: number): Promise<Uint8Array | null> {
    let searched = 0;
    while (true) {
      const at = this.#buffer.subarray(this.#start + searched, this.#end).indexOf(LF);
      const length = at < 0 ? this.buffered : searched + at;
      if (length > ceilingBytes) {
        throw new ProtocolError(
          "line_too_long",
          `Cannot read a line as it must be <= ${ceilingBytes} bytes: ${length} bytes came without its end`,
        );
      }
      if (at >= 0) return this.#take(length, 1);
      searched = length;
      if (!(await this.#fill(ceilingBytes + 1))) {
        if (length === 0) return null;
        throw new ProtocolError(
          "truncated",
          `Cannot read a line: the stream ended after ${length} bytes of it`,
        );
      }
    }
  }

  /**
   * Waits until at least `count` bytes are buffered and resolves with a copy of what is there without
   * taking it; shorter only when the stream ended. Used to tell one dialect from another.
   */
  async peek(count: number): Promise<Uint8Array> {
    while (this.buffered < count && (await this.#fill(count)));
    return this.#buffer.slice(this.#start, this.#end);
  }

  /** Reads at most `into.length` bytes: first what is buffered, then from the source; null at the end. */
  async read(into: Uint8Array): Promise<number | null> {
    if (this.buffered === 0) {
      const count = await this.#source.read(into);
      if (count !== null) this.#onRead(count);
      return count;
    }
    const count = Math.min(into.length, this.buffered);
    into.set(this.#buffer.subarray(this.#start, this.#start + count));
    this.#start += count;
    this.#release();
    return count;
  }

  /** Puts bytes back in front of everything that is still to be read. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const joined = new Uint8Array(Math.max(READ_BUFFER_BYTES, bytes.length + this.buffered));
    joined.set(bytes);
    joined.set(this.#buffer.subarray(this.#start, this.#end), bytes.length);
    this.#end = bytes.length + this.buffered;
    this.#start = 0;
    this.#buffer = joined;
  }

  #take(length: number, skip: number): Uint8Array {
    const line = this.#buffer.slice(this.#start, this.#start + length);
    this.#start += length + skip;
    this.#release();
    return line;
  }

  /** Gives a grown buffer back as soon as it is empty, so that an idle connection stays small. */
  #release(): void {
    if (this.#start < this.#end) return;
    this.#start = this.#end = 0;
    if (this.#buffer.length > READ_BUFFER_BYTES) this.#buffer = new Uint8Array(READ_BUFFER_BYTES);
  }

  /** Reads once into free space, making room up to `ceilingBytes`; false at the end of the stream. */
  async #fill(ceilingBytes: number): Promise<boolean> {
    if (this.#end === this.#buffer.length) this.#makeRoom(ceilingBytes);
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    this.#onRead(count);
    return true;
  }

  #makeRoom(ceilingBytes: number): void {
    const held = this.buffered;
    if (held === this.#buffer.length) {
      const grown = new Uint8Array(Math.max(held + 1, Math.min(held * 2, ceilingBytes)));
      grown.set(this.#buffer);
      this.#buffer = grown;
    } else {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = held;
  }
}
