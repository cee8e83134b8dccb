/**
 * A clock that stands still until a test moves it.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";

/** One timer that waits in a {@linkcode FakeClock}. */
interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** How {@linkcode FakeClock} begins. */
export interface FakeClockOptions {
  /** First value of `now()`, in milliseconds. @default {0} */
  now?: number;
  /** First value of `wall()`, in milliseconds since 1970. @default {2026-11-22T10:00:00.000Z} */
  wall?: number;
}

/** A clock for tests: time passes only in {@linkcode FakeClock.advance}. */
export class FakeClock implements Clock {
  #now: number;
  #wall: number;
  #order = 0;
  readonly #waiting = new Set<Waiting>();

  /** Makes a clock that shows the given times. */
  constructor(options: FakeClockOptions = {}) {
    this.#now = options.now ?? 0;
    this.#wall = options.wall ?? Date.UTC(2026, 10, 22, 10);
  }

  /** How many timers are waiting; 0 proves that the code under test has cleaned up. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#now;
  }

  /** Milliseconds since 1970. */
  wall(): number {
    return this.#wall;
  }

  /** Registers a timer that a later `advance()` fires. */
  after(ms: number, run: () => void): Timer {
    if (Number.isNaN(ms)) throw new RangeError("Cannot start timer: delay is NaN");
    const timer: Waiting = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#waiting.add(timer);
    const cancel = () => void this.#waiting.delete(timer);
    return { cancel, [Symbol.dispose]: cancel };
  }

  /**
   * Lets `ms` milliseconds pass: fires due timers in order of time, then of creation, each at its own
   * moment, and lets pending promises run before each and at the end. A timer started meanwhile fires in
   * the same call when it falls due in it. An error thrown by a timer rejects this call.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance clock: ${ms} ms is not a time to come`);
    const end = this.#now + ms;
    await settle();
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#waiting.delete(timer);
      this.#moveTo(timer.at);
      timer.run();
      await settle();
    }
    this.#moveTo(end);
  }

  /** Moves the wall clock by `ms` (negative: back) without letting any time pass. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  #moveTo(at: number): void {
    this.#wall += at - this.#now;
    this.#now = at;
  }

  #next(end: number): Waiting | undefined {
    let next: Waiting | undefined;
    for (const timer of this.#waiting) {
      if (timer.at > end) continue;
      const sooner = next === undefined || timer.at < next.at ||
        (timer.at === next.at && timer.order < next.order);
      if (sooner) next = timer;
    }
    return next;
  }
}

/** Turns of the microtask queue between two timers; a chain of more awaits than this is not waited for. */
const SETTLE_TURNS = 50;

/** Lets promises that are already resolved run their course. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}
