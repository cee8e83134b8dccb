/**
 * Phi-accrual failure detectors in the two forms that are in use: a normal distribution of the gaps (Akka), and an
 * exponential one (Cassandra). Both look at heartbeats only, and both have their defaults, scaled to a beat of 20 s
 * where a default is an interval.
 *
 * @module
 */

import { type AlarmRule, alarmsOfEach, type Arrival, type Detector } from "./alarm_rule.ts";
import { BEAT_MS } from "./timeout_rules.ts";

/** Suspicion at which a machine counts as gone, in both. */
const PHI = 8;
/** Gaps that are remembered, in both. */
const WINDOW = 1_000;
/** Smallest deviation that Akka reckons with (`min-std-deviation`), in milliseconds. */
const MIN_DEVIATION_MS = 100;
/** What Akka adds to the usual gap (`acceptable-heartbeat-pause`), in milliseconds. */
const PAUSE_MS = 3_000;
/** log10(e): what turns a share of an exponential distribution into phi. */
const PHI_FACTOR = 1 / Math.LN10;

/** Sum and sum of squares over the last gaps. */
class GapWindow {
  readonly #gaps: number[] = [];
  #at = 0;
  #sum = 0;
  #squares = 0;

  add(gap: number): void {
    const old = this.#gaps.length < WINDOW ? 0 : this.#gaps[this.#at] ?? 0;
    this.#gaps[this.#at] = gap;
    this.#at = (this.#at + 1) % WINDOW;
    this.#sum += gap - old;
    this.#squares += gap * gap - old * old;
  }

  get mean(): number {
    return this.#sum / this.#gaps.length;
  }

  get deviation(): number {
    return Math.sqrt(Math.max(0, this.#squares / this.#gaps.length - this.mean ** 2));
  }
}

/** How many deviations above the mean phi reaches a limit, by Akka's approximation of the normal distribution. */
export function deviationsFor(phi: number): number {
  let [low, high] = [0, 100];
  for (let round = 0; round < 60; round++) {
    const y = (low + high) / 2;
    const e = Math.exp(-y * (1.5976 + 0.070566 * y * y));
    if (-Math.log10(e / (1 + e)) < phi) low = y;
    else high = y;
  }
  return low;
}

const DEVIATIONS = deviationsFor(PHI);

class NormalPhi implements Detector {
  readonly #gaps = new GapWindow();
  #last: number | undefined;

  constructor() {
    // Akka begins with two gaps around `heartbeat-interval`, a quarter of it to either side.
    this.#gaps.add(BEAT_MS - BEAT_MS / 4);
    this.#gaps.add(BEAT_MS + BEAT_MS / 4);
  }

  due(): number {
    if (this.#last === undefined) return Infinity;
    const deviation = Math.max(this.#gaps.deviation, MIN_DEVIATION_MS);
    return this.#last + this.#gaps.mean + PAUSE_MS + DEVIATIONS * deviation;
  }

  arrive({ kind, at }: Arrival): boolean {
    if (kind !== "beat") return false;
    // The gap of an outage is not learnt.
    if (this.#last !== undefined && at <= this.due()) this.#gaps.add(at - this.#last);
    this.#last = at;
    return true;
  }
}

class ExponentialPhi implements Detector {
  readonly #gaps = new GapWindow();
  #last: number | undefined;

  constructor() {
    this.#gaps.add(BEAT_MS);
  }

  due(): number {
    return this.#last === undefined ? Infinity : this.#last + PHI / PHI_FACTOR * this.#gaps.mean;
  }

  arrive({ kind, at }: Arrival): boolean {
    if (kind !== "beat") return false;
    const gap = at - (this.#last ?? -Infinity);
    if (gap <= 2 * BEAT_MS) this.#gaps.add(gap); // Longer ones are not learnt (`MAX_INTERVAL_IN_NANO`).
    this.#last = at;
    return true;
  }
}

/** Akka's `PhiAccrualFailureDetector`. */
export const PHI_AKKA: AlarmRule = {
  name: "phi-accrual (Akka)",
  about: "normal gaps, phi 8, deviation >= 0.1 s, acceptable pause 3 s, 1000 gaps",
  source: "akka/akka PhiAccrualFailureDetector.scala, akka-cluster reference.conf",
  alarms: (trace) => alarmsOfEach(trace, () => new NormalPhi()),
};

/** Cassandra's `FailureDetector`. */
export const PHI_CASSANDRA: AlarmRule = {
  name: "phi-accrual (Cassandra)",
  about: "exponential gaps, phi 8, 1000 gaps, none above two intervals",
  source: "apache/cassandra FailureDetector.java, phi_convict_threshold 8",
  alarms: (trace) => alarmsOfEach(trace, () => new ExponentialPhi()),
};
