/**
 * A plain TCP connection for publishers: what is sent in one turn leaves in one write, so that a server is not
 * made slow by the way it is asked.
 *
 * @module
 */

/** Bytes that one read takes at most. */
const READ_BYTES = 64 * 1024;

/** A connection to a port of the loopback; disposing of it closes it. */
export class PublisherSocket implements AsyncDisposable {
  /** Rejects when the connection ends before it is disposed of. */
  readonly failed: Promise<never>;
  readonly #conn: Deno.TcpConn;
  readonly #reading: Promise<void>;
  #queue: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;
  #fail: (reason: Error) => void;

  private constructor(conn: Deno.TcpConn, onBytes: (bytes: Uint8Array) => void) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {
      // Whoever races it hears of it; without anybody it must not end the program.
    });
    this.#fail = reject;
    this.#conn = conn;
    this.#reading = this.#read(onBytes);
  }

  /** Connects; `onBytes` gets what arrives, in pieces that are valid only during the call. */
  static async connect(
    port: number,
    onBytes: (bytes: Uint8Array) => void,
  ): Promise<PublisherSocket> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new PublisherSocket(conn, onBytes);
  }

  /** Queues bytes; they leave in order. */
  send(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#writing ??= this.#write();
  }

  /** Writes what is queued, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#isClosed = true;
    this.#conn.close();
    await this.#reading;
  }

  async #write(): Promise<void> {
    await Promise.resolve(); // Lets the rest of this turn queue up.
    try {
      while (this.#queue.length > 0) {
        let rest = joined(this.#queue);
        this.#queue = [];
        while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
      }
    } catch (error) {
      this.#end(error);
    } finally {
      this.#writing = undefined;
    }
  }

  async #read(onBytes: (bytes: Uint8Array) => void): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      while (true) {
        const count = await this.#conn.read(buffer);
        if (count === null) throw new Error("Cannot read on: the server closed the connection");
        onBytes(buffer.subarray(0, count));
      }
    } catch (error) {
      this.#end(error);
    }
  }

  #end(error: unknown): void {
    if (!this.#isClosed) this.#fail(error instanceof Error ? error : new Error(String(error)));
  }
}

/** All pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) return first;
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
