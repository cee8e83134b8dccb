/**
 * How late a thread gets to what is due: a timer on a grid of moments, so that one long stall counts for every
 * moment that it covers and not only once.
 *
 * @module
 */

/** Time between two moments of the grid, in milliseconds. */
export const GRID_MS = 5;

/** Notes lateness until it is disposed of. */
export class TimerLateness implements Disposable {
  #times: number[] = [];
  #due: number;
  #timer: ReturnType<typeof setTimeout>;

  /** Begins now. */
  constructor() {
    this.#due = performance.now() + GRID_MS;
    this.#timer = setTimeout(() => this.#fire(), GRID_MS);
  }

  /** Lateness at every moment since the last call, in milliseconds. */
  take(): number[] {
    return this.#times.splice(0);
  }

  /** Stops. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #fire(): void {
    const now = performance.now();
    const { times, next } = latenessAt(this.#due, now);
    this.#times = this.#times.concat(times);
    this.#due = next;
    this.#timer = setTimeout(() => this.#fire(), next - now);
  }
}

/** How late each moment of the grid from `due` up to `now` is, and the first one after; in milliseconds. */
export function latenessAt(due: number, now: number): { times: number[]; next: number } {
  const times: number[] = [];
  let next = due;
  for (; next <= now; next += GRID_MS) times.push(now - next);
  return { times, next };
}
