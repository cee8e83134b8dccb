/**
 * Time and chance as values that logic receives, so that a test can run a day in a second.
 *
 * Nothing outside this file and the two programs' wiring may read a clock or start a timer.
 *
 * @module
 */

/** A timer that has been started and can be called off. */
export interface Timer extends Disposable {
  /** Calls the timer off; does nothing when it has already fired or been called off. */
  cancel(): void;
}

/** What logic may know about time. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back and ignores changes of the wall clock. */
  now(): number;
  /** Milliseconds since 1970-01-01 UTC as the machine believes them; may jump either way. */
  wall(): number;
  /** Calls `run` once when `ms` milliseconds have passed; zero or less means as soon as possible. */
  after(ms: number, run: () => void): Timer;
}

/** A source of chance: a number from 0 up to but not including 1. */
export type Random = () => number;

/** Longest delay that the runtime's own timers keep, in milliseconds; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock: `performance.now()`, `Date.now()` and `setTimeout()`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: startSystemTimer,
};

/**
 * Resolves in a later turn of the event loop: everybody whose work is due goes first. Reads that find bytes
 * waiting resolve without such a turn, so whoever loops over them must take one now and then.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Resolves after `ms` milliseconds of `clock`, or rejects with the reason of `signal` as soon as that is
 * aborted; either way no timer and no listener is left.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Starts a timer of the runtime; delays above {@linkcode MAX_TIMER_MS} are waited for in several turns. */
function startSystemTimer(ms: number, run: () => void): Timer {
  if (Number.isNaN(ms)) throw new RangeError("Cannot start timer: delay is NaN");
  let handle: ReturnType<typeof setTimeout> | undefined;
  let left = Math.max(0, ms);
  const turn = () => {
    const delay = Math.min(left, MAX_TIMER_MS);
    left -= delay;
    handle = setTimeout(left > 0 ? turn : run, delay);
  };
  const cancel = () => clearTimeout(handle);
  turn();
  return { cancel, [Symbol.dispose]: cancel };
}
