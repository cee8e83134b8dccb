/**
 * Chance as the machine gives it; logic receives it as a parameter.
 *
 * @module
 */

import type { Clock, Random } from "./clock.ts";

/** Unpredictable bytes. */
export function systemRandomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** Numbers from 0 up to but not including 1; for jitter, never for secrets. */
export const systemRandom: Random = () => Math.random();

const UUID_BYTES = 16;
const TIME_BYTES = 6;

/**
 * A UUID of version 7 in lower case (RFC 9562, section 5.7): 48 bits of unix milliseconds, then chance, so
 * that ids sort by the time at which they were made.
 */
export function uuidV7(clock: Pick<Clock, "wall">, randomBytes = systemRandomBytes): string {
  const bytes = randomBytes(UUID_BYTES);
  let time = Math.max(0, Math.trunc(clock.wall()));
  for (let at = TIME_BYTES - 1; at >= 0; at--) {
    bytes[at] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toHex();
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts.slice(1).map((end, at) => hex.slice(cuts[at], end)).join("-");
}
