/**
 * Two byte duplexes joined in memory, for tests of whatever runs over a connection.
 *
 * @module
 */

import type { ByteDuplex } from "./byte_reader.ts";

/** One end of a {@linkcode fakeDuplexPair}. */
export interface FakeDuplex extends ByteDuplex {
  /** Ends this side's sending direction; the peer reads null after what was sent. */
  closeWrite(): void;
}

/** Settings of {@linkcode fakeDuplexPair}. */
export interface FakeDuplexOptions {
  /**
   * Bytes in flight per direction after which a write waits.
   * @default {65536}
   */
  bufferBytes?: number;
  /**
   * Largest single read, to exercise short reads.
   * @default {Infinity}
   */
  maxReadBytes?: number;
}

class Pipe {
  #chunks: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void)[] = [];
  #options: FakeDuplexOptions;

  constructor(options: FakeDuplexOptions) {
    this.#options = options;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#held === 0 && !this.#ended && !this.#failure) await this.#changed();
    if (this.#failure) throw this.#failure;
    const first = this.#chunks[0];
    if (first === undefined) return null;
    const count = Math.min(into.length, first.length, this.#options.maxReadBytes ?? Infinity);
    into.set(first.subarray(0, count));
    if (count === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    this.#held -= count;
    this.#notify();
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const room = () => (this.#options.bufferBytes ?? 65_536) - this.#held;
    while (room() <= 0 && !this.#ended && !this.#failure) await this.#changed();
    if (this.#failure) throw this.#failure;
    if (this.#ended) throw new Deno.errors.BrokenPipe("Broken pipe");
    const count = Math.min(bytes.length, room());
    if (count > 0) this.#chunks.push(bytes.slice(0, count));
    this.#held += count;
    this.#notify();
    return count;
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#notify();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Makes two ends; what one writes the other reads. Closing one ends the other's reads and fails its writes. */
export function fakeDuplexPair(options: FakeDuplexOptions = {}): [FakeDuplex, FakeDuplex] {
  const there = new Pipe(options);
  const back = new Pipe(options);
  const end = (incoming: Pipe, outgoing: Pipe): FakeDuplex => ({
    read: (into) => incoming.read(into),
    write: (bytes) => outgoing.write(bytes),
    closeWrite: () => outgoing.end(),
    close: () => {
      incoming.fail(new Deno.errors.Interrupted("Closed by this side"));
      outgoing.end();
    },
  });
  return [end(back, there), end(there, back)];
}
