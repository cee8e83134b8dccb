/**
 * Keeps messages from overtaking one that could not be stored (HB-56); one per connection and direction. Pure.
 *
 * @module
 */

import { REFUSED_KEEP_MS } from "../protocol/mod.ts";

/** Remembers the message that has to come again before any other is taken. */
export class MessageOrder {
  #refused: { id: string; until: number } | undefined;

  /** What of a batch may be stored, and what stands before the message that has to come first; `now` is monotonic, in ms. */
  admit<M extends { id: string }>(
    batch: readonly M[],
    now: number,
  ): { admitted: M[]; refused: M[] } {
    const expected = this.#refused;
    const at = batch.findIndex(({ id }) => id === expected?.id);
    if (expected !== undefined && at === -1 && now < expected.until) {
      return { admitted: [], refused: [...batch] };
    }
    this.#refused = undefined;
    const first = Math.max(0, at);
    return { admitted: batch.slice(first), refused: batch.slice(0, first) };
  }

  /** The batch could not be stored: its first message has to come again before any other, or REFUSED_KEEP_MS pass. */
  refuse([first]: readonly { id: string }[], now: number): void {
    if (first !== undefined) this.#refused = { id: first.id, until: now + REFUSED_KEEP_MS };
  }
}
