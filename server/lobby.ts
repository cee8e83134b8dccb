/**
 * The connections that have not completed their greeting: how many there may be, and who goes first.
 *
 * Over a cap the oldest waiting connection goes, not the newest: an honest greeting takes milliseconds, so
 * whoever has waited longest is the likeliest to be stalling, and a flood from one address cannot keep its
 * neighbours behind the same NAT out.
 *
 * @module
 */

/** Connections of one address that may be in their greeting at once. */
export const MAX_GREETING_PER_ADDRESS = 32;
/** Connections of all addresses that may be in their greeting at once. */
export const MAX_GREETING_TOTAL = 512;
/** Connections in all; a process may open 20,000 descriptors on the systems that we know. */
export const MAX_CONNECTIONS = 10_000;
/** The same over TLS, which takes three descriptors each. */
export const MAX_TLS_CONNECTIONS = 6_000;
/** Connections of unverified peers (classic, or on an open server) that one address may hold. */
export const MAX_UNVERIFIED_PER_ADDRESS = 64;

interface Guest {
  address: string;
  evict: () => void;
}

/** The caps of a {@linkcode Lobby}; the defaults are the constants of this file. */
export interface LobbyLimits {
  /** Connections of one address in their greeting. @default {MAX_GREETING_PER_ADDRESS} */
  perAddress?: number;
  /** Connections of all addresses in their greeting. @default {MAX_GREETING_TOTAL} */
  greeting?: number;
  /** Connections in all. @default {MAX_CONNECTIONS} */
  connections?: number;
  /** Unverified sessions of one address. @default {MAX_UNVERIFIED_PER_ADDRESS} */
  unverifiedPerAddress?: number;
}

/** Counts connections from accept to close. */
export class Lobby {
  #limits: Required<LobbyLimits>;
  #waiting = new Set<Guest>(); // In order of arrival.
  #connections = 0;
  #unverified = new Map<string, number>();

  /** Starts empty. */
  constructor(limits: LobbyLimits = {}) {
    this.#limits = {
      perAddress: limits.perAddress ?? MAX_GREETING_PER_ADDRESS,
      greeting: limits.greeting ?? MAX_GREETING_TOTAL,
      connections: limits.connections ?? MAX_CONNECTIONS,
      unverifiedPerAddress: limits.unverifiedPerAddress ?? MAX_UNVERIFIED_PER_ADDRESS,
    };
  }

  /** Connections that are open, greeted or not. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are in their greeting. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Lets a new connection in, evicting the oldest waiting one where a cap demands it; undefined when the
   * server is full. Call `greeted` when its greeting is over and `left` when it is closed.
   */
  enter(address: string, evict: () => void): { greeted(): void; left(): void } | undefined {
    if (this.#connections >= this.#limits.connections) return undefined;
    const sameAddress = [...this.#waiting].filter((guest) => guest.address === address);
    if (sameAddress.length >= this.#limits.perAddress) this.#evict(sameAddress[0]);
    else if (this.#waiting.size >= this.#limits.greeting) this.#evict([...this.#waiting][0]);
    const guest: Guest = { address, evict };
    this.#waiting.add(guest);
    this.#connections++;
    let inside = true;
    const greeted = () => void this.#waiting.delete(guest);
    const left = () => {
      greeted();
      if (inside) this.#connections--;
      inside = false;
    };
    return { greeted, left };
  }

  /** Counts an unverified session of an address; undefined when it has too many. Dispose when it ends. */
  admitUnverified(address: string): Disposable | undefined {
    const count = this.#unverified.get(address) ?? 0;
    if (count >= this.#limits.unverifiedPerAddress) return undefined;
    this.#unverified.set(address, count + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#unverified.get(address) ?? 1) - 1;
        if (left > 0) this.#unverified.set(address, left);
        else this.#unverified.delete(address);
      },
    };
  }

  #evict(guest: Guest | undefined): void {
    if (guest === undefined) return;
    this.#waiting.delete(guest);
    guest.evict();
  }
}
