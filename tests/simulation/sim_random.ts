/**
 * Chance that is the same for the same seed: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state.
 *
 * @module
 */

const WARM_UP = 12;
const TWO_TO_32 = 2 ** 32;
const STEPS = 4096;
/** Of the exponential distribution, in the middle of each step. */
const QUANTILES = Float64Array.from(
  { length: STEPS },
  (_, at) => -Math.log(1 - (at + 0.5) / STEPS),
);

/** A source of chance from a seed and a stream's number. */
export class SimRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  /** The same as a function, for code of the product. */
  readonly random = (): number => this.next();

  /** Different streams of one seed have nothing to do with each other. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / TWO_TO_32) | 0;
    this.#c = Math.imul(stream + 1, 0x9e3779b1);
    for (let round = 0; round < WARM_UP; round++) this.next();
  }

  /** A number from 0 up to but not including 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return (sum >>> 0) / TWO_TO_32;
  }

  /** A number from `low` up to but not including `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number from 0 up to but not including `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** Of an exponential distribution with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** The same in 4096 steps up to 9 times the mean; for what is drawn all the time. */
  roughlyExponential(mean: number): number {
    return mean * (QUANTILES[(this.next() * STEPS) | 0] ?? 0);
  }

  /** One of several. */
  pick<T>(from: readonly T[]): T {
    const chosen = from[this.below(from.length)];
    if (chosen === undefined) throw new RangeError("Cannot pick: there is nothing to choose from");
    return chosen;
  }

  /** `count` different whole numbers below `all`, in order. */
  choose(count: number, all: number): number[] {
    const left = Array.from({ length: all }, (_, index) => index);
    for (let at = left.length; at > count; at--) left.splice(this.below(at), 1);
    return left;
  }
}
