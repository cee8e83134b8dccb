/**
 * How long to wait before the next try to connect: full jitter, so that clients which lost their server
 * together do not come back together.
 *
 * @module
 */

import type { Random } from "../platform/clock.ts";
import {
  HEARTBEAT_INTERVAL_MS,
  RECONNECT_MAX_INTERVALS,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
} from "../protocol/mod.ts";

/** Longest first wait after a server that said BYE, in milliseconds; shorter when beats come faster. */
export const SHUTDOWN_SPREAD_MS = 10_000;

/** Longest wait of a client whose server wants a heartbeat every `intervalMs`, in milliseconds. */
export function longestDelay(intervalMs: number): number {
  const scaled = Math.min(RECONNECT_MAX_MS, RECONNECT_MAX_INTERVALS * intervalMs);
  return Math.max(RECONNECT_MIN_MS, scaled);
}

/**
 * The wait before try number `attempt` (the first is 0), in milliseconds: evenly spread from
 * RECONNECT_MIN_MS up to twice that, four times that, and so on to `longestMs`.
 */
export function reconnectDelay(
  attempt: number,
  { random, longestMs }: { random: Random; longestMs: number },
): number {
  const ceiling = Math.min(longestMs, RECONNECT_MIN_MS * 2 ** (attempt + 1));
  return RECONNECT_MIN_MS + random() * (ceiling - RECONNECT_MIN_MS);
}

/** The wait before the first try after the server said that it shuts down, in milliseconds. */
export function shutdownDelay(intervalMs: number, random: Random): number {
  const ceiling = Math.max(RECONNECT_MIN_MS, Math.min(intervalMs, SHUTDOWN_SPREAD_MS));
  return RECONNECT_MIN_MS + random() * (ceiling - RECONNECT_MIN_MS);
}

/** Counts tries and forgets them after a session that lasted. */
export class Reconnect {
  readonly #random: Random;
  #attempt = 0;
  #longestMs = longestDelay(HEARTBEAT_INTERVAL_MS);

  /** Starts with the shortest wait. */
  constructor(random: Random) {
    this.#random = random;
  }

  /** The wait before the next try, in milliseconds; each call counts as a failed try. */
  next(): number {
    return reconnectDelay(this.#attempt++, { random: this.#random, longestMs: this.#longestMs });
  }

  /** Tells that a session has ended; one of at least an interval makes the next wait short again. */
  sessionEnded(session: { lastedMs: number; intervalMs: number }): void {
    this.#longestMs = longestDelay(session.intervalMs);
    if (session.lastedMs >= session.intervalMs) this.#attempt = 0;
  }
}
