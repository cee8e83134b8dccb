/**
 * Gathers what reports are made from: the month, the clients, and what the store knows of them.
 *
 * @module
 */

import { CalendarError, checkZone, localZone } from "./alert/calendar.ts";
import { OperationError } from "./operation_error.ts";
import type { ServerParts } from "./parts.ts";
import { phi, type ReportLine, reportOf, type ReportView } from "./report.ts";
import type { ClientRecord } from "./store_record.ts";

/** The month that is wanted. */
export interface ReportRequest {
  /** Such as `2026-11`; the present one unless set. */
  month?: string | undefined;
  /** Where its days begin and end; this machine's zone unless set. */
  zone?: string | undefined;
}

/** Makes the reports of these clients, in their order; of revoked ones only if they were there. */
export async function makeReports(
  clients: readonly ClientRecord[],
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
  for (const record of clients) {
    const { name, revoked } = record;
    const [kept, days] = await Promise.all([
      store.reportLines(record.id, within),
      store.linkDays(record.id, within),
    ]);
    const presence = watch.get(record.id);
    const gapMs = presence?.gapMs;
    const suspicion = isPresent && presence?.connected === true && gapMs !== undefined
      ? phi(clock.now() - presence.lastHeard, { gapMs, jitterMs: presence.jitterMs ?? 0 })
      : undefined;
    const lines = kept.length > 0 ? withEnd(record, kept) : linesOf(record, within);
    const report = reportOf({ name, revoked, lines, days, absences, ...within }, suspicion);
    const { maintenance_ms, planned_ms, watched_ms } = report;
    if (!revoked || watched_ms + planned_ms + maintenance_ms > 0) reports.push(report);
  }
  return reports;
}

/** A client that has not changed for longer than lines are kept is as its record has it. */
function linesOf(
  { cause, lastSeen, revoked, state, stateSince: at }: ClientRecord,
  { from }: { from: number },
): ReportLine[] {
  if (revoked || lastSeen === undefined || at >= from) return [];
  return [{ at, kind: "state", data: { state, cause } }];
}

/** Whoever had to give its name up is revoked without a line that says so: it was last there when it was last seen. */
function withEnd({ lastSeen = 0, revoked }: ClientRecord, lines: ReportLine[]): ReportLine[] {
  if (!revoked) return lines;
  const at = Math.max(lastSeen, lines.at(-1)?.at ?? 0);
  return [...lines, { at, kind: "audit", data: { action: "revoked" } }];
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
