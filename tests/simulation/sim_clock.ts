/**
 * Time as one simulated machine believes it: its process may stand still, and its monotonic clock may miss a pause.
 *
 * @module
 */

import type { Clock, Timer } from "../../platform/clock.ts";
import type { EventQueue } from "./event_queue.ts";

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
    return new SimTimer({ clock: this, queue: this.#queue, due: this.now() + Math.max(0, ms) }, run);
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

/** What a timer belongs to, and when it is due by its monotonic clock. */
interface TimerPlace {
  readonly clock: SimClock;
  readonly queue: EventQueue;
  readonly due: number;
}

class SimTimer implements Timer {
  readonly #place: TimerPlace;
  readonly #run: () => void;
  #slot: number;

  constructor(place: TimerPlace, run: () => void) {
    const { clock, queue, due } = place;
    this.#place = place;
    this.#run = run;
    this.#slot = queue.slot(() => this.#fire());
    queue.set(this.#slot, queue.time + due - clock.now());
  }

  cancel(): void {
    if (this.#slot < 0) return;
    this.#place.queue.release(this.#slot);
    this.#slot = -1;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  #fire(): void {
    const { clock, queue, due } = this.#place;
    if (clock.stillUntil > queue.time) return queue.set(this.#slot, clock.stillUntil);
    const left = due - clock.now();
    if (left > 0) return queue.set(this.#slot, queue.time + left);
    this.cancel();
    this.#run();
  }
}
