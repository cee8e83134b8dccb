/**
 * How this machine reaches its server: the destination, this client's identity, and the order of addresses.
 *
 * @module
 */

import { type Address, formatAddress } from "../platform/address.ts";
import type { ClientCredentials, KeyPair, Role } from "../protocol/mod.ts";
import type { Destination, Dial, Dialled } from "./dial.ts";
import type { ClientStore } from "./store.ts";

/** What {@linkcode createServerAccess} puts together. */
export interface ServerAccessOptions {
  /** Opens connections. */
  dial: Dial;
  /** Where the server is. */
  destination: Destination;
  /** This client's key pair. */
  keys: KeyPair;
  /** The name that it knows itself by. */
  name: string | undefined;
  /** Program and system, for people. */
  app: string;
  /** Start of this process, in milliseconds since 1970. */
  epoch: number;
  /** Keeps the address that answered last; without it the order never changes. */
  memory?: Pick<ClientStore, "remember" | "recall">;
}

/** One connection that is asked for. */
export interface ConnectRequest {
  /** What it is for. */
  role: Role;
  /** With an invite the client enrols. */
  invite?: ClientCredentials["invite"];
  /** Called with the count whenever bytes arrive. */
  onRead?: (count: number) => void;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

/** The way to one server. */
export interface ServerAccess {
  /** The name that this client knows itself by. */
  readonly name: string | undefined;
  /** Where the server is. */
  readonly destination: Destination;
  /** Opens one connection, at the address that answered last first; rejects as `Dial` does. */
  connect(request: ConnectRequest): Promise<Dialled>;
}

const ADDRESS_FACT = "address";

/** Puts the way to a server together; connects to nothing yet. */
export function createServerAccess(options: ServerAccessOptions): ServerAccess {
  const { dial, destination, keys, name, app, epoch, memory } = options;
  return {
    name,
    destination,
    async connect(request) {
      const last = memory?.recall(ADDRESS_FACT);
      const addresses = lastFirst(destination.addresses, last);
      const dialled = await dial({
        ...request,
        destination: { ...destination, addresses },
        keys,
        name,
        app,
        epoch,
      });
      const address = formatAddress(dialled.address);
      if (address !== last) memory?.remember(ADDRESS_FACT, address);
      return dialled;
    },
  };
}

function lastFirst(addresses: readonly Address[], last: string | undefined): Address[] {
  const isLast = (address: Address) => formatAddress(address) === last;
  return [...addresses.filter(isLast), ...addresses.filter((address) => !isLast(address))];
}
