/**
 * How long a channel is left alone after a try that was in vain. Pure.
 *
 * @module
 */

import type { Random } from "../../platform/clock.ts";

/** Time between the first try and the second, in milliseconds; it doubles with each. */
export const FIRST_RETRY_MS = 5_000;
/** Longest time between two tries unless the other side asks for more, in milliseconds. */
export const MAX_RETRY_MS = 10 * 60_000;
/** Longest time that the other side may ask for, in milliseconds. */
export const MAX_ASKED_MS = 3_600_000;
/** Tries are spread by this part of the time between them, either way. */
const JITTER = 0.2;

/** Time after so many tries, in milliseconds; `askedMs` is what the other side asks for. */
export function retryWait(
  attempts: number,
  { random, askedMs = 0 }: { random: Random; askedMs?: number | undefined },
): number {
  const doubled = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
  const spread = doubled * (1 - JITTER + 2 * JITTER * random());
  return Math.round(Math.max(spread, Math.min(MAX_ASKED_MS, askedMs)));
}
