/**
 * A server of HB/1 that does what a test says: the protocol's own code with none of hbserver around it, for what
 * hbserver never would do to a client. It speaks plaintext and lets everybody in.
 *
 * @module
 */

import { FakeAuthority } from "../protocol/fake_authority.ts";
import {
  type Admitted,
  Connection,
  type Frame,
  MAX_LINE_BYTES,
  MAX_MESSAGE_BYTES,
  NONCE_BYTES,
  ServerGreeting,
  type UnknownFrame,
} from "../protocol/mod.ts";
import { within } from "./until.ts";

/** Connections that it serves at the most. */
const MAX_CONNECTIONS = 64;

/** A client that it has let in. */
export interface Visitor {
  admitted: Admitted;
  connection: Connection;
  /** The next frame of these verbs; others are passed over. Rejects when the stream ends. */
  next<V extends Frame["verb"]>(...verbs: V[]): Promise<Extract<Frame, { verb: V }>>;
}

/** A listening server; disposing of it closes every connection. */
export class ScriptedServer implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections: Connection[] = [];
  readonly #serving: Promise<void>;
  readonly #greetings = new Set<Promise<void>>();
  readonly #serve: (visitor: Visitor) => Promise<void>;
  /** What the script rejected with, apart from connections that ended. */
  readonly #failures: unknown[] = [];

  private constructor(serve: (visitor: Visitor) => Promise<void>) {
    this.#serve = serve;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#accept();
  }

  /** Listens, and calls `serve` for every connection that has been let in. */
  static start(serve: (visitor: Visitor) => Promise<void>): ScriptedServer {
    return new ScriptedServer(serve);
  }

  /** Where clients connect, with `--plaintext`. */
  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Closes everything; rejects when a script failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.#serving;
    await Promise.all(this.#greetings);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        if (this.#connections.length >= MAX_CONNECTIONS) {
          conn.close();
          continue;
        }
        conn.setNoDelay(true);
        const connection = new Connection(conn);
        this.#connections.push(connection);
        const greeting = this.#greet(connection).finally(() => {
          connection.close();
          this.#greetings.delete(greeting);
        });
        this.#greetings.add(greeting);
      }
    } catch (error) {
      // The listener was closed in the middle of an accept.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #greet(connection: Connection): Promise<void> {
    try {
      const nonce = () => crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const authority = new FakeAuthority({ serverId: "0".repeat(40), open: true, nonce });
      const greeting = new ServerGreeting(authority);
      const line = await connection.readLine();
      if (line === null) return;
      const step = await greeting.receive(line);
      if (step.kind !== "admitted") throw new Error(`Cannot let a client in: ${step.kind}`);
      connection.greeted();
      const { admitted } = step;
      connection.send({
        verb: "ACK",
        hb: admitted.version,
        session: "scripted",
        name: admitted.name ?? "nobody",
        interval: 20_000,
        late: 25_000,
        down: 50_000,
        time: Date.now(),
        features: [],
        limits: { line: MAX_LINE_BYTES, message: MAX_MESSAGE_BYTES, file: null, data: 2 },
      });
      const next = <V extends Frame["verb"]>(...verbs: V[]) => nextOf(connection, verbs);
      await this.#serve({ admitted, connection, next });
    } catch (error) {
      if (!isEnd(error)) this.#failures.push(error);
    }
  }
}

/** The stream of a client ended while the script waited for more. */
export class VisitorGoneError extends Error {
  override readonly name = "VisitorGoneError";
}

async function nextOf<V extends Frame["verb"]>(
  connection: Connection,
  verbs: V[],
): Promise<Extract<Frame, { verb: V }>> {
  const what = `${verbs.join(" or ")} of the client`;
  while (true) {
    const frame = await within(connection.readFrame(), { what });
    if (frame === null) throw new VisitorGoneError(`Cannot see ${what}: it closed the connection`);
    if (frame.verb === "HEARTBEAT" && !verbs.some((verb) => verb === "HEARTBEAT")) {
      connection.send({ verb: "BEAT", seq: frame.seq, at: Date.now() });
    }
    if (isOneOf(frame, verbs)) return frame;
  }
}

function isOneOf<V extends Frame["verb"]>(
  frame: Frame | UnknownFrame,
  verbs: readonly V[],
): frame is Extract<Frame, { verb: V }> {
  return verbs.some((verb) => verb === frame.verb);
}

/** Whether a connection just ended, which is no fault of a script. */
export function isEnd(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionReset, Interrupted } = Deno.errors;
  return error instanceof VisitorGoneError || error instanceof ConnectionReset ||
    error instanceof BadResource || error instanceof BrokenPipe || error instanceof Interrupted;
}
