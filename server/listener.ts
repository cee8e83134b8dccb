/**
 * The one TCP port: opens it, accepts for years, and survives running out of descriptors.
 *
 * The only file of the server that names Deno's listening sockets.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import { type Clock, sleep } from "../platform/clock.ts";

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
export function openListener(options: ListenOptions): Deno.Listener<Deno.TcpConn | Deno.TlsConn> {
  const { hostname, port, tls } = options;
  try {
    return tls === undefined
      ? Deno.listen({ hostname, port })
      : Deno.listenTls({ hostname, port, ...tls });
  } catch (cause) {
    throw listenError(cause, { what: "--listen", hostname, port });
  }
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
export async function acceptAll<C extends Deno.Conn>(
  listener: Deno.Listener<C>,
  options: { onConnection: (conn: C) => void; clock: Clock; log: Logger; signal: AbortSignal },
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
