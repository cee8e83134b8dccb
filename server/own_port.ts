/**
 * Asks the own port whether anybody accepts there, without being a visitor: the accept loop asks it about each connection.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { formatDuration } from "../platform/quantity.ts";
import { plainAddress } from "./listener.ts";

/** The port must accept in so long, in milliseconds. */
export const OWN_PORT_MS = 5_000;

const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

type Address = Pick<Deno.NetAddr, "hostname" | "port">;

/** A connection as far as it is used. */
export interface OwnConnection {
  readonly localAddr: Address;
  close(): void;
}

/** Opens a connection. */
export type Connect = (address: Address) => Promise<OwnConnection>;

interface Check {
  /** Where the connection comes from; undefined when there is none. */
  readonly from: Promise<Address | undefined>;
  readonly accepted: () => void;
}

/** One server's way to its own port. */
export class OwnPort {
  readonly #clock: Clock;
  readonly #connect: Connect;
  #check: Check | undefined;

  /** Opens nothing yet. */
  constructor({ clock, connect = (address) => Deno.connect(address) }: {
    clock: Clock;
    connect?: Connect;
  }) {
    this.#clock = clock;
    this.#connect = connect;
  }

  /** Whether a connection that was just accepted is its own: whoever accepts then closes it. */
  claims(remote: Address): boolean | Promise<boolean> {
    const check = this.#check;
    return check === undefined ? false : isFrom(check, remote);
  }

  /**
   * Why the port does not work, or undefined when it does. That it connects says nothing, as the kernel does that whether or
   * not anybody accepts; so it waits to be accepted. One at a time.
   */
  async trouble({ hostname, port }: Address): Promise<string | undefined> {
    const { promise: known, resolve: know } = Promise.withResolvers<Address | undefined>();
    const { promise: result, resolve } = Promise.withResolvers<string | undefined>();
    this.#check = { from: known, accepted: () => resolve(undefined) };
    const late = `nobody accepts at its own port ${port} within ${formatDuration(OWN_PORT_MS)}`;
    using _limit = this.#clock.after(OWN_PORT_MS, () => resolve(late));
    const opening = this.#connect({ hostname: LOOPBACK[hostname] ?? hostname, port });
    opening.then(({ localAddr }) => know(localAddr), (error: unknown) => {
      know(undefined);
      const why = error instanceof Error ? error.message : String(error);
      resolve(`its own port ${port} cannot be reached: ${why}`);
    });
    try {
      return await result;
    } finally {
      this.#check = undefined;
      know(undefined);
      // One that opens later than anybody waits for is closed all the same; one that never opened is not.
      opening.then((connection) => connection.close(), () => {});
    }
  }
}

async function isFrom({ from, accepted }: Check, remote: Address): Promise<boolean> {
  const own = await from;
  if (own === undefined || own.port !== remote.port) return false;
  if (plainAddress(own.hostname) !== plainAddress(remote.hostname)) return false;
  accepted();
  return true;
}
