/**
 * One connection of role `data` as the receiver of pushed files sees it: frames in, their bytes, and the one
 * error for everything that ends it.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import { FrameReader } from "../platform/frame_reader.ts";
import {
  type ByteSource,
  type Connection,
  type Frame,
  type FrameOf,
  ProtocolError,
  TRANSFER_STALL_MS,
  type UnknownFrame,
} from "../protocol/mod.ts";

/** The connection has ended; its message says why, for people. */
export class DownloadLostError extends Error {
  override readonly name = "DownloadLostError";
}

/** Time in which the server can read why its file was refused in the middle of the bytes, in milliseconds. */
export const DRAIN_MS = 5_000;
/** Time for END to leave, in milliseconds. */
const END_LIMIT_MS = 2_000;
/** Bytes read at once while a refused file is drained. */
const DRAIN_BYTES = 64 * 1024;

/** Reads and answers; owns and closes the connection. */
export class DownloadConnection implements Disposable {
  /**
   * The file's bytes. Ends where the connection does, however that was: whoever gathers bytes then hands on what
   * came, and `loss` says the rest.
   */
  readonly reader: ByteSource = { read: (into) => this.#readBytes(into) };
  readonly #connection: Connection;
  readonly #frames: FrameReader;
  readonly #clock: Clock;
  #heardAt: number;
  #loss: DownloadLostError | undefined;

  /** Takes an accepted connection. */
  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#frames = new FrameReader(connection);
    this.#clock = clock;
    this.#heardAt = clock.now();
  }

  /** Whether this side has closed it. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** Why bytes are missing. */
  get loss(): DownloadLostError {
    return this.#loss ?? new DownloadLostError("the connection was lost");
  }

  /** Takes note of bytes from the server. */
  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  /** Queues a frame; whether it is lost shows when the next is awaited. */
  send(frame: FrameOf<"FETCH" | "READY" | "REJECT" | "STORED">): void {
    this.#connection.send(frame);
  }

  /**
   * The next frame about the transfer `id`, which is the only one under way; rejects with
   * {@linkcode DownloadLostError}.
   */
  async next(id: string): Promise<Frame> {
    while (true) {
      const frame = await this.#frame();
      if (frame.verb === "unknown") continue;
      if (frame.verb === "PING") this.#connection.send({ verb: "PONG", n: frame.n });
      else return concerning(id, frame);
    }
  }

  /** The frame behind the bytes of the transfer `id`, where nothing else may stand. */
  async nextBehindBytes(id: string): Promise<Frame> {
    const frame = await this.#frame();
    if (frame.verb !== "unknown") return concerning(id, frame);
    throw new DownloadLostError("the server sent more bytes than it had announced");
  }

  /**
   * Until disposed of, closes the connection after TRANSFER_STALL_MS without a byte, or `extraMs` more where the
   * server has work to do first.
   */
  watch(extraMs = 0): Disposable {
    const limitMs = TRANSFER_STALL_MS + extraMs;
    let timer: Timer | undefined;
    this.#heardAt = this.#clock.now();
    const check = () => {
      const left = this.#heardAt + limitMs - this.#clock.now();
      if (left > 0) timer = this.#clock.after(left, check);
      else {
        const words = `no byte came for ${Math.round(limitMs / 1000)} s`;
        this.#connection.close(new DownloadLostError(words));
      }
    };
    check();
    return { [Symbol.dispose]: () => timer?.cancel() };
  }

  /**
   * Closes after a refusal in the middle of the bytes: unread bytes would reset the connection and lose the
   * word, so what still comes is read for a moment.
   */
  async drain(): Promise<void> {
    using _limit = this.#clock.after(DRAIN_MS, () => this.#connection.close());
    const scrap = new Uint8Array(DRAIN_BYTES);
    try {
      await this.#connection.flushed();
      while (await this.#connection.reader.read(scrap) !== null);
    } catch {
      // Closed by the timer or by the server: either way there is nothing left to wait for.
    } finally {
      this.#connection.close();
    }
  }

  /** Tells the server that nothing more is fetched, and closes. */
  async end(): Promise<void> {
    this.#connection.send({ verb: "END" });
    using _limit = this.#clock.after(END_LIMIT_MS, () => this.#connection.close());
    await this.#connection.end();
  }

  /** Closes at once. */
  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #frame(): Promise<Frame | UnknownFrame> {
    const frame = await this.#reach(this.#frames.next());
    if (frame === null) throw new DownloadLostError("the server closed the connection");
    return frame;
  }

  async #readBytes(into: Uint8Array): Promise<number | null> {
    try {
      return await this.#reach(this.#connection.reader.read(into));
    } catch (error) {
      if (!(error instanceof DownloadLostError)) throw error;
      this.#loss = error;
      return null;
    }
  }

  /** Waits for something of the connection; whatever goes wrong there is a loss. */
  async #reach<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (cause) {
      const error = this.#connection.failure ?? cause;
      if (error instanceof DownloadLostError) throw error;
      const words = error instanceof ProtocolError && error.code !== "truncated"
        ? `the server broke the protocol: ${error.message}`
        : "the connection was lost";
      throw new DownloadLostError(words, { cause: error });
    }
  }
}

/** A frame that is about the transfer `id`; throws for every other. */
function concerning(id: string, frame: Frame): Frame {
  if ("id" in frame && frame.id === id) return frame;
  switch (frame.verb) {
    case "BYE":
      throw new DownloadLostError(`the server said bye (${frame.reason})`);
    case "REFUSE":
      throw new DownloadLostError(`the server refused: ${frame.reason}`);
    default:
      throw new DownloadLostError(`the server broke the protocol with ${frame.verb}`);
  }
}
