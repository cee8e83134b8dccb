/**
 * One copy of a file that waits for clients, open for reading: hashes what it reads, so that what leaves can
 * be compared with what was copied. Not the dialogue with the client, which is `push_session.ts`.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { FILE_CHUNK_BYTES } from "../protocol/mod.ts";

/** The copy of a file cannot be sent. */
export class CopyError extends Error {
  override readonly name = "CopyError";
  /** Whether it never can be: the copy is gone, or is not what was copied. */
  readonly isLost: boolean;

  /** Takes words for the log. */
  constructor(message: string, options: { isLost: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.isLost = options.isLost;
  }
}

/** Settings of {@linkcode OutgoingFile.open}. */
export interface OutgoingFileOptions {
  /** How many bytes the copy must have. */
  bytes: number;
}

/** Reads one copy from any offset on; two buffers of {@linkcode FILE_CHUNK_BYTES} serve the whole file. */
export class OutgoingFile implements Disposable {
  #file: Deno.FsFile;
  #bytes: number;
  #at = 0;
  #hash: Hash = createHash("sha256");
  #buffers = [new Uint8Array(FILE_CHUNK_BYTES), new Uint8Array(FILE_CHUNK_BYTES)];

  private constructor(file: Deno.FsFile, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens the copy; rejects with {@linkcode CopyError}. */
  static async open(path: string, { bytes }: OutgoingFileOptions): Promise<OutgoingFile> {
    const file = await orCopyError(Deno.open(path));
    using stack = new DisposableStack();
    const opened = stack.use(new OutgoingFile(file, bytes));
    const { size } = await orCopyError(file.stat());
    if (size === bytes) {
      stack.move();
      return opened;
    }
    throw new CopyError(`Cannot send the copy "${path}": its size is not ${bytes} bytes`, {
      isLost: true,
    });
  }

  /**
   * SHA-256 in hex of the first `offset` bytes, from which {@linkcode read} then goes on; 0 starts over.
   * `onRead` is called for every chunk.
   */
  async prefixSha256(offset: number, onRead: () => void): Promise<string> {
    await orCopyError(this.#file.seek(0, Deno.SeekMode.Start));
    this.#hash = createHash("sha256");
    this.#at = 0;
    while (this.#at < offset) {
      await this.#readChunk(offset - this.#at);
      onRead();
    }
    return this.#hash.copy().digest("hex");
  }

  /** The next chunk, valid until the read after the next one begins; null at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#at === this.#bytes ? null : await this.#readChunk(this.#bytes - this.#at);
  }

  /** SHA-256 in hex of all that was read. */
  sha256Hex(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** Fills the buffer that is not in use with as much as there is of `wanted`. */
  async #readChunk(wanted: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#buffers.reverse();
    const [buffer = new Uint8Array(FILE_CHUNK_BYTES)] = this.#buffers;
    const chunk = buffer.subarray(0, Math.min(wanted, FILE_CHUNK_BYTES));
    for (let filled = 0; filled < chunk.length;) {
      const count = await orCopyError(this.#file.read(chunk.subarray(filled)));
      if (count === null) {
        const early = wanted - filled;
        throw new CopyError(`Cannot send a copy: it ended ${early} bytes early`, { isLost: true });
      }
      filled += count;
    }
    this.#hash.update(chunk);
    this.#at += chunk.length;
    return chunk;
  }
}

/** Puts an error of the system into a {@linkcode CopyError}; one that may pass does not cost the copy. */
async function orCopyError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const isLost = cause instanceof Deno.errors.NotFound;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CopyError(`Cannot read a copy: ${why}`, { isLost, cause });
  }
}
