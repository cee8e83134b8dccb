/**
 * What has failed not long ago, so that a storm of failures, or a group that keeps failing, is not told of each time. Pure; times
 * are milliseconds of the monotonic clock.
 *
 * @module
 */

import type { Timing } from "../presence.ts";
import type { OpenAlert } from "./open_alert.ts";

/** Alerts of machines within {@linkcode STORM_INTERVALS} after which further ones are one alert together. */
const STORM_ALERTS = 3;
/** The span for {@linkcode STORM_ALERTS}, and the quiet that ends a storm, in intervals (5 min at 20 s). */
export const STORM_INTERVALS = 15;

/** A group of machines that was back not long ago. */
interface RecentGroup {
  readonly members: ReadonlySet<string>;
  readonly endedAt: number;
}

/** The failures of the last minutes. */
export class FailureHistory {
  readonly #timing: Timing;
  /** Openings within the span of a storm. */
  #openings: number[] = [];
  /** Groups that ended within the span in which another failure is the third change. */
  #groups: RecentGroup[] = [];

  /** Starts with nothing. */
  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Notes that an alert has been opened. */
  opened(now: number): void {
    this.#openings.push(now);
  }

  /** Whether so many alerts have been opened that further machines are one alert together. */
  isStorm(now: number): boolean {
    const since = now - STORM_INTERVALS * this.#timing.intervalMs;
    this.#openings = this.#openings.filter((opening) => opening > since);
    return this.#openings.length >= STORM_ALERTS;
  }

  /** Notes that an alert is over. */
  ended(alert: OpenAlert, now: number): void {
    if (!wentTogether(alert)) return;
    this.#groups.push({ members: new Set(alert.members.keys()), endedAt: now });
  }

  /** Whether much the same machines were an alert not long ago, and are again. */
  hasComeAgain({ kind, members }: OpenAlert, now: number): boolean {
    const since = now - this.#timing.flapMs;
    this.#groups = this.#groups.filter(({ endedAt }) => endedAt > since);
    return kind === "group" && this.#groups.some((group) => {
      const again = [...members.keys()].filter((client) => group.members.has(client)).length;
      return 2 * again >= Math.max(members.size, group.members.size);
    });
  }
}

/** Whether several machines of an alert were DOWN; others that were only late at that moment make no group. */
export function wentTogether({ kind, members }: OpenAlert): boolean {
  const failed = [...members.values()].filter(({ downAt }) => downAt !== undefined);
  return kind === "group" && failed.length > 1;
}
