/**
 * A file's bytes as Web Streams: a byte stream of an exact length out of any source, and a pump that moves
 * it in large reused chunks while the next chunk is being read.
 *
 * @module
 */

import type { ByteSource } from "./byte_reader.ts";
import { ProtocolError } from "./error.ts";
import { FILE_CHUNK_BYTES } from "./limits.ts";

/** Settings of {@linkcode byteStream}. */
export interface ByteStreamOptions {
  /** Exactly how many bytes the stream gives. */
  length: number;
}

/**
 * A byte stream of exactly `length` bytes out of `source`, which may hold more: not one byte further is
 * read. Short reads (a TLS record is 16 KiB) are gathered until the reader's buffer is full. Errors with
 * `truncated` when the source ends early, or with the source's own error, after handing on what came.
 */
export function byteStream(source: ByteSource, options: ByteStreamOptions): ReadableStream<
  Uint8Array<ArrayBuffer>
> {
  let left = options.length;
  let ended = false;
  let failure: { error: unknown } | undefined;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    autoAllocateChunkSize: FILE_CHUNK_BYTES,
    async pull(controller) {
      const request = (controller as unknown as ReadableByteStreamController).byobRequest;
      const view = request?.view;
      if (!request || !view) return;
      const into = new Uint8Array(view.buffer, view.byteOffset, Math.min(view.byteLength, left));
      let filled = 0;
      while (filled < into.length && !ended && failure === undefined) {
        try {
          const count = await source.read(into.subarray(filled));
          if (count === null) ended = true;
          else filled += count;
        } catch (error) {
          failure = { error };
        }
      }
      // What came before a reset is handed on first: on a bad line it may be all that ever comes.
      if (failure !== undefined && filled === 0) throw failure.error;
      left -= filled;
      if (filled === 0 && left > 0) {
        throw new ProtocolError(
          "truncated",
          `Cannot read the file's bytes: the stream ended ${left} bytes early`,
        );
      }
      // A closed stream takes no bytes, and a request that is still open must be answered after the close.
      if (filled > 0) request.respond(filled);
      if (left === 0) controller.close();
      if (filled === 0) request.respond(0);
    },
  }, { highWaterMark: 0 });
}

/**
 * Moves a byte stream into `write`, one chunk at a time, reading the next chunk while one is written. Two
 * buffers of {@linkcode FILE_CHUNK_BYTES} serve the whole file; a chunk is only valid until `write` resolves.
 * A `write` that gives its chunk's memory away (to a worker) resolves with other memory to go on with.
 * Resolves with the number of bytes; rejects with the first error of either side, after cancelling the
 * stream. The source may then still be in the middle of a read, so its connection is of no further use.
 *
 * @example
 * ```ts
 * import { byteStream, pumpBytes } from "./file_stream.ts";
 * import { fakeDuplexPair } from "./fake_duplex.ts";
 * const [here, there] = fakeDuplexPair();
 * await there.write(new TextEncoder().encode("file bytes, then a frame\n"));
 * let text = "";
 * const bytes = await pumpBytes(byteStream(here, { length: 10 }), (chunk) => {
 *   text += new TextDecoder().decode(chunk);
 *   return Promise.resolve();
 * });
 * if (bytes !== 10 || text !== "file bytes") throw new Error("unexpected");
 * ```
 */
export async function pumpBytes(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  write: (chunk: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer> | void>,
): Promise<number> {
  const reader = stream.getReader({ mode: "byob" });
  let spare = new ArrayBuffer(FILE_CHUNK_BYTES);
  let total = 0;
  let reading = reader.read(new Uint8Array(new ArrayBuffer(FILE_CHUNK_BYTES)));
  try {
    while (true) {
      const { value, done } = await reading;
      if (done || value === undefined) return total;
      reading = reader.read(new Uint8Array(spare));
      // A failure while write() is under way is met on the next round, or hidden by an earlier one.
      reading.catch(() => {});
      total += value.length;
      const returned = await write(value);
      spare = (returned ?? value).buffer;
      if (spare.byteLength < FILE_CHUNK_BYTES) spare = new ArrayBuffer(FILE_CHUNK_BYTES);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}
