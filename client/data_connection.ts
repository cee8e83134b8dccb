/**
 * One connection of role `data` as its sender sees it: answers are read while bytes are written and kept by what
 * they are about, so that a refusal in the middle of bytes is noticed at once and nobody waits for another's answer.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import { type Connection, type Frame, type FrameOf, ProtocolError } from "../protocol/mod.ts";

/** What the server says about one transfer or manifest. */
export type TransferAnswer =
  | FrameOf<"READY">
  | FrameOf<"REJECT">
  | FrameOf<"STORED">
  | FrameOf<"BUNDLED">;

/** What a sender says. */
export type SenderFrame = Extract<
  Frame,
  { verb: "FILE" | "PREFIX" | "SUM" | "CANCEL" | "MANIFEST" | "END" }
>;

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
  readonly #answers = new Map<string, TransferAnswer[]>();
  #ending: ConnectionEndedError | undefined;
  #wake: (() => void)[] = [];
  #bytesRead = 0;
  #isRaw = false;

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

  /** Keeps answers about `id` from now on, and none from before; until disposed of. */
  expect(id: string): Disposable {
    const answers: TransferAnswer[] = [];
    this.#answers.set(id, answers);
    return {
      [Symbol.dispose]: () => {
        if (this.#answers.get(id) === answers) this.#answers.delete(id);
      },
    };
  }

  /** Says that a file's bytes are under way, among which no frame may come, until disposed of. */
  raw(): Disposable {
    this.#isRaw = true;
    return { [Symbol.dispose]: () => void (this.#isRaw = false) };
  }

  /** Queues a frame. */
  send(frame: SenderFrame): void {
    this.#connection.send(frame);
  }

  /**
   * Writes bytes. Resolves with undefined when they are written, or at once with an answer about `id` that came
   * before that was done; rejects with a {@linkcode ConnectionEndedError}.
   */
  async write(bytes: Uint8Array, id?: string): Promise<TransferAnswer | undefined> {
    let isWritten = false;
    const written = this.#connection.write(bytes).then(() => {
      isWritten = true;
      this.#notify();
    }, () => this.#end(new ConnectionEndedError("lost", "the connection was lost")));
    while (!isWritten) {
      const answer = this.#take(id);
      if (answer !== undefined) return answer;
      if (this.#ending !== undefined) throw this.#ending;
      await this.#changed();
    }
    await written;
    return this.#take(id);
  }

  /** Resolves with the next answer about `id`, which is expected; rejects with a `ConnectionEndedError`. */
  async answer(id: string): Promise<TransferAnswer> {
    while (true) {
      const answer = this.#take(id);
      if (answer !== undefined) return answer;
      if (this.#ending !== undefined) throw this.#ending;
      await this.#changed();
    }
  }

  /** Ends the connection as stalled when for as long as `limitMs` says no byte moves either way, until disposed of. */
  watchProgress(limitMs: () => number): Disposable {
    let timer: Timer | undefined;
    let moved = -1;
    let since = this.#clock.now();
    const check = () => {
      const total = this.#connection.bytesWritten + this.#bytesRead;
      const now = this.#clock.now();
      if (total !== moved) since = now;
      moved = total;
      const limit = limitMs();
      if (now - since >= limit) {
        const reason = `no byte moved for ${limit / 1000} s`;
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
        this.#receive(frame);
      }
    } catch (error) {
      this.#end(endingOf(error));
    }
  }

  #receive(frame: NonNullable<Awaited<ReturnType<Connection["readFrame"]>>>): void {
    switch (frame.verb) {
      case "READY":
      case "REJECT":
      case "STORED":
      case "BUNDLED":
        // Answers that nobody expects are late ones, about what was given up.
        this.#answers.get(frame.id)?.push(frame);
        return this.#notify();
      case "PING":
        // Bytes that move say more than a PONG, which would become part of the file.
        if (!this.#isRaw) this.#connection.send({ verb: "PONG", n: frame.n });
        return;
      case "BYE":
        throw new ConnectionEndedError("lost", `the server said bye (${frame.reason})`);
      case "REFUSE":
        throw new ConnectionEndedError("lost", `the server refused: ${frame.reason}`);
      default:
        return; // Nothing else on this connection concerns a sender.
    }
  }

  #take(id: string | undefined): TransferAnswer | undefined {
    return id === undefined ? undefined : this.#answers.get(id)?.shift();
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
