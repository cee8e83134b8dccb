/**
 * A token bucket per key, bounded in the number of keys.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";

/** Keys that are remembered; the longest unused one is forgotten first. */
const MAX_KEYS = 4_096;

/** Settings of a {@linkcode RateLimit}. */
export interface RateLimitOptions {
  clock: Clock;
  /** Tokens of a full bucket. */
  burst: number;
  /** Time in which one token comes back, in milliseconds. */
  refillMs: number;
}

interface Bucket {
  tokens: number;
  at: number;
  suppressed: number;
}

/** Limits how often something happens, separately for each key. */
export class RateLimit {
  #options: RateLimitOptions;
  #buckets = new Map<string, Bucket>();

  /** Starts with full buckets. */
  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /**
   * Takes a token of `key`: the number of refusals since the last success, or undefined when there is none
   * left.
   */
  take(key: string): number | undefined {
    const { clock, burst, refillMs } = this.#options;
    const now = clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now, suppressed: 0 };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    bucket.at = now;
    this.#buckets.delete(key); // Back to the end: the map's order is that of use.
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) this.#forgetOldest();
    if (bucket.tokens < 1) {
      bucket.suppressed++;
      return undefined;
    }
    const { suppressed } = bucket;
    bucket.tokens--;
    bucket.suppressed = 0;
    return suppressed;
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
