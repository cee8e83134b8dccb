/**
 * Gathers what reports are made from: the month, the clients, and what the store knows of them.
 *
 * @module
 */

import { CalendarError, checkZone, localZone } from "./alert/calendar.ts";
import { OperationError } from "./operation_error.ts";
import type { ServerParts } from "./parts.ts";
import { phi, reportOf, type ReportView } from "./report.ts";
import type { Member } from "./roster.ts";

/** The month that is wanted. */
export interface ReportRequest {
  /** Such as `2026-11`; the present one unless set. */
  month?: string | undefined;
  /** Where its days begin and end; this machine's zone unless set. */
  zone?: string | undefined;
}

/** Makes the reports of these clients, in their order. */
export async function makeReports(
  members: readonly Member[],
  { request, parts }: { request: ReportRequest; parts: ServerParts },
): Promise<ReportView[]> {
  const { clock, store, watch } = parts;
  const now = clock.wall();
  const span = spanOf(request, now);
  if (span.from >= now) {
    throw new OperationError("bad_request", `Cannot report on ${request.month}: it is yet to come`);
  }
  const within = { from: span.from, to: Math.min(span.to, now) };
  const isPresent = now < span.to;
  const absences = await store.serverAbsences(within.from);
  const reports: ReportView[] = [];
  for (const { record } of members) {
    const [lines, days] = await Promise.all([
      store.reportLines(record.id, within),
      store.linkDays(record.id, within),
    ]);
    const presence = watch.get(record.id);
    const gapMs = presence?.gapMs;
    const suspicion = isPresent && presence?.connected === true && gapMs !== undefined
      ? phi(clock.now() - presence.lastHeard, { gapMs, jitterMs: presence.jitterMs ?? 0 })
      : undefined;
    reports.push(reportOf({ name: record.name, lines, days, absences, ...within }, suspicion));
  }
  return reports;
}

/** The first moment of a month and that of the next one, in its zone. */
function spanOf({ month, zone }: ReportRequest, now: number): { from: number; to: number } {
  const where = readZone(zone);
  const first = readMonth(month, { now, zone: where });
  const begin = (date: Temporal.PlainDate) => date.toZonedDateTime(where).epochMilliseconds;
  return { from: begin(first), to: begin(first.add({ months: 1 })) };
}

function readZone(zone: string | undefined): string {
  try {
    return checkZone(zone ?? localZone());
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    throw new OperationError("bad_request", error.message);
  }
}

function readMonth(
  month: string | undefined,
  { now, zone }: { now: number; zone: string },
): Temporal.PlainDate {
  if (month === undefined) {
    return Temporal.Instant.fromEpochMilliseconds(Math.floor(now)).toZonedDateTimeISO(zone)
      .toPlainDate().with({ day: 1 });
  }
  const [, year, number] = month.match(/^(\d{4})-(0[1-9]|1[0-2])$/) ?? [];
  if (year === undefined || number === undefined) {
    throw new OperationError(
      "bad_request",
      `Cannot report on "${month}": a month is written as 2026-11`,
    );
  }
  return new Temporal.PlainDate(Number(year), Number(number), 1);
}
