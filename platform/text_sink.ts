/**
 * Where a program's text goes: one of its two output streams, written in order and in full.
 *
 * Two kinds: a command blocks until its reader has taken the text; a service must not, because a paused
 * terminal would stop its heartbeats, so it queues up to a limit and then says how many lines it left out.
 *
 * @module
 */

import { sleep, systemClock } from "./clock.ts";

/** Takes text for an output stream. */
export interface TextSink {
  /** Takes `text`; never throws: once the reader is gone, text is dropped and `closed` is aborted. */
  write(text: string): void;
  /** Resolves when everything taken so far has been handed to the system or dropped. */
  flush(): Promise<void>;
  /** Aborted when the reader has gone away. */
  readonly closed: AbortSignal;
}

/** What a blocking sink writes to, such as `Deno.stdout`; may write less than it is given. */
export interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

/** What a queued sink writes to, such as `Deno.stderr`; may write less than it is given. */
export interface AsyncWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Most text that waits in a queued sink, in UTF-16 code units. */
export const MAX_QUEUED_CHARS = 4 * 1024 * 1024;
/** Pause before a full pipe in non-blocking mode is tried again, in milliseconds. */
const FULL_PIPE_PAUSE_MS = 5;

/** A sink that returns once the system has taken the text: for commands, whose reader sets the pace. */
export function blockingSink(writer: SyncWriter): TextSink {
  const closed = new AbortController();
  const encoder = new TextEncoder();
  return {
    closed: closed.signal,
    flush: () => Promise.resolve(),
    write(text) {
      if (closed.signal.aborted) return;
      try {
        writeAllSync(writer, encoder.encode(text));
      } catch (error) {
        // Nobody is left to tell: a reader such as `head` has seen enough, or the terminal is gone.
        closed.abort(error);
      }
    },
  };
}

/** A sink that never blocks: for services. More than `maxChars` waiting, and new text is left out. */
export function queuedSink(writer: AsyncWriter, { maxChars = MAX_QUEUED_CHARS } = {}): TextSink {
  return new QueuedSink(writer, maxChars);
}

class QueuedSink implements TextSink {
  readonly #writer: AsyncWriter;
  readonly #maxChars: number;
  readonly #closed = new AbortController();
  readonly #encoder = new TextEncoder();
  #queue: string[] = [];
  #queuedChars = 0;
  #leftOut = 0;
  #draining: Promise<void> | undefined;

  constructor(writer: AsyncWriter, maxChars: number) {
    this.#writer = writer;
    this.#maxChars = maxChars;
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  write(text: string): void {
    if (this.#closed.signal.aborted) return;
    if (this.#queuedChars + text.length > this.#maxChars) {
      this.#leftOut++;
    } else {
      this.#queue.push(text);
      this.#queuedChars += text.length;
    }
    this.#draining ??= this.#drain();
  }

  async flush(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // Let everything that is said in this turn go out in one write.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0 || this.#leftOut > 0) {
        const text = this.#queue.join("") + this.#notice();
        this.#queue = [];
        await writeAll(this.#writer, this.#encoder.encode(text));
        // Text in flight counts until it is gone, so that the limit holds for all that is kept.
        this.#queuedChars = this.#queue.reduce((sum, part) => sum + part.length, 0);
      }
    } catch (error) {
      // As in blockingSink(): nobody is left to tell.
      this.#closed.abort(error);
      this.#queue = [];
    }
    this.#draining = undefined;
  }

  #notice(): string {
    if (this.#leftOut === 0) return "";
    const notice = `… (${this.#leftOut} lines left out: the reader is too slow)\n`;
    this.#leftOut = 0;
    return notice;
  }
}

function writeAllSync(writer: SyncWriter, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writer.writeSync(bytes.subarray(written));
    } catch (error) {
      if (!isFullPipe(error)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_PAUSE_MS);
    }
  }
}

async function writeAll(writer: AsyncWriter, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += await writer.write(bytes.subarray(written));
    } catch (error) {
      if (!isFullPipe(error)) throw error;
      await sleep(systemClock, FULL_PIPE_PAUSE_MS);
    }
  }
}

/** Whether a write failed only because whoever shares the stream has made it non-blocking. */
function isFullPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
