/**
 * What was of a client in a span of time: uptime, outages with their causes, and the quality of its link. Pure; times are
 * milliseconds since 1970 unless they are told otherwise.
 *
 * What counts how: a client is watched from when it was first seen to the end of the span, except while the server did not run,
 * while it was PLANNED or had been revoked, and for outages that began in a maintenance, up to the moment at which they became an alert. An outage
 * lasts from the last byte before it to the first one after it. Uptime is the part of the watched time without outages.
 *
 * @module
 */

import { type LinkDay, sumOf } from "./link_quality.ts";

/** One line of a client's timeline. */
export interface ReportLine {
  readonly at: number;
  /** `audit` is when it was revoked. */
  readonly kind: "state" | "alert" | "audit";
  readonly data: Readonly<Record<string, unknown>>;
}

/** A time in which the server did not run. */
export interface ServerAbsence {
  readonly from: number;
  readonly to: number;
}

/** What a report is made from. */
export interface ReportInput {
  readonly name: string;
  readonly revoked: boolean;
  /** In order; those after the span count for what they tell of it. */
  readonly lines: readonly ReportLine[];
  readonly absences: readonly ServerAbsence[];
  readonly days: readonly LinkDay[];
  readonly from: number;
  /** The end of the span, or now when that is earlier. */
  readonly to: number;
}

/** One time without the client. */
export interface OutageView {
  /** When its last byte came. */
  from: string;
  /** When the first one came again; null while it is away. */
  to: string | null;
  /** How long that was, within the span. */
  ms: number;
  /** Why. */
  cause: string;
  /** Whether it began in a maintenance. */
  maintenance: boolean;
}

/** One client, as in `hbserver report --json`. */
export interface ReportView {
  /** Its name. */
  name: string;
  /** Whether it has been shut out since. */
  revoked: boolean;
  /** The span: its beginning, and its end or now. */
  from: string;
  to: string;
  /** The part of the watched time in which it was there, from 0 to 1; null when it was not watched at all. */
  uptime: number | null;
  /** How long it was watched. */
  watched_ms: number;
  /** How long it was away unexpectedly. */
  down_ms: number;
  /** How long it was PLANNED. */
  planned_ms: number;
  /** How long it was away in maintenance. */
  maintenance_ms: number;
  /** How long the server did not run. */
  server_away_ms: number;
  /** How long it was FLAPPING. */
  flapping_ms: number;
  /** Every outage, in order. */
  outages: OutageView[];
  /** How many outages had which cause. */
  causes: Record<string, number>;
  /** The longest time between two heartbeats, outages included, planned absences not; null when nothing was measured. */
  longest_gap_ms: number | null;
  /** Mean gap between two heartbeats, absences not included. */
  gap_ms: number | null;
  /** Its standard deviation. */
  jitter_ms: number | null;
  /** Mean round trip. */
  rtt_ms: number | null;
  /** How unlikely the present silence is, see {@linkcode phi}; null for a span that is over. */
  phi: number | null;
}

/** A span of time. */
interface Span {
  from: number;
  to: number;
}

interface Outage extends Span {
  /** When the last byte before it came, from which its length is told. */
  lastSeen: number;
  cause: string;
  isOver: boolean;
  /** Up to here it counts as maintenance; undefined when it did not begin in one. */
  excusedTo: number | undefined;
}

/** Makes the report of one client; `phi` is of the present silence. */
export function reportOf(input: ReportInput, presentPhi: number | undefined): ReportView {
  const { from, to, lines, absences } = input;
  const whole: Span = { from: Math.max(from, Math.min(firstSeen(lines) ?? to, to)), to };
  const { outages, planned, flapping, gone } = readLines(lines, to);
  const away = without(clip(absences, whole), gone);
  const excused = clip(
    outages.flatMap(({ from, excusedTo }) =>
      excusedTo === undefined ? [] : [{ from, to: excusedTo }]
    ),
    whole,
  );
  const watched = without([whole], [...away, ...clip([...planned, ...gone], whole), ...excused]);
  const down = overlap(outages, watched);
  const shown = outages.filter((outage) => clip([outage], whole).length > 0);
  const watchedMs = total(watched);
  const downMs = total(down);
  return {
    name: input.name,
    revoked: input.revoked,
    from: iso(whole.from),
    to: iso(to),
    uptime: watchedMs === 0 ? null : (watchedMs - downMs) / watchedMs,
    watched_ms: watchedMs,
    down_ms: downMs,
    planned_ms: total(without(clip(planned, whole), away)),
    maintenance_ms: total(without(excused, away)),
    server_away_ms: total(away),
    flapping_ms: total(clip(flapping, whole)),
    outages: shown.map((outage) => outageView(outage, whole)),
    causes: countCauses(shown),
    ...linkOf(input.days, shown.map((outage) => total(clip([outage], whole)))),
    phi: presentPhi === undefined ? null : Math.round(presentPhi * 100) / 100,
  };
}

/**
 * The suspicion that a silence arouses: -log10 of the probability that a beat comes still later, for normally distributed gaps
 * (Hayashibara et al., "The phi accrual failure detector", SRDS 2004); the normal tail by the logistic approximation that Akka's
 * PhiAccrualFailureDetector uses, which is ahead of the true tail beyond 4 deviations, with a deviation of at least a tenth of the mean. Advisory: no alert depends on it.
 */
export function phi(
  silenceMs: number,
  { gapMs, jitterMs }: { gapMs: number; jitterMs: number },
): number {
  const deviation = Math.max(jitterMs, gapMs / 10);
  const y = (silenceMs - gapMs) / deviation;
  const exponent = -y * (1.5976 + 0.070566 * y * y);
  // Far out the exponential is 0, so its logarithm is taken from the exponent.
  if (exponent < -30) return -exponent / Math.LN10;
  const e = Math.exp(exponent);
  return silenceMs > gapMs ? -Math.log10(e / (1 + e)) : -Math.log10(1 - 1 / (1 + e));
}

/** When a client was first seen: before all lines that are kept, where the first one tells of a state that it was in. */
function firstSeen([first]: readonly ReportLine[]): number | undefined {
  if (first?.kind !== "state") return first?.at;
  const { from } = first.data;
  // PLANNED may also mean that nobody had seen it yet.
  return typeof from === "string" && from !== "PLANNED" ? -Infinity : first.at;
}

/** Goes through the lines once, and finds what lasted from which to which. */
function readLines(
  lines: readonly ReportLine[],
  to: number,
): { outages: Outage[]; planned: Span[]; flapping: Span[]; gone: Span[] } {
  const spans = { planned: [] as Span[], flapping: [] as Span[], gone: [] as Span[] };
  const found = { outages: [] as Outage[], ...spans };
  let outage: Outage | undefined;
  let plannedSince: number | undefined;
  let flappingSince: number | undefined;
  let goneSince: number | undefined;
  for (const { at, kind, data } of lines) {
    if (kind === "audit") {
      if (outage !== undefined) found.outages.push(ended(outage, at));
      if (plannedSince !== undefined) found.planned.push({ from: plannedSince, to: at });
      if (flappingSince !== undefined) found.flapping.push({ from: flappingSince, to: at });
      outage = plannedSince = flappingSince = undefined;
      goneSince ??= at;
      continue;
    }
    if (kind === "alert") {
      const opens = data.state === "open" && data.status === "down";
      if (opens && outage?.excusedTo !== undefined) {
        outage.excusedTo = Math.min(outage.excusedTo, at);
      }
      continue;
    }
    if (goneSince !== undefined) found.gone.push({ from: goneSince, to: at });
    goneSince = undefined;
    const state = String(data.state);
    if (data.from === "FLAPPING" && flappingSince !== undefined) {
      found.flapping.push({ from: flappingSince, to: at });
      flappingSince = undefined;
    }
    if (state === "FLAPPING") {
      flappingSince = at;
      continue; // What is measured goes on as it is.
    }
    if (plannedSince !== undefined && state !== "PLANNED") {
      found.planned.push({ from: plannedSince, to: at });
      plannedSince = undefined;
    }
    if (outage !== undefined && state !== "DOWN") {
      const heardAgain = outage.lastSeen + Number(data.downtime_ms ?? at - outage.lastSeen);
      found.outages.push(ended(outage, Math.max(outage.from, Math.min(at, heardAgain))));
      outage = undefined;
    }
    if (state === "PLANNED") plannedSince ??= at;
    if (state === "DOWN" && outage === undefined) outage = begun(data, { at, to });
  }
  if (outage !== undefined) found.outages.push(outage);
  if (plannedSince !== undefined) found.planned.push({ from: plannedSince, to });
  if (flappingSince !== undefined) found.flapping.push({ from: flappingSince, to });
  if (goneSince !== undefined) found.gone.push({ from: goneSince, to });
  return found;
}

function begun(data: ReportLine["data"], { at, to }: { at: number; to: number }): Outage {
  const seen = Date.parse(String(data.last_seen));
  const lastSeen = Number.isNaN(seen) ? at : seen;
  const isMuted = data.muted === true;
  return {
    // A planned absence is no outage before it is overdue.
    from: data.cause === "planned overdue" ? at : lastSeen,
    lastSeen,
    to,
    cause: String(data.cause),
    isOver: false,
    excusedTo: isMuted ? to : undefined,
  };
}

function ended(outage: Outage, to: number): Outage {
  const { excusedTo } = outage;
  const excused = excusedTo === undefined ? undefined : Math.min(excusedTo, to);
  return { ...outage, to, isOver: true, excusedTo: excused };
}

function outageView(outage: Outage, whole: Span): OutageView {
  return {
    from: iso(outage.from),
    to: outage.isOver ? iso(outage.to) : null,
    ms: total(clip([outage], whole)),
    cause: outage.cause,
    maintenance: outage.excusedTo !== undefined,
  };
}

function countCauses(outages: readonly Outage[]): Record<string, number> {
  const causes: Record<string, number> = {};
  for (const { cause } of outages) causes[cause] = (causes[cause] ?? 0) + 1;
  return causes;
}

function linkOf(
  days: readonly LinkDay[],
  outageMs: readonly number[],
): Pick<ReportView, "longest_gap_ms" | "gap_ms" | "jitter_ms" | "rtt_ms"> {
  const { gaps, gapSum, gapSquares, gapMax, trips, tripSum } = sumOf("", days);
  const longest = Math.max(gapMax, ...outageMs);
  const mean = gapSum / gaps;
  const variance = gapSquares / gaps - mean * mean;
  return {
    longest_gap_ms: longest === 0 ? null : Math.round(longest),
    gap_ms: gaps === 0 ? null : Math.round(mean),
    jitter_ms: gaps === 0 ? null : Math.round(Math.sqrt(Math.max(0, variance))),
    rtt_ms: trips === 0 ? null : Math.round((tripSum / trips) * 1000) / 1000,
  };
}

/** The parts of spans that lie within one, in order and merged. */
function clip(spans: readonly Span[], { from, to }: Span): Span[] {
  const clipped = spans
    .map((span) => ({ from: Math.max(span.from, from), to: Math.min(span.to, to) }))
    .filter((span) => span.to > span.from)
    .sort((one, other) => one.from - other.from);
  const merged: Span[] = [];
  for (const span of clipped) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else merged.push(span);
  }
  return merged;
}

/** What is left of spans without others. */
function without(spans: readonly Span[], holes: readonly Span[]): Span[] {
  return spans.flatMap((span) => {
    const left: Span[] = [];
    let from = span.from;
    for (const hole of clip(holes, span)) {
      if (hole.from > from) left.push({ from, to: hole.from });
      from = hole.to;
    }
    if (from < span.to) left.push({ from, to: span.to });
    return left;
  });
}

/** The parts of spans that lie within others. */
function overlap(spans: readonly Span[], others: readonly Span[]): Span[] {
  return others.flatMap((other) => clip(spans, other));
}

function total(spans: readonly Span[]): number {
  return Math.round(spans.reduce((sum, { from, to }) => sum + to - from, 0));
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
