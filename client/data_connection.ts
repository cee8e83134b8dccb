/**
 * One connection of role `data` as its sender sees it: answers are read while bytes are written, so that a
 * refusal in their middle is noticed at once.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import { type Connection, type FrameOf, ProtocolError } from "../protocol/mod.ts";

/** What the server says about one transfer. */
export type TransferAnswer = FrameOf<"READY"> | FrameOf<"REJECT"> | FrameOf<"STORED">;

/** Why a data connection is of no more use. */
export class ConnectionEndedError extends Error {
  override readonly name = "ConnectionEndedError";
  /** Whether it stood still, or else ended. */
  readonly code: "lost" | "stalled";

  /** Takes words that follow the name of the file. */
  constructor(code: "lost" | "stalled", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How often progress is looked at, in milliseconds. */
const STALL_CHECK_MS = 1_000;

/** Sends offers and bytes, hands out answers; owns and closes the connection. */
export class DataConnection implements Disposable {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #answers: TransferAnswer[] = [];
  #current: string | undefined;
  #ending: ConnectionEndedError | undefined;
  #wake: (() => void)[] = [];
  #bytesRead = 0;

  /** Takes an accepted connection and begins to read answers. */
  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    void this.#read();
  }

  /** Why it is of no more use; undefined while it is of use. */
  get ending(): ConnectionEndedError | undefined {
    return this.#ending;
  }

  /** Bytes handed to the network so far. */
  get bytesWritten(): number {
    return this.#connection.bytesWritten;
  }

  /** Offers a file; answers to earlier offers are dropped from now on. */
  offer(frame: FrameOf<"FILE">): void {
    this.#current = frame.id;
    this.#answers.length = 0;
    this.#connection.send(frame);
  }

  /** Sends a frame that ends the current transfer, or END. */
  send(frame: FrameOf<"SUM"> | FrameOf<"CANCEL"> | FrameOf<"END">): void {
    this.#connection.send(frame);
  }

  /**
   * Writes one chunk. Resolves with undefined when it is written, or at once with the answer that came
   * before that was done; rejects with a {@linkcode ConnectionEndedError}.
   */
  async write(chunk: Uint8Array): Promise<TransferAnswer | undefined> {
    let isWritten = false;
    const written = this.#connection.write(chunk).then(() => {
      isWritten = true;
      this.#notify();
    }, () => this.#end(new ConnectionEndedError("lost", "the connection was lost")));
    while (!isWritten) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      if (this.#ending !== undefined) throw this.#ending;
      await this.#changed();
    }
    await written;
    return this.#answers.shift();
  }

  /** Resolves with the next answer about the current transfer; rejects with a `ConnectionEndedError`. */
  async answer(): Promise<TransferAnswer> {
    while (true) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      if (this.#ending !== undefined) throw this.#ending;
      await this.#changed();
    }
  }

  /** Ends the connection as stalled when for `limitMs` no byte moves either way, until disposed of. */
  watchProgress(limitMs: number): Disposable {
    let timer: Timer | undefined;
    let moved = -1;
    let since = this.#clock.now();
    const check = () => {
      const total = this.#connection.bytesWritten + this.#bytesRead;
      const now = this.#clock.now();
      if (total !== moved) since = now;
      moved = total;
      if (now - since >= limitMs) {
        const reason = `no byte moved for ${limitMs / 1000} s`;
        return this.#end(new ConnectionEndedError("stalled", reason));
      }
      timer = this.#clock.after(STALL_CHECK_MS, check);
    };
    check();
    return { [Symbol.dispose]: () => timer?.cancel() };
  }

  /** Writes what is queued and closes, at the latest after `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    using _limit = this.#clock.after(limitMs, () => this.#connection.close());
    await this.#connection.end();
  }

  /** Closes at once. */
  [Symbol.dispose](): void {
    this.#end(new ConnectionEndedError("lost", "the connection was closed"));
  }

  async #read(): Promise<void> {
    try {
      while (this.#ending === undefined) {
        const frame = await this.#connection.readFrame();
        if (frame === null) {
          throw new ConnectionEndedError("lost", "the server closed the connection");
        }
        this.#bytesRead++;
        this.#take(frame);
      }
    } catch (error) {
      this.#end(endingOf(error));
    }
  }

  #take(frame: NonNullable<Awaited<ReturnType<Connection["readFrame"]>>>): void {
    switch (frame.verb) {
      case "READY":
      case "REJECT":
      case "STORED":
        if (frame.id === this.#current) this.#answers.push(frame);
        return this.#notify();
      case "PING":
        return void this.#connection.send({ verb: "PONG", n: frame.n });
      case "BYE":
        throw new ConnectionEndedError("lost", `the server said bye (${frame.reason})`);
      case "REFUSE":
        throw new ConnectionEndedError("lost", `the server refused: ${frame.reason}`);
      default:
        return; // Nothing else on this connection concerns a sender.
    }
  }

  #end(ending: ConnectionEndedError): void {
    this.#ending ??= ending;
    this.#connection.close();
    this.#notify();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function endingOf(error: unknown): ConnectionEndedError {
  if (error instanceof ConnectionEndedError) return error;
  const words = error instanceof ProtocolError && error.code !== "truncated"
    ? `the server broke the protocol: ${error.message}`
    : "the connection was lost";
  return new ConnectionEndedError("lost", words, { cause: error });
}
