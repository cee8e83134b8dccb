/**
 * What the server believes of one client, as a pure function of events and monotonic time.
 *
 * No clock, no timers, no names: `watch.ts` drives it. Times are milliseconds of the monotonic clock.
 * The rules are clauses HB-42 to HB-47 and HB-49 of protocol/SPEC.md.
 *
 * @module
 */

import {
  COME_BACK_INTERVALS,
  DOWN_INTERVALS,
  DOWN_INTERVALS_FAR,
  FAR_ROUND_TRIP_MS,
  FLAP_CHANGES,
  FLAP_INTERVALS,
  LATE_INTERVALS,
  LOST_INTERVALS,
  RECOVERY_BEATS,
  SUSPECT_INTERVALS,
} from "../protocol/mod.ts";

/** Beats of a connection whose gap says nothing of the usual one: after the first, a random offset follows. */
const IRREGULAR_BEATS = 2;

/**
 * How far above the usual round trip one counts at most, in milliseconds: less than the shortest wait of TCP for a lost
 * segment (200 ms), so that not even three of them in a row make a near client a far one.
 */
const MAX_ROUND_TRIP_STEP_MS = 100;

/** What is measured of a client. */
export type MeasuredState = "UP" | "LATE" | "SUSPECT" | "DOWN" | "PLANNED";
/** What the server believes of a client: what is measured, or that this changes too often to be told each time. */
export type PresenceState = MeasuredState | "FLAPPING";

/** Why a client is in its state; undefined while it is simply UP. */
export type Cause =
  | "silent"
  | "connection lost"
  | "planned overdue"
  | "flapping"
  | "said bye: stop"
  | "said bye: sleep"
  | "said bye: reboot"
  | "said bye: update"
  | "replaced"
  | "closed";

/** The limits of one server, derived from its interval. */
export interface Timing {
  /** Usual time between two heartbeats. */
  intervalMs: number;
  /** Silence until LATE. */
  lateMs: number;
  /** Silence until SUSPECT. */
  suspectMs: number;
  /** Silence until DOWN. */
  downMs: number;
  /** The same for a client with a long round trip. */
  downFarMs: number;
  /** Time after a lost connection until DOWN. */
  lostMs: number;
  /** Time that everybody has to come back after the server started or stood still. */
  comeBackMs: number;
  /** The span in which changes between UP and DOWN make a client FLAPPING, and the quiet that ends it. */
  flapMs: number;
}

/** Derives all limits from the interval; `downMs` may be set by the operator. */
export function timingOf(intervalMs: number, downMs = intervalMs * DOWN_INTERVALS): Timing {
  return {
    intervalMs,
    lateMs: Math.min(intervalMs * LATE_INTERVALS, downMs),
    suspectMs: Math.min(intervalMs * SUSPECT_INTERVALS, downMs),
    downMs,
    downFarMs: downMs * (DOWN_INTERVALS_FAR / DOWN_INTERVALS),
    lostMs: Math.min(intervalMs * LOST_INTERVALS, downMs),
    comeBackMs: Math.max(intervalMs * COME_BACK_INTERVALS, downMs),
    flapMs: Math.max(intervalMs * FLAP_INTERVALS, 3 * downMs),
  };
}

/** What is measured of a client's heartbeats, in milliseconds. */
export interface Rhythm {
  /** Usual gap between two heartbeats (moving average, gain 1/8 as in RFC 6298). */
  gapMs: number | undefined;
  /** Usual deviation from it (gain 1/4, same source). */
  jitterMs: number | undefined;
  /** Usual round trip (gain 1/8). */
  roundTripMs: number | undefined;
}

/** Everything that is known of one client's presence. */
export interface Presence extends Rhythm {
  /** What is measured; {@linkcode shownState} is what is believed. */
  state: MeasuredState;
  cause: Cause | undefined;
  /** When the state began. */
  since: number;
  /** Whether silence means anything: false for a classic client that has sent no HEARTBEAT yet. */
  watched: boolean;
  /** Whether an agent connection (or a classic one) is open. */
  connected: boolean;
  /** Arrival of the last byte; before the server's start when nothing has come since. */
  lastHeard: number;
  /** Silence counts from here at the earliest: the server's start, or the end of its own standstill. */
  countFrom: number;
  /** Arrival of the last heartbeat on the present connection. */
  lastBeat: number | undefined;
  /** Heartbeats on the present connection; the second comes at a random offset (HB-40). */
  beats: number;
  /** When the connection was lost; undefined while connected or after a BYE. */
  lostAt: number | undefined;
  /** When a planned absence ends; undefined for never. */
  plannedUntil: number | undefined;
  /** No DOWN before this moment: the server has started, or its clock stood still. */
  graceUntil: number;
  /** The outage that goes on or that is about to be announced as over. */
  outage: Outage | undefined;
  /** When it last changed between UP and DOWN, the latest last; at most FLAP_CHANGES of them. */
  swings: readonly number[];
  /** Since when it changes too often; undefined while it does not. */
  flappingSince: number | undefined;
}

/** One time of being DOWN. */
export interface Outage {
  cause: Cause;
  /** Arrival of the last byte before it. */
  lastHeard: number;
  /** Arrival of the first byte after it; undefined while there is none. */
  heardAgain: number | undefined;
  /** Heartbeats since then. */
  beats: number;
}

/** Something that happened to a client. */
export type PresenceEvent =
  | { kind: "connected"; watched: boolean }
  | { kind: "heard" }
  | { kind: "beat" }
  | { kind: "round_trip"; ms: number }
  | { kind: "lost" }
  | { kind: "left"; cause: Cause; backInMs?: number | undefined }
  | { kind: "grace"; untilMs: number }
  | { kind: "forgiven" }
  | { kind: "tick" };

/** One change of state, with what the operator needs to judge it. */
export interface StateChange {
  from: PresenceState | undefined;
  to: PresenceState;
  cause: Cause | undefined;
  /** When it was decided. */
  at: number;
  /** Arrival of the last byte before the change. */
  lastHeard: number;
  /** For a recovery: from the last byte before the outage to the first one after it. */
  downtimeMs: number | undefined;
  /** For DOWN: from the last byte, or from the close, to the decision. */
  detectionMs: number | undefined;
  /** Whether the client is FLAPPING, so that this change is measured and not told. */
  flapping: boolean;
}

/** A client and the changes that one event made. */
export interface Step {
  presence: Presence;
  changes: StateChange[];
}

/** What the store knows of a client when the server starts. */
export interface KnownPresence {
  /** What was believed of it; one that was FLAPPING still is, and is UP unless it stays silent. */
  state: PresenceState;
  cause: Cause | undefined;
  /** Time since its last byte, in milliseconds. */
  silentForMs: number;
  /** Time until a planned absence ends, in milliseconds; undefined for never. */
  plannedForMs?: number | undefined;
  watched: boolean;
}

const NEVER_SEEN: KnownPresence = { state: "UP", cause: undefined, silentForMs: 0, watched: true };

/** A client that the server heard of at `now`, or restored from its store; not connected yet. */
export function newPresence(now: number, known: KnownPresence = NEVER_SEEN): Presence {
  const lastHeard = now - known.silentForMs;
  const down = known.state === "DOWN";
  const flapping = known.state === "FLAPPING";
  return {
    state: known.state === "FLAPPING" ? "UP" : known.state,
    cause: flapping ? undefined : known.cause,
    since: now,
    watched: known.watched,
    connected: false,
    lastHeard,
    countFrom: now,
    lastBeat: undefined,
    beats: 0,
    lostAt: undefined,
    plannedUntil: known.plannedForMs === undefined ? undefined : now + known.plannedForMs,
    graceUntil: now,
    outage: down
      ? { cause: known.cause ?? "silent", lastHeard, heardAgain: undefined, beats: 0 }
      : undefined,
    swings: flapping ? [now] : [],
    flappingSince: flapping ? now : undefined,
    gapMs: undefined,
    jitterMs: undefined,
    roundTripMs: undefined,
  };
}

/** What is believed of a client. */
export function shownState(presence: Readonly<Presence>): PresenceState {
  return presence.flappingSince === undefined ? presence.state : "FLAPPING";
}

/** Why it is believed; undefined while the client is simply UP. */
export function shownCause(presence: Readonly<Presence>): Cause | undefined {
  return presence.flappingSince === undefined ? presence.cause : "flapping";
}

/** Applies one event at `now`; the input is left as it was. */
export function advance(
  presence: Presence,
  event: PresenceEvent,
  at: { now: number; timing: Timing },
): Step {
  const copy = copyPresence(presence);
  return { presence: copy, changes: advanceInPlace(copy, event, at) };
}

/** The presence as it is now, whatever becomes of it. */
export function copyPresence(presence: Readonly<Presence>): Presence {
  const { outage } = presence;
  return { ...presence, outage: outage === undefined ? undefined : { ...outage } };
}

/** The same as {@linkcode advance} without a copy: the presence itself is changed. */
export function advanceInPlace(
  presence: Presence,
  event: PresenceEvent,
  at: { now: number; timing: Timing },
): StateChange[] {
  const step: Step = { presence, changes: [] };
  apply(step, event, at);
  return step.changes;
}

/** When {@linkcode advance} must be called with a tick; undefined when time alone changes nothing. */
export function nextDeadline(presence: Presence, timing: Timing): number | undefined {
  const silence = silenceDeadline(presence, timing);
  if (presence.flappingSince === undefined) return silence;
  return Math.min(silence ?? Infinity, calmDeadline(presence, timing));
}

/** When a client that is FLAPPING has been quiet for long enough. */
function calmDeadline({ swings }: Presence, { flapMs }: Timing): number {
  return (swings.at(-1) ?? 0) + flapMs;
}

function silenceDeadline(presence: Presence, timing: Timing): number | undefined {
  const { state, watched, plannedUntil, graceUntil } = presence;
  if (state === "PLANNED") {
    return plannedUntil === undefined ? undefined : Math.max(plannedUntil, graceUntil);
  }
  if (state === "DOWN" || !watched) return undefined;
  const silentFrom = Math.max(presence.lastHeard, presence.countFrom);
  if (state === "UP" && presence.lostAt === undefined) return silentFrom + timing.lateMs;
  if (state === "LATE") return silentFrom + timing.suspectMs;
  return downDeadline(presence, { silentFrom, timing });
}

function downDeadline(presence: Presence, at: { silentFrom: number; timing: Timing }): number {
  const { lostAt, graceUntil } = presence;
  const { silentFrom, timing } = at;
  const far = (presence.roundTripMs ?? 0) > FAR_ROUND_TRIP_MS;
  const bySilence = silentFrom + (far ? timing.downFarMs : timing.downMs);
  const byLoss = lostAt === undefined ? Infinity : Math.max(lostAt, silentFrom) + timing.lostMs;
  return Math.max(graceUntil, Math.min(bySilence, byLoss));
}

function apply(step: Step, event: PresenceEvent, at: { now: number; timing: Timing }): void {
  const { presence } = step;
  const { now } = at;
  switch (event.kind) {
    case "connected":
      return onConnected(step, { now, watched: event.watched });
    case "heard":
      return onHeard(step, now);
    case "beat":
      return onBeat(step, at);
    case "round_trip":
      presence.roundTripMs = average(
        presence.roundTripMs,
        likelyRoundTrip(presence, event.ms),
        1 / 8,
      );
      return;
    case "lost":
      return onLost(step, now);
    case "left":
      return onLeft(step, { now, cause: event.cause, backInMs: event.backInMs });
    case "grace":
      presence.graceUntil = Math.max(presence.graceUntil, event.untilMs);
      presence.countFrom = now;
      return;
    case "forgiven":
      // It went with others, so that its coming and going was not its own.
      if (presence.flappingSince === undefined) presence.swings = [];
      return;
    case "tick":
      return onTick(step, at);
  }
}

function onConnected(step: Step, { now, watched }: { now: number; watched: boolean }): void {
  const { presence } = step;
  presence.connected = true;
  presence.watched = watched;
  presence.lostAt = undefined;
  presence.plannedUntil = undefined;
  presence.beats = 0;
  presence.lastBeat = undefined; // The gap across a reconnect says nothing of the usual one.
  onHeard(step, now);
  if (presence.state !== "DOWN" && presence.state !== "UP") become(step, "UP", { now });
}

function onHeard(step: Step, now: number): void {
  const { presence } = step;
  const { state, outage } = presence;
  if (state === "DOWN" && outage !== undefined && presence.connected) outage.heardAgain ??= now;
  if ((state === "LATE" || state === "SUSPECT") && presence.lostAt === undefined) {
    become(step, "UP", { now });
  }
  presence.lastHeard = now;
}

function onBeat(step: Step, { now, timing }: { now: number; timing: Timing }): void {
  const { presence } = step;
  presence.watched = true;
  presence.beats++;
  // Now it has come back; a client that gave the greeting up just before it was let in has not.
  if (presence.beats === 1) presence.graceUntil = now;
  if (presence.lastBeat !== undefined && presence.beats > IRREGULAR_BEATS) {
    measureGap(presence, { gap: now - presence.lastBeat, timing });
  }
  presence.lastBeat = now;
  onHeard(step, now);
  const { outage } = presence;
  if (presence.state !== "DOWN" || outage === undefined) return;
  outage.beats++;
  if (outage.beats < RECOVERY_BEATS) return;
  const isFirst = swing(presence, { now, timing });
  become(step, "UP", { now });
  if (isFirst) tellFlapping(step, now);
}

function onLost(step: Step, now: number): void {
  const { presence } = step;
  presence.connected = false;
  presence.lostAt = now;
  if (!presence.watched) return become(step, "PLANNED", { now, cause: "closed" });
  if (presence.outage !== undefined) {
    presence.outage = { ...presence.outage, heardAgain: undefined, beats: 0 };
  }
  if (presence.state === "UP" || presence.state === "LATE") {
    become(step, "SUSPECT", { now, cause: "connection lost" });
  }
}

function onLeft(
  step: Step,
  { now, cause, backInMs }: { now: number; cause: Cause; backInMs: number | undefined },
): void {
  const { presence } = step;
  presence.connected = false;
  presence.lostAt = undefined;
  presence.plannedUntil = backInMs === undefined ? undefined : now + backInMs;
  become(step, "PLANNED", { now, cause });
}

function onTick(step: Step, { now, timing }: { now: number; timing: Timing }): void {
  const { presence } = step;
  const due = nextDeadline(presence, timing);
  if (due === undefined || now < due) return;
  if (presence.flappingSince !== undefined && due === calmDeadline(presence, timing)) {
    becomeCalm(step, now);
  } else if (presence.state === "PLANNED") {
    return goDown(step, { now, timing, cause: "planned overdue" });
  } else if (presence.state === "UP" && presence.lostAt === undefined) {
    become(step, "LATE", { now, cause: "silent" });
  } else if (presence.state === "LATE") {
    become(step, "SUSPECT", { now, cause: "silent" });
  } else {
    const lost = presence.lostAt !== undefined;
    return goDown(step, { now, timing, cause: lost ? "connection lost" : "silent" });
  }
  onTick(step, { now, timing }); // A late timer may have to catch up with several limits.
}

function goDown(
  step: Step,
  { now, timing, cause }: { now: number; timing: Timing; cause: Cause },
): void {
  const { presence } = step;
  const { lastHeard, lostAt } = presence;
  presence.outage = { cause, lastHeard, heardAgain: undefined, beats: 0 };
  presence.plannedUntil = undefined;
  const isFirst = swing(presence, { now, timing });
  become(step, "DOWN", { now, cause, detectionMs: now - (lostAt ?? lastHeard) });
  if (isFirst) tellFlapping(step, now);
}

/** Counts one change between UP and DOWN: whether it has made the client FLAPPING. */
function swing(presence: Presence, { now, timing }: { now: number; timing: Timing }): boolean {
  const swings = [...presence.swings, now].slice(-FLAP_CHANGES);
  presence.swings = swings;
  const [first = now] = swings;
  const often = swings.length === FLAP_CHANGES && now - first <= timing.flapMs;
  if (!often || presence.flappingSince !== undefined) return false;
  presence.flappingSince = now;
  return true;
}

function tellFlapping(step: Step, now: number): void {
  const { lastHeard, state } = step.presence;
  const nothing = { downtimeMs: undefined, detectionMs: undefined, flapping: false };
  step.changes.push({
    from: state,
    to: "FLAPPING",
    cause: "flapping",
    at: now,
    lastHeard,
    ...nothing,
  });
}

/** It has been quiet for long enough: what is measured is what is believed again. */
function becomeCalm(step: Step, now: number): void {
  const { presence } = step;
  const { lastHeard, state, cause } = presence;
  presence.flappingSince = undefined;
  presence.swings = [];
  const nothing = { downtimeMs: undefined, detectionMs: undefined, flapping: false };
  step.changes.push({ from: "FLAPPING", to: state, cause, at: now, lastHeard, ...nothing });
}

function become(
  step: Step,
  to: MeasuredState,
  why: { now: number; cause?: Cause; detectionMs?: number },
): void {
  const { presence } = step;
  const from = presence.state;
  if (from === to && presence.cause === why.cause) return;
  // A goodbye is final: what is planned does not flap.
  const farewell = to === "PLANNED" && presence.flappingSince !== undefined;
  if (farewell) presence.flappingSince = undefined;
  const { outage } = presence;
  const recovered = from === "DOWN" && outage !== undefined;
  step.changes.push({
    from: farewell ? "FLAPPING" : from,
    to,
    cause: recovered ? outage.cause : why.cause,
    at: why.now,
    lastHeard: recovered ? outage.lastHeard : presence.lastHeard,
    downtimeMs: recovered ? (outage.heardAgain ?? why.now) - outage.lastHeard : undefined,
    detectionMs: why.detectionMs,
    flapping: presence.flappingSince !== undefined,
  });
  presence.state = to;
  presence.cause = why.cause;
  presence.since = why.now;
  if (to !== "DOWN") presence.outage = undefined;
  if (farewell) presence.swings = [];
}

function measureGap(presence: Presence, { gap, timing }: { gap: number; timing: Timing }): void {
  if (gap > timing.downMs) return; // An outage is not part of the usual rhythm.
  const usual = presence.gapMs;
  if (usual !== undefined) {
    presence.jitterMs = average(presence.jitterMs, Math.abs(gap - usual), 1 / 4);
  }
  presence.gapMs = average(usual, gap, 1 / 8);
}

/** An answer that waited for a lost segment says little of the way: it counts for a bit more than the usual one. */
function likelyRoundTrip({ roundTripMs }: Presence, ms: number): number {
  return roundTripMs === undefined ? ms : Math.min(ms, roundTripMs + MAX_ROUND_TRIP_STEP_MS);
}

function average(old: number | undefined, sample: number, gain: number): number {
  return old === undefined ? sample : old + (sample - old) * gain;
}
