/**
 * A cheap hash over everything that was decided in a world: FNV-1a over 32-bit words in two lanes. It tells runs
 * apart and is no protection against anybody.
 *
 * @module
 */

const PRIME = 0x01000193;
const OFFSET = 0x811c9dc5;
/** What the second lane starts from, so that both must collide. */
const OTHER_OFFSET = 0x6b43a9b5;

/** A hash to which words are added. */
export class TraceHash {
  #low = OFFSET;
  #high = OTHER_OFFSET;

  /** Adds the lowest 32 bits of a whole number. */
  add(word: number): void {
    this.#low = Math.imul(this.#low ^ word, PRIME);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high ^ word, 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
  }

  /** Adds a moment, in milliseconds, to 1/64 of one. */
  addTime(ms: number): void {
    const steps = Math.round(ms * 64);
    this.add(steps | 0);
    this.add(Math.floor(steps / 2 ** 32));
  }

  /** Adds a text. */
  addText(text: string): void {
    this.add(text.length);
    for (let at = 0; at < text.length; at++) this.add(text.charCodeAt(at));
  }

  /** 16 hex digits. */
  toString(): string {
    return [this.#high, this.#low].map((lane) => (lane >>> 0).toString(16).padStart(8, "0"))
      .join("");
  }
}
