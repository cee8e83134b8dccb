/**
 * What the server's database is asked for reports: the states of one client over a span, when the server itself was away, and
 * the quality of links by day.
 *
 * @module
 */

import type { LinkDay } from "./link_quality.ts";
import type { ReportLine, ServerAbsence } from "./report.ts";
import { StoreAlerts } from "./store_alerts.ts";
import type { Row } from "./store_statements.ts";

/** Lines of one client that one report reads at most; the newest are left out beyond that. */
export const MAX_REPORT_LINES = 50_000;

const DAY_MS = 24 * 3_600_000;
/** An outage is noticed after so long at most, in milliseconds. */
const AFTER_MS = DAY_MS;
/** LATE and SUSPECT are UP to a report unless DOWN follows; a bad link makes thousands of such lines. */
const IS_TURN = `(kind = 'state' AND (data ->> 'from' IS NULL
  OR data ->> 'state' IN ('DOWN', 'PLANNED', 'FLAPPING')
  OR data ->> 'from' IN ('DOWN', 'PLANNED', 'FLAPPING')))`;
/** What the index `event_report` holds; it is used where this stands as it is there. */
const IS_INDEXED = "kind IN ('state', 'alert', 'audit')";
const IS_REVOKED = "(kind = 'audit' AND data ->> 'action' = 'revoked')";

/** The tables of reports, beside those of `store_alerts.ts`. */
export class StoreReports extends StoreAlerts {
  /** Notes that the server is alive. */
  noteAlive(at: number): void {
    this.run(
      "INSERT INTO alive (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
      at,
    );
  }

  /** When the server was last known to be alive; undefined for never. */
  lastAlive(): number | undefined {
    const row = this.get("SELECT at FROM alive WHERE id = 1");
    return row === undefined ? undefined : Number(row.at);
  }

  /**
   * The lines of a client's changes to and from DOWN, PLANNED and FLAPPING and of its alerts in a span, and when it was revoked, in order; before them those that say how the
   * span began, and after them those of a day, which may tell of an outage that began within.
   */
  reportLines(client: string, { from, to }: { from: number; to: number }): ReportLine[] {
    const last = (condition: string) =>
      this.all(
        `SELECT seq, at, kind, data FROM event WHERE client = ? AND at < ? AND ${IS_INDEXED} AND (${condition})
         ORDER BY at DESC, seq DESC LIMIT 1`,
        client,
        from,
      );
    const before = [
      ...last(`${IS_TURN} AND data ->> 'state' <> 'FLAPPING' OR ${IS_REVOKED}`),
      ...last(`kind = 'state' AND 'FLAPPING' IN (data ->> 'state', data ->> 'from')`),
    ].sort((one, other) =>
      Number(one.at) - Number(other.at) || Number(one.seq) - Number(other.seq)
    );
    const within = this.all(
      `SELECT at, kind, data FROM event WHERE client = ? AND ${IS_INDEXED}
       AND (kind = 'alert' OR ${IS_TURN} OR ${IS_REVOKED})
       AND at >= ? AND at < ? ORDER BY at, seq LIMIT ?`,
      client,
      from,
      to + AFTER_MS,
      MAX_REPORT_LINES,
    );
    return [...before, ...within].map((row) => ({
      at: Number(row.at),
      kind: row.kind as ReportLine["kind"],
      data: JSON.parse(String(row.data)),
    }));
  }

  /** The times since a moment in which the server did not run, or stood still. */
  serverAbsences(since: number): ServerAbsence[] {
    return this.all(
      `SELECT at, data ->> 'away_from' AS away_from FROM event
       WHERE kind = 'audit' AND at >= ? AND data ->> 'action' IN ('started', 'away') ORDER BY at, seq`,
      since,
    ).filter(({ away_from }) => away_from !== null)
      .map(({ at, away_from }) => ({ from: Date.parse(String(away_from)), to: Number(at) }));
  }

  /** Adds to the days of links. */
  addLinks(days: LinkDay[]): void {
    for (const { client, day, gaps, gapSum, gapSquares, gapMax, trips, tripSum } of days) {
      this.run(
        `INSERT INTO link_day (client, day, gaps, gap_sum, gap_squares, gap_max, trips, trip_sum)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (client, day) DO UPDATE SET gaps = gaps + excluded.gaps,
           gap_sum = gap_sum + excluded.gap_sum, gap_squares = gap_squares + excluded.gap_squares,
           gap_max = max(gap_max, excluded.gap_max), trips = trips + excluded.trips,
           trip_sum = trip_sum + excluded.trip_sum`,
        ...[client, day, gaps, gapSum, gapSquares, gapMax, trips, tripSum],
      );
    }
  }

  /** What was measured of a client's link on the days of UTC whose noon lies in a span. */
  linkDays(client: string, { from, to }: { from: number; to: number }): LinkDay[] {
    return this.all(
      "SELECT * FROM link_day WHERE client = ? AND day >= ? AND day < ? ORDER BY day",
      client,
      Math.ceil(from / DAY_MS - 0.5),
      Math.ceil(to / DAY_MS - 0.5),
    ).map(toLinkDay);
  }
}

function toLinkDay(row: Row): LinkDay {
  return {
    client: String(row.client),
    day: Number(row.day),
    gaps: Number(row.gaps),
    gapSum: Number(row.gap_sum),
    gapSquares: Number(row.gap_squares),
    gapMax: Number(row.gap_max),
    trips: Number(row.trips),
    tripSum: Number(row.trip_sum),
  };
}
