/**
 * How late a thread gets to what is due: a timer on a grid of moments, so that one long stall counts for every
 * moment that it covers and not only once.
 *
 * @module
 */

/** Time between two moments of the grid, in milliseconds. */
export const GRID_MS = 5;
const NS_PER_MS = 1_000_000;

/** Lateness at moments of the grid, in milliseconds. */
export interface LatenessTimes {
  readonly times: readonly number[];
  /** The same without what the thread waited for a processor; empty where the system does not tell that. */
  readonly own: readonly number[];
}

/** Notes lateness until it is disposed of. */
export class TimerLateness implements Disposable {
  #times: number[] = [];
  #own: number[] = [];
  #waited: number | undefined;
  #due: number;
  #timer: ReturnType<typeof setTimeout>;

  /** Begins now; the process's first thread must be the caller's. */
  constructor() {
    this.#waited = waitedMs();
    this.#due = performance.now() + GRID_MS;
    this.#timer = setTimeout(() => this.#fire(), GRID_MS);
  }

  /** Lateness at every moment since the last call. */
  take(): LatenessTimes {
    return { times: this.#times.splice(0), own: this.#own.splice(0) };
  }

  /** Stops. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #fire(): void {
    const now = performance.now();
    const { times, next } = latenessAt(this.#due, now);
    const waited = waitedMs();
    this.#times.push(...times);
    if (waited !== undefined && this.#waited !== undefined) {
      this.#own.push(...ownLateness(times, waited - this.#waited));
    }
    this.#waited = waited;
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

/** Lateness without the `waited` milliseconds in which the thread was ready and had no processor. */
export function ownLateness(times: readonly number[], waited: number): number[] {
  return times.map((time) => Math.max(0, time - waited));
}

/** Milliseconds that a text of /proc/PID/schedstat says were waited for a processor. */
export function waitedMsOf(schedstat: string): number {
  return Number(schedstat.split(" ")[1]) / NS_PER_MS;
}

/** What the process's first thread has waited for a processor so far; undefined where the system does not tell. */
function waitedMs(): number | undefined {
  try {
    return waitedMsOf(Deno.readTextFileSync("/proc/self/schedstat"));
  } catch {
    return undefined; // No Linux, or not allowed: the lateness as a whole is known all the same.
  }
}
