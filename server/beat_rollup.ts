/**
 * One minute of a client's heartbeats as one line of the timeline. Pure.
 *
 * @module
 */

import type { Fields } from "../protocol/mod.ts";

/** Length of what one line tells of, in milliseconds. */
export const ROLLUP_MS = 60_000;

/** One heartbeat. */
export interface Beat {
  /** Its number on its connection. */
  seq: number;
  /** Time since the client's last one, in milliseconds; undefined for the first. */
  gapMs: number | undefined;
  /** The client's clock minus this machine's, in milliseconds; undefined where it has told none. */
  skewMs?: number | undefined;
  vitals?: Fields<"HEARTBEAT">["vitals"];
}

/** What a line of kind `beat` says; the names are a contract. */
export interface BeatLine {
  /** How many heartbeats it stands for. */
  beats: number;
  /** Number of the last one on its connection. */
  seq: number;
  /** Mean and longest gap before each of them. */
  gap_ms: number | null;
  gap_max_ms: number | null;
  /** Mean and longest round trip that was measured. */
  rtt_ms: number | null;
  rtt_max_ms: number | null;
  /** The client's clock minus this machine's, at the last one. */
  skew_ms: number | null;
  /** The last vitals. */
  vitals: Fields<"HEARTBEAT">["vitals"] | null;
}

/** Mean and maximum of what was added. */
class Spread {
  #count = 0;
  #sum = 0;
  #max = 0;

  add(value: number): void {
    this.#count++;
    this.#sum += value;
    this.#max = Math.max(this.#max, value);
  }

  get mean(): number | null {
    return this.#count === 0 ? null : rounded(this.#sum / this.#count);
  }

  get max(): number | null {
    return this.#count === 0 ? null : rounded(this.#max);
  }
}

/** The heartbeats of one client in one minute of the wall clock. */
export class BeatRollup {
  /** Which minute, counted from 1970. */
  readonly minute: number;
  /** When the last one came, in milliseconds since 1970. */
  at: number;
  #beats = 0;
  #last: Beat | undefined;
  readonly #gaps = new Spread();
  readonly #roundTrips = new Spread();

  /** Begins the minute of `at`, in milliseconds since 1970. */
  constructor(at: number) {
    this.minute = minuteOf(at);
    this.at = at;
  }

  /** Adds a heartbeat. */
  add(beat: Beat, at: number): void {
    this.at = at;
    this.#beats++;
    this.#last = beat;
    if (beat.gapMs !== undefined) this.#gaps.add(beat.gapMs);
  }

  /** Adds a measured round trip. */
  addRoundTrip(ms: number): void {
    this.#roundTrips.add(ms);
  }

  /** What it comes to. */
  get line(): BeatLine {
    return {
      beats: this.#beats,
      seq: this.#last?.seq ?? 0,
      gap_ms: this.#gaps.mean,
      gap_max_ms: this.#gaps.max,
      rtt_ms: this.#roundTrips.mean,
      rtt_max_ms: this.#roundTrips.max,
      skew_ms: this.#last?.skewMs ?? null,
      vitals: this.#last?.vitals ?? null,
    };
  }
}

/** The minute of a moment, counted from 1970. */
export function minuteOf(at: number): number {
  return Math.floor(at / ROLLUP_MS);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
