/**
 * TLS on a port whose connections can always be closed.
 *
 * The runtime lets the socket of a closed TLS connection live until its peer has finished the handshake and
 * read what was sent, so that a peer which does neither could hold it for ever, beyond every cap. Here the port
 * itself speaks TCP; TLS is spoken on a second port, of the loopback, and the bytes go to and fro between the
 * two. Closing the TCP side ends both. Measured on 2 cores: 570 to 900 MB/s instead of 850 to 1550.
 *
 * A connection takes three descriptors instead of one.
 *
 * @module
 */

import { type Clock, nextTurn, type Timer } from "../platform/clock.ts";

/** Time that the last bytes of a closed connection have to leave, in milliseconds. */
const LINGER_MS = 1_000;
/** Size of an idle direction's buffer, in bytes. */
const SMALL_BUFFER_BYTES = 4 * 1024;
/** Size to which the buffer of a busy direction grows, in bytes. */
const LARGE_BUFFER_BYTES = 256 * 1024;
/**
 * Bytes that all busy directions together move before they pause, for the 2 ms that the runtime's shortest timer
 * takes. Four uploads on 2 cores take 13 s with these pauses, and as long without; a heartbeat's round trip beside
 * them 4 to 6 ms instead of 34 (median), and 23 to 39 instead of 104 (99th percentile).
 */
const SHARED_TURN_BYTES = 512 * 1024;
const LOOPBACK = "127.0.0.1";

/** Where the gate stands and with what it proves itself. */
export interface TlsGateOptions {
  hostname: string;
  /** 0 takes any free port. */
  port: number;
  /** Certificate in PEM. */
  cert: string;
  /** Private key in PEM. */
  key: string;
  clock: Clock;
}

/** A TLS port. */
export class TlsGate {
  readonly #outer: Deno.TcpListener;
  readonly #inner: Deno.TlsListener;
  readonly #clock: Clock;
  readonly #open = new Set<GatedSocket>();
  readonly #traffic = new Traffic();

  /** Opens the port; throws what the runtime throws when it is not to be had. */
  constructor({ hostname, port, cert, key, clock }: TlsGateOptions) {
    this.#outer = Deno.listen({ hostname, port });
    this.#clock = clock;
    try {
      this.#inner = Deno.listenTls({ hostname: LOOPBACK, port: 0, cert, key });
    } catch (error) {
      this.#outer.close();
      throw error;
    }
  }

  /** Where peers reach it. */
  get addr(): Deno.NetAddr {
    return this.#outer.addr;
  }

  /** Resolves with the next connection, its handshake still to be made. */
  async accept(): Promise<GatedSocket> {
    const outer = await this.#outer.accept();
    let link: Deno.TcpConn | undefined;
    try {
      link = await Deno.connect({ hostname: LOOPBACK, port: this.#inner.addr.port });
      const inner = await this.#other(link);
      const onEnd = () => void this.#open.delete(socket);
      const socket = new GatedSocket({ outer, link, inner }, {
        clock: this.#clock,
        traffic: this.#traffic,
        onEnd,
      });
      this.#open.add(socket);
      return socket;
    } catch (error) {
      outer.close();
      link?.close();
      throw error;
    }
  }

  /** Accepts no more; connections that are open live on. */
  close(): void {
    this.#outer.close();
    this.#inner.close();
  }

  /** Resolves when every connection that was closed has sent its last bytes, within LINGER_MS. */
  async drained(): Promise<void> {
    await Promise.all([...this.#open].filter((socket) => socket.closed).map(({ ended }) => ended));
  }

  /** The end of `link` on the loopback port; whoever else connects there is none of ours. */
  async #other(link: Deno.TcpConn): Promise<Deno.TlsConn> {
    while (true) {
      const inner = await this.#inner.accept();
      if (inner.remoteAddr.port === link.localAddr.port) return inner;
      inner.close();
    }
  }
}

interface Ends {
  /** The peer's connection. */
  outer: Deno.TcpConn;
  /** This process's connection to itself. */
  link: Deno.TcpConn;
  /** Its other end, with TLS. */
  inner: Deno.TlsConn;
}

/** One connection through the gate: bytes in clear on this side, TLS on the peer's. */
export class GatedSocket {
  readonly #ends: Ends;
  readonly #clock: Clock;
  readonly #ended = Promise.withResolvers<void>();
  #shaken = false;
  #closed = false;
  #linger: Timer | undefined;

  /** Made by {@linkcode TlsGate.accept}. */
  constructor(
    ends: Ends,
    { clock, traffic, onEnd }: { clock: Clock; traffic: Traffic; onEnd: () => void },
  ) {
    this.#ends = ends;
    this.#clock = clock;
    const { outer, link } = ends;
    for (const conn of [outer, link]) conn.setNoDelay(true);
    const out = pump({ from: link, to: outer }, traffic).finally(() => this.#endOuter());
    const into = pump({ from: outer, to: link }, traffic);
    void Promise.all([out, into]).then(() => {
      this.#linger?.cancel();
      onEnd();
      this.#ended.resolve();
    });
  }

  /** Where the peer is. */
  get remoteAddr(): Deno.NetAddr {
    return this.#ends.outer.remoteAddr;
  }

  /** Whether this side has closed it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when nothing is left of it. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Completes the handshake. */
  async handshake(): Promise<void> {
    try {
      await this.#ends.inner.handshake();
    } finally {
      this.#shaken = true;
    }
  }

  /** Reads at most `into.length` bytes; resolves with their count, or null at the end. */
  read(into: Uint8Array): Promise<number | null> {
    return this.#ends.inner.read(into);
  }

  /** Writes some of `bytes`; resolves with how many were taken. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#ends.inner.write(bytes);
  }

  /** Ends both directions: at once during the handshake, else when the last bytes have left or LINGER_MS are over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ends.inner.close();
    if (this.#shaken) this.#linger = this.#clock.after(LINGER_MS, () => this.#endOuter());
    else this.#endOuter();
  }

  #endOuter(): void {
    closeQuietly(this.#ends.outer);
    closeQuietly(this.#ends.link);
  }
}

/** Hands bytes on until one side ends, and the end with them; never rejects. */
async function pump(
  ends: { from: Deno.TcpConn; to: Deno.TcpConn },
  traffic: Traffic,
): Promise<void> {
  const { from, to } = ends;
  let buffer = new Uint8Array(SMALL_BUFFER_BYTES);
  using lane = traffic.enter();
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
      const size = nextSize(buffer.length, count);
      if (size !== buffer.length) buffer = new Uint8Array(size);
      await lane.moved(count, size === LARGE_BUFFER_BYTES);
    }
    await to.closeWrite();
  } catch {
    // Reset, or closed by this process: what cannot be handed on ends the other side as well.
    closeQuietly(from);
    closeQuietly(to);
  }
}

/**
 * Shares the thread between directions that move files and everybody else. While both of its sides are ready, a
 * direction never lets the event loop rest, and the runtime looks for what else has come only when it rests, or
 * after many turns. So several of them pause now and then, all at the same time; one alone need not.
 */
class Traffic {
  #busy = 0;
  #moved = 0;
  #rest: Promise<void> | undefined;

  /** Enters with one direction, idle at first; dispose of it at its end. */
  enter(): Disposable & { moved(bytes: number, isBusy: boolean): Promise<void> | undefined } {
    let wasBusy = false;
    const set = (isBusy: boolean) => {
      if (isBusy !== wasBusy) this.#busy += isBusy ? 1 : -1;
      wasBusy = isBusy;
    };
    return {
      moved: (bytes, isBusy) => {
        set(isBusy);
        return isBusy ? this.#restAfter(bytes) : undefined;
      },
      [Symbol.dispose]: () => set(false),
    };
  }

  #restAfter(bytes: number): Promise<void> | undefined {
    this.#moved += bytes;
    if (this.#rest === undefined && this.#busy > 1 && this.#moved >= SHARED_TURN_BYTES) {
      this.#moved = 0;
      this.#rest = nextTurn().then(() => this.#rest = undefined);
    }
    return this.#rest;
  }
}

/** A full buffer grows fourfold; one that a read hardly fills is given back. */
function nextSize(size: number, count: number): number {
  if (count === size) return Math.min(size * 4, LARGE_BUFFER_BYTES);
  return count <= SMALL_BUFFER_BYTES / 4 ? SMALL_BUFFER_BYTES : size;
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    // Closed before: that is what was wanted.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
