/**
 * Finds out when two machines use one identity, as after a disk image was copied, and stops them from taking each other's place
 * over and over.
 *
 * That a second connection comes means little: a client that lost its network, or was restarted, leaves a dead connection
 * behind. So the other one is asked for a sign of life; only when it answers are there two (SPEC HB-34).
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";

/** Time in which the other connection must answer to prove that it is alive, in milliseconds. */
export const PROOF_MS = 3_000;
/** So many changes of place within {@linkcode SWAP_SPAN_MS} are borne. */
export const MAX_SWAPS = 3;
/** The span for {@linkcode MAX_SWAPS}, in milliseconds. */
export const SWAP_SPAN_MS = 60_000;
/** For so long both are shut out after that, in milliseconds. */
export const SHUT_OUT_MS = 10 * 60_000;
/** After so long without a new proof there is one again, in milliseconds. */
export const FORGET_MS = 15 * 60_000;

/** A connection that can be asked for a sign of life. */
export interface Witness {
  /** Asks; the answer is told by {@linkcode CloneGuard.answered}. */
  ping(): void;
}

/** Two machines that use one identity. */
export interface Clone {
  /** Id of the client. */
  readonly client: string;
  /** Where the two connected from last. */
  readonly addresses: readonly string[];
  /** Whether both are shut out. */
  readonly shutOut: boolean;
}

/** What a {@linkcode CloneGuard} needs. */
export interface CloneGuardOptions {
  clock: Clock;
  /** Called when two are proven, and again when both are shut out. */
  onClone: (clone: Clone) => void;
  /** Called when none was seen for long enough. */
  onOver: (client: string) => void;
}

/** What is known of a client that was proven to be two. */
interface Case {
  swaps: number[];
  /** Until when both are shut out, on the monotonic clock. */
  shutOutUntil: number;
  forget: Timer;
}

/** Watches over identities that are used twice. */
export class CloneGuard implements Disposable {
  readonly #options: CloneGuardOptions;
  readonly #cases = new Map<string, Case>();
  readonly #asked = new Map<Witness, (isAlive: boolean) => void>();

  /** Starts with no suspicion. */
  constructor(options: CloneGuardOptions) {
    this.#options = options;
  }

  /** Why a client is not let in, for people; undefined when it is. */
  refusal(client: string): string | undefined {
    const left = (this.#cases.get(client)?.shutOutUntil ?? 0) - this.#options.clock.now();
    if (left <= 0) return undefined;
    return "Two machines use this identity and keep taking each other's place; on one of them remove the data directory " +
      `of hbclient and join again. Nobody is let in for ${Math.ceil(left / 60_000)} min`;
  }

  /** Asks a connection of a client for a sign of life, as there is another: resolves with whether it is alive. */
  isAlive(witness: Witness): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = this.#options.clock.after(PROOF_MS, () => this.#settle(witness, false));
    this.#asked.set(witness, (isAlive) => {
      timer.cancel();
      resolve(isAlive);
    });
    witness.ping();
    return promise;
  }

  /** A connection has answered a PING. */
  answered(witness: Witness): void {
    this.#settle(witness, true);
  }

  /** A connection has ended. */
  ended(witness: Witness): void {
    this.#settle(witness, false);
  }

  /**
   * Two connections of a client are alive; with `swapped` one took the other's place. Whether both are to be shut out now.
   */
  proven(
    client: string,
    { addresses, swapped }: { addresses: readonly string[]; swapped: boolean },
  ): boolean {
    const { clock, onClone } = this.#options;
    const now = clock.now();
    const known = this.#cases.get(client);
    known?.forget.cancel();
    const swaps = (known?.swaps ?? []).filter((at) => at > now - SWAP_SPAN_MS);
    if (swapped) swaps.push(now);
    const shutOut = swaps.length > MAX_SWAPS;
    const shutOutUntil = shutOut ? now + SHUT_OUT_MS : known?.shutOutUntil ?? 0;
    const forget = clock.after(FORGET_MS, () => {
      this.#cases.delete(client);
      this.#options.onOver(client);
    });
    this.#cases.set(client, { swaps, shutOutUntil, forget });
    onClone({ client, addresses: [...new Set(addresses)].sort(), shutOut });
    return shutOut;
  }

  /** Forgets a client that is not on the lists any more. */
  forget(client: string): void {
    this.#cases.get(client)?.forget.cancel();
    this.#cases.delete(client);
  }

  /** Stops all timers; whoever waits hears that nobody is alive. */
  [Symbol.dispose](): void {
    for (const { forget } of this.#cases.values()) forget.cancel();
    this.#cases.clear();
    for (const witness of [...this.#asked.keys()]) this.#settle(witness, false);
  }

  #settle(witness: Witness, isAlive: boolean): void {
    const resolve = this.#asked.get(witness);
    this.#asked.delete(witness);
    resolve?.(isAlive);
  }
}
