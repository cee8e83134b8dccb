/**
 * A bare TCP connection that sends whatever a test likes and remembers what came back.
 *
 * @module
 */

import { until } from "./until.ts";

/** A connection; disposing of it closes it. */
export class RawSocket implements AsyncDisposable {
  /** Whether the server has closed the connection. */
  closed = false;
  /** When it did, by `performance.now()`. */
  closedAt = 0;
  readonly #conn: Deno.Conn;
  readonly #reading: Promise<void>;
  readonly #decoder = new TextDecoder();
  #text = "";

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** Connects to a port of this machine. */
  static async connect(port: number): Promise<RawSocket> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new RawSocket(conn);
  }

  /** Everything that has come, as text. */
  get text(): string {
    return this.#text;
  }

  /** Sends text or bytes; rejects when the server has closed the connection. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Resolves with what comes from now on as soon as it is long enough; what came is then forgotten. */
  async take(length: number): Promise<string> {
    await until(() => this.#text.length >= length || this.closed, {
      what: () => `${length} characters from the server behind ${JSON.stringify(this.#text)}`,
      everyMs: 2,
    });
    const taken = this.#text;
    this.#text = "";
    return taken;
  }

  /** Resolves when the server closes the connection. */
  async untilClosed(timeoutMs?: number): Promise<void> {
    await until(() => this.closed, {
      what: "the server close the connection",
      everyMs: 10,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#conn.close();
    } catch (error) {
      // The reader has let go of it already.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (true) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        this.#text += this.#decoder.decode(buffer.subarray(0, count), { stream: true });
      }
    } catch {
      // Reset, or closed by the test: over either way.
    }
    this.closedAt = performance.now();
    this.closed = true;
  }
}
