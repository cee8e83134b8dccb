/**
 * Frames in and out over one byte duplex, with one bounded writer.
 *
 * All writes of a connection go through one queue, so that frames never interleave; the queue is bounded
 * in bytes, and a peer that does not read loses this connection and nothing else. There is no clock here:
 * whoever owns the connection looks at {@linkcode Connection.bytesWritten} to see whether a write stalls.
 *
 * @module
 */

import { type ByteDuplex, ByteReader } from "./byte_reader.ts";
import { ProtocolError } from "./error.ts";
import { encodeFrame } from "./frame.ts";
import {
  MAX_GREETING_LINE_BYTES,
  MAX_LINE_BYTES,
  MAX_WRITE_BYTES,
  MAX_WRITE_QUEUE_BYTES,
} from "./limits.ts";
import { type Frame, parseFrame, type UnknownFrame } from "./verb.ts";

/** Settings of a {@linkcode Connection}. */
export interface ConnectionOptions {
  /** Called with the count whenever bytes arrive: any byte is a sign of life. */
  onRead?: (count: number) => void;
  /**
   * Bytes of frames that may wait to be written; raw bytes are bounded by whoever waits for them.
   * @default {MAX_WRITE_QUEUE_BYTES}
   */
  maxQueueBytes?: number;
}

/** A frame to send: its verb beside its fields. */
export type OutgoingFrame = Frame;

interface QueuedWrite {
  bytes: Uint8Array;
  done?: (error?: unknown) => void;
}

/** One connection of either side, of any role. */
export class Connection implements Disposable {
  /** What arrives; shared by frames and raw file bytes. */
  readonly reader: ByteReader;
  #duplex: ByteDuplex;
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  #queuedFrameBytes = 0;
  #maxQueueBytes: number;
  #writing: Promise<void> | undefined;
  #lineCeiling = MAX_GREETING_LINE_BYTES;
  #failure: unknown;
  #closed = false;
  #bytesWritten = 0;

  /** Takes ownership of the duplex: closing the connection closes it. */
  constructor(duplex: ByteDuplex, options: ConnectionOptions = {}) {
    this.#duplex = duplex;
    this.reader = new ByteReader(duplex, options);
    this.#maxQueueBytes = options.maxQueueBytes ?? MAX_WRITE_QUEUE_BYTES;
  }

  /** Bytes that wait to be written or are being written. */
  get pendingBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes written so far; stands still while a write stalls. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Whether this side has closed the connection. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The first write error, or what {@linkcode close} was called with; undefined while all is well and
   * after a plain close, whatever that did to a write under way.
   */
  get failure(): unknown {
    return this.#failure;
  }

  /** Allows the long lines that follow a completed greeting. */
  greeted(): void {
    this.#lineCeiling = MAX_LINE_BYTES;
  }

  /** Resolves with the next line without its LF, or null when the peer ended the stream. */
  readLine(): Promise<Uint8Array | null> {
    return this.reader.readLine(this.#lineCeiling);
  }

  /** Resolves with the next checked frame, or null when the peer ended the stream. */
  async readFrame(): Promise<Frame | UnknownFrame | null> {
    const line = await this.readLine();
    return line === null ? null : parseFrame(line);
  }

  /**
   * Queues one frame; false when the connection is closed or just had to be, because its queue is full.
   * Never waits and never throws: whoever sends is not made to suffer from a slow peer.
   */
  send(frame: OutgoingFrame): boolean {
    const { verb, ...fields } = frame;
    return this.#enqueue({
      bytes: Object.keys(fields).length === 0 ? encodeFrame(verb) : encodeFrame(verb, fields),
    });
  }

  /** Queues raw bytes behind what is queued; resolves when they are written, so that the caller waits. */
  write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = (error?: unknown) => error === undefined ? resolve() : reject(error);
    if (!this.#enqueue({ bytes, done })) {
      reject(this.#failure ?? new Deno.errors.BadResource("Connection is closed"));
    }
    return promise;
  }

  /** Resolves when everything queued so far is written, or the connection is closed; never rejects. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Writes what is queued, then closes; the caller bounds the wait by calling {@linkcode close}. */
  async end(): Promise<void> {
    await this.flushed();
    this.close();
  }

  /** Closes at once; what is queued is dropped. Safe to call again. */
  close(failure?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    try {
      this.#duplex.close();
    } catch (error) {
      // A duplex that the peer's reset has already released is as closed as it can be.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  /** The same as {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #enqueue(write: QueuedWrite): boolean {
    if (this.#closed) return false;
    const { length } = write.bytes;
    // Raw bytes are bounded by the caller's chunk, as the caller waits; nobody waits for frames.
    const frameBytes = write.done === undefined ? length : 0;
    if (frameBytes > 0 && this.#queuedFrameBytes + frameBytes > this.#maxQueueBytes) {
      this.close(
        new ProtocolError(
          "slow_reader",
          `Cannot queue another frame: the peer has not read ${this.#queuedFrameBytes} bytes`,
        ),
      );
      return false;
    }
    this.#queue.push(write);
    this.#queuedBytes += length;
    this.#queuedFrameBytes += frameBytes;
    this.#writing ??= this.#writeAll();
    return true;
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // Frames queued in the same turn leave in one write.
    let batch: QueuedWrite[] = [];
    try {
      while (this.#queue.length > 0 && !this.#closed) {
        batch = this.#nextBatch();
        await this.#writeFully(join(batch));
        for (const { bytes, done } of batch) {
          if (done === undefined) this.#queuedFrameBytes -= bytes.length;
          else done();
        }
        batch = [];
      }
    } catch (error) {
      this.close(error);
    }
    this.#writing = undefined;
    if (!this.#closed) return;
    const dropped = [...batch, ...this.#queue.splice(0)];
    this.#queuedBytes = 0;
    for (const { done } of dropped) {
      done?.(this.#failure ?? new Deno.errors.BadResource("Connection is closed"));
    }
  }

  #nextBatch(): QueuedWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.bytes.length > MAX_WRITE_BYTES) break;
      bytes += write.bytes.length;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #writeFully(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const count = await this.#duplex.write(bytes.subarray(at));
      at += count;
      this.#bytesWritten += count;
      this.#queuedBytes = Math.max(0, this.#queuedBytes - count);
    }
  }
}

function join(batch: QueuedWrite[]): Uint8Array {
  const [first] = batch;
  if (batch.length === 1 && first !== undefined) return first.bytes;
  const joined = new Uint8Array(batch.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of batch) {
    joined.set(bytes, at);
    at += bytes.length;
  }
  return joined;
}
