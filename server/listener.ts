/**
 * The one TCP port: opens it, accepts for years, and survives running out of descriptors.
 *
 * The only file of the server, besides the gate for TLS, that names Deno's listening sockets.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import { type Clock, sleep } from "../platform/clock.ts";
import type { ByteDuplex } from "../protocol/mod.ts";
import { TlsGate } from "./tls_gate.ts";

/** Pause after a failed accept, in milliseconds; descriptors come free within it or within the next. */
const ACCEPT_PAUSE_MS = 50;
/** A lasting accept failure is logged this often, in milliseconds. */
const ACCEPT_LOG_MS = 10_000;

/** Where to listen and with what. */
export interface ListenOptions {
  hostname: string;
  /** 0 takes any free port. */
  port: number;
  /** Certificate and key in PEM; without them the port speaks plaintext. */
  tls?: { cert: string; key: string } | undefined;
  clock: Clock;
}

/** A connection as the port hands it over. */
export interface AcceptedSocket extends ByteDuplex {
  readonly remoteAddr: Deno.NetAddr;
  /** Completes the TLS handshake; undefined on a plaintext port. */
  handshake?: () => Promise<unknown>;
}

/** An open port. */
export interface PortListener {
  readonly addr: Deno.NetAddr;
  /** Resolves with the next connection. */
  accept(): Promise<AcceptedSocket>;
  /** Accepts no more; connections that are open live on. */
  close(): void;
  /** Resolves when the last bytes of all closed connections are on their way. */
  drained(): Promise<void>;
}

/** The port could not be opened. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  /** What to do about it. */
  readonly hint: string;

  /** Takes the reason and the way out. */
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/** Opens the port or throws {@linkcode ListenError}. */
export function openListener({ hostname, port, tls, clock }: ListenOptions): PortListener {
  try {
    return tls === undefined
      ? plainListener(Deno.listen({ hostname, port }))
      : new TlsGate({ hostname, port, ...tls, clock });
  } catch (cause) {
    throw listenError(cause, { what: "--listen", hostname, port });
  }
}

function plainListener(listener: Deno.TcpListener): PortListener {
  return {
    addr: listener.addr,
    accept: async () => {
      const conn = await listener.accept();
      conn.setNoDelay(true);
      return conn;
    },
    close: () => listener.close(),
    drained: () => Promise.resolve(), // The system sends what a closed connection has written.
  };
}

/** Puts the failure to open a port into words; `what` is the option that chose it. */
export function listenError(
  cause: unknown,
  where: { what: string; hostname: string; port: number },
): ListenError {
  const address = showAddress(where.hostname, where.port);
  const say = (state: string, hint: string) =>
    new ListenError(`Cannot listen on ${address}: ${state}`, hint, { cause });
  if (cause instanceof Deno.errors.AddrInUse) {
    return say(
      "another program uses this port",
      `is another server running? Choose another port with ${where.what} HOST:PORT`,
    );
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return say("this machine does not have that address", `correct ${where.what} HOST:PORT`);
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return say("this user may not open that port", `choose a port above 1023 with ${where.what}`);
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return say(message, `correct ${where.what} HOST:PORT`);
}

/** Host and port as people write them: `10.0.0.5:5001`, `[::1]:5001`. */
export function showAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** An IPv4 peer on an IPv6 socket under its plain address. */
export function plainAddress(hostname: string): string {
  return hostname.toLowerCase().startsWith("::ffff:") && hostname.includes(".")
    ? hostname.slice("::ffff:".length)
    : hostname;
}

/** Accepts until the listener is closed; no failure of accept ends it. */
export async function acceptAll(
  listener: Pick<PortListener, "accept">,
  options: {
    onConnection: (socket: AcceptedSocket) => void;
    clock: Clock;
    log: Logger;
    signal: AbortSignal;
  },
): Promise<void> {
  const { onConnection, clock, log, signal } = options;
  let lastLogged = -Infinity;
  while (!signal.aborted) {
    try {
      onConnection(await listener.accept());
    } catch (error) {
      if (signal.aborted) return;
      if (clock.now() - lastLogged > ACCEPT_LOG_MS) {
        lastLogged = clock.now();
        const message = error instanceof Error ? error.message : String(error);
        log.warn("Cannot accept connections for now, retrying: {message}", { message });
      }
      await sleep(clock, ACCEPT_PAUSE_MS);
    }
  }
}
