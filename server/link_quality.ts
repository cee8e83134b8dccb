/**
 * What a day of a client's heartbeats says of its link: sums, from which means and deviations of any number of days follow.
 * Pure; times are milliseconds.
 *
 * A gap that is longer than the silence after which a client is DOWN is an absence, not a property of the link: it is an
 * outage or planned, and a report tells of it there.
 *
 * @module
 */

/** Length of a day of UTC. */
const DAY_MS = 24 * 3_600_000;

/** One day of one client, or what has been added to it since it was last written. */
export interface LinkDay {
  /** Id of the client. */
  client: string;
  /** Which day by UTC, counted from 1970. */
  day: number;
  /** Gaps between two heartbeats: how many, their sum, that of their squares, and the longest. */
  gaps: number;
  gapSum: number;
  gapSquares: number;
  gapMax: number;
  /** Round trips: how many, and their sum. */
  trips: number;
  tripSum: number;
}

/** Sums up what comes, until it is taken away to be written; holds a day or two of each client at most. */
export class LinkQuality {
  readonly #absentMs: number;
  readonly #days = new Map<string, LinkDay>();

  /** Gaps above `absentMs` do not count. */
  constructor(absentMs: number) {
    this.#absentMs = absentMs;
  }

  /** Adds the gap before a heartbeat that came at `at`, in milliseconds since 1970. */
  addGap(client: string, ms: number, at: number): void {
    if (ms > this.#absentMs) return;
    const day = this.#day(client, at);
    day.gaps++;
    day.gapSum += ms;
    day.gapSquares += ms * ms;
    day.gapMax = Math.max(day.gapMax, ms);
  }

  /** Adds a round trip that was measured at `at`. */
  addRoundTrip(client: string, ms: number, at: number): void {
    const day = this.#day(client, at);
    day.trips++;
    day.tripSum += ms;
  }

  /** What has been added since the last time. */
  take(): LinkDay[] {
    const days = [...this.#days.values()];
    this.#days.clear();
    return days;
  }

  /** Puts back what could not be written. */
  giveBack(days: readonly LinkDay[]): void {
    for (const day of days) {
      const known = this.#days.get(keyOf(day.client, day.day));
      this.#days.set(
        keyOf(day.client, day.day),
        known === undefined ? day : sumOf(day.client, [day, known]),
      );
    }
  }

  #day(client: string, at: number): LinkDay {
    const number = Math.floor(at / DAY_MS);
    const key = keyOf(client, number);
    let day = this.#days.get(key);
    if (day === undefined) this.#days.set(key, day = emptyDay(client, number));
    return day;
  }
}

/** Several days of a client as one, which begins with the first of them. */
export function sumOf(client: string, days: readonly LinkDay[]): LinkDay {
  const sum = emptyDay(client, days[0]?.day ?? 0);
  for (const day of days) {
    sum.day = Math.min(sum.day, day.day);
    sum.gaps += day.gaps;
    sum.gapSum += day.gapSum;
    sum.gapSquares += day.gapSquares;
    sum.gapMax = Math.max(sum.gapMax, day.gapMax);
    sum.trips += day.trips;
    sum.tripSum += day.tripSum;
  }
  return sum;
}

function emptyDay(client: string, day: number): LinkDay {
  return { client, day, gaps: 0, gapSum: 0, gapSquares: 0, gapMax: 0, trips: 0, tripSum: 0 };
}

function keyOf(client: string, day: number): string {
  return `${day} ${client}`;
}
