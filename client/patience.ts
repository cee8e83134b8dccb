/**
 * How long a sender goes on after its connection was lost: with growing, jittered pauses, for as long as it gets
 * anywhere, and for a limited time when it does not.
 *
 * @module
 */

import type { Clock, Random } from "../platform/clock.ts";
import { reconnectDelay } from "./reconnect.ts";

/** Time without any progress after which a sender gives up, in milliseconds. */
export const GIVE_UP_MS = 300_000;
/** Longest pause before the next try, in milliseconds. */
export const LONGEST_PAUSE_MS = 30_000;
/** Shortest and longest pause before a busy server is asked again, in milliseconds. */
const BUSY_PAUSE_MS = [1_000, 5_000] as const;

/** A pause before the next try. */
export interface Pause {
  /** How long, in milliseconds. */
  ms: number;
  /** Whether it is the first since something moved. */
  isFirst: boolean;
}

/** Counts tries, and forgets them as soon as something moves. */
export class Patience {
  readonly #clock: Clock;
  readonly #random: Random;
  #attempt = 0;
  #stuckSince: number | undefined;

  /** Begins with the shortest pause. */
  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Tells that the server has got more than it had. */
  progressed(): void {
    this.#attempt = 0;
    this.#stuckSince = undefined;
  }

  /** The pause before the next try; undefined when it is time to give up. */
  next(): Pause | undefined {
    const now = this.#clock.now();
    this.#stuckSince ??= now;
    const isFirst = this.#attempt === 0;
    const ms = reconnectDelay(this.#attempt++, {
      random: this.#random,
      longestMs: LONGEST_PAUSE_MS,
    });
    return now + ms - this.#stuckSince > GIVE_UP_MS ? undefined : { ms, isFirst };
  }
}

/** A pause before a busy server is asked again, in milliseconds. */
export function busyPause(random: Random): number {
  const [shortest, longest] = BUSY_PAUSE_MS;
  return shortest + random() * (longest - shortest);
}
