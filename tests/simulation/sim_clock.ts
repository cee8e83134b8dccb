/**
 * Time as one simulated machine believes it: its process may stand still, and its monotonic clock may miss a pause.
 *
 * @module
 */

import type { Clock, Timer } from "../../platform/clock.ts";
import type { EventQueue, Happening } from "./event_queue.ts";

/** The wall clock at the beginning of every world, in milliseconds since 1970. */
export const WORLD_BEGINS = Date.UTC(2026, 10, 22, 10);

/** A clock of the world's time, as one machine sees it. */
export class SimClock implements Clock {
  readonly #queue: EventQueue;
  /** Time that the monotonic clock has missed. */
  #missed = 0;
  #wallOffset = WORLD_BEGINS;
  #stillUntil = 0;

  /** Shows 0 at the beginning of the world. */
  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#queue.time - this.#missed;
  }

  /** Milliseconds since 1970. */
  wall(): number {
    return this.#queue.time + this.#wallOffset;
  }

  /** Starts a timer; while the process stands still it does not fire, and afterwards it is late. */
  after(ms: number, run: () => void): Timer {
    if (Number.isNaN(ms)) throw new RangeError("Cannot start timer: delay is NaN");
    return new SimTimer(this, this.#queue, { ms: Math.max(0, ms), run });
  }

  /** Until when the process stands still, in the world's time; over when it runs. */
  get stillUntil(): number {
    return this.#stillUntil;
  }

  /** Lets no timer fire for `ms`; the monotonic clock goes on (a stalled process, or a paused machine that notices). */
  stall(ms: number): void {
    this.#stillUntil = Math.max(this.#stillUntil, this.#queue.time + ms);
  }

  /** Lets no timer fire for `ms`, and the monotonic clock miss that time (a paused machine that does not notice). */
  pause(ms: number): void {
    this.stall(ms);
    this.#queue.at(this.#queue.time + ms, () => this.#missed += ms);
  }

  /** Moves the wall clock by `ms` (negative: back). */
  jumpWall(ms: number): void {
    this.#wallOffset += ms;
  }
}

/** A timer and its slot. */
class SimTimer implements Timer, Happening {
  readonly #clock: SimClock;
  readonly #queue: EventQueue;
  /** By the monotonic clock. */
  readonly #due: number;
  readonly #run: () => void;
  #slot: number;

  constructor(clock: SimClock, queue: EventQueue, { ms, run }: { ms: number; run: () => void }) {
    this.#clock = clock;
    this.#queue = queue;
    this.#due = clock.now() + ms;
    this.#run = run;
    this.#slot = queue.slot(this);
    queue.set(this.#slot, queue.time + ms);
  }

  cancel(): void {
    if (this.#slot < 0) return;
    this.#queue.release(this.#slot);
    this.#slot = -1;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  happen(): void {
    const still = this.#clock.stillUntil;
    const { time } = this.#queue;
    if (still > time) return this.#queue.set(this.#slot, still);
    const left = this.#due - this.#clock.now();
    if (left > 0) return this.#queue.set(this.#slot, time + left);
    this.cancel();
    this.#run();
  }
}
