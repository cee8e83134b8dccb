/**
 * A bad line between a client and a server: it forwards TCP connections, counts their bytes, and at given counts
 * cuts them, falls silent, or holds them up while a test does something.
 *
 * @module
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { within } from "./until.ts";

/** Which way bytes go. */
export type Direction = "toServer" | "toClient";

/**
 * How connections end: both sides hear a reset, both hear an orderly end, or the client hears a reset and the
 * server nothing at all, as when a line dies between them.
 */
export type CutKind = "reset" | "end" | "silence";

/** Connections that it serves at the most, those that it has silenced included. */
const MAX_LINKS = 256;

/** One forwarded connection. */
interface Link {
  client: Socket;
  server: Socket;
  silenced: boolean;
}

/** Something that happens once so many bytes have passed. */
interface Stop {
  direction: Direction;
  bytes: number;
  action: () => void | Promise<void>;
}

/** A place at which bytes are held up. */
export interface Hold {
  /** Resolves once so many bytes have passed. */
  reached: Promise<void>;
  /** Lets bytes pass again. */
  release: () => void;
}

/** A running proxy; disposing of it resets every connection. */
export class CuttingProxy implements AsyncDisposable {
  /** Bytes that were handed on, each way, over all connections. */
  readonly passed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  /** Where new connections lead. */
  target: number;
  readonly #listener: Server;
  readonly #links = new Set<Link>();
  readonly #pumps = new Set<Promise<void>>();
  readonly #holds = new Set<() => void>();
  #stops: Stop[] = [];

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.target = target;
    listener.on("connection", (client) => this.#accept(client));
  }

  /** Listens on a free port and leads to `target`, a port of this machine. */
  static async start(target: number): Promise<CuttingProxy> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new CuttingProxy(listener, target);
  }

  /** Where clients connect. */
  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Connections that lead somewhere now. */
  get open(): number {
    return [...this.#links].filter(({ silenced }) => !silenced).length;
  }

  /**
   * Runs `action` when exactly so many bytes have passed in that direction, over all connections together; the
   * connection that carried the last of them waits until it is done.
   */
  at(bytes: number, action: () => void | Promise<void>, direction: Direction = "toServer"): void {
    this.#stops.push({ direction, bytes, action });
    this.#stops.sort((one, other) => one.bytes - other.bytes);
  }

  /** Holds a connection up when so many bytes have passed in that direction. */
  holdAt(bytes: number, direction: Direction = "toServer"): Hold {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#holds.add(released.resolve);
    this.at(bytes, () => {
      reached.resolve();
      return released.promise;
    }, direction);
    const what = `${bytes} bytes ${direction} through the proxy`;
    return { reached: within(reached.promise, { what }), release: released.resolve };
  }

  /** Ends all connections. */
  cut(kind: CutKind): void {
    for (const link of this.#links) {
      if (link.silenced) continue;
      if (kind === "end") {
        link.client.destroy();
        link.server.destroy();
        continue;
      }
      link.client.resetAndDestroy();
      if (kind === "reset") link.server.resetAndDestroy();
      else link.silenced = true;
    }
  }

  /** Resets every connection, those that are held up included, and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#holds) release();
    const closed = once(this.#listener, "close");
    this.#listener.close();
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    await Promise.all(this.#pumps);
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#links.size >= MAX_LINKS) return void client.resetAndDestroy();
    const server = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    server.setNoDelay(true);
    const link = { client, server, silenced: false };
    this.#links.add(link);
    const pumping = this.#serve(link).finally(() => {
      this.#links.delete(link);
      this.#pumps.delete(pumping);
    });
    this.#pumps.add(pumping);
  }

  async #serve(link: Link): Promise<void> {
    const { client, server } = link;
    const gone = [[client, server], [server, client]].map(([socket, other]) =>
      new Promise<void>((resolve) => {
        // Reset, or nobody listens: the close that follows hands it on.
        socket?.on("error", () => {});
        socket?.on("close", (hadError) => {
          if (hadError && !link.silenced) other?.resetAndDestroy();
          resolve();
        });
      })
    );
    await Promise.all([
      this.#pump(client, { link, to: server, direction: "toServer" }),
      this.#pump(server, { link, to: client, direction: "toClient" }),
      ...gone,
    ]);
  }

  async #pump(
    from: Socket,
    { link, to, direction }: { link: Link; to: Socket; direction: Direction },
  ): Promise<void> {
    try {
      for await (
        const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
      ) {
        for (let at = 0; at < chunk.length && !link.silenced;) {
          const part = chunk.subarray(at, at + this.#room(direction));
          await write(to, part);
          at += part.length;
          this.passed[direction] += part.length;
          await this.#reach(direction);
        }
      }
      if (!link.silenced) to.end();
    } catch {
      // Reset or destroyed: `gone` sees both ends of it.
    }
  }

  /** Bytes that may pass before the next stop; at least 1. */
  #room(direction: Direction): number {
    const next = this.#stops.find((stop) => stop.direction === direction);
    return Math.max(1, (next?.bytes ?? Infinity) - this.passed[direction]);
  }

  async #reach(direction: Direction): Promise<void> {
    const due = this.#stops.filter((stop) =>
      stop.direction === direction && stop.bytes <= this.passed[direction]
    );
    this.#stops = this.#stops.filter((stop) => !due.includes(stop));
    for (const { action } of due) await action();
  }
}

/** Resolves once the bytes are handed to the system; rejects when the socket is gone. */
function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => error ? reject(error) : resolve());
  });
}
