/**
 * What the operator reads when a client goes down or comes back: the name first, then why, then the
 * evidence. Pure.
 *
 * @module
 */

import type { Presence, StateChange } from "./presence.ts";

/** What an alert is based on; part of the JSON of `hbserver alerts`. */
export interface Evidence {
  /** When the last byte came, ISO 8601 in UTC. */
  last_seen: string;
  /** From the last byte, or from the close of the connection, to the decision. */
  detection_ms: number | null;
  /** Usual gap between two heartbeats. */
  gap_ms: number | null;
  /** Usual deviation from it. */
  jitter_ms: number | null;
  /** Usual round trip. */
  rtt_ms: number | null;
  /** Whether its connection was still open. */
  connected: boolean;
}

/** A time by the wall clock that lies `now - moment` milliseconds of the monotonic clock back. */
export interface WallClock {
  now: number;
  wall: number;
}

/** Gathers the evidence of a change. */
export function evidenceOf(
  change: StateChange,
  context: { presence: Readonly<Presence>; clock: WallClock },
): Evidence {
  const { presence, clock } = context;
  return {
    last_seen: new Date(clock.wall - (clock.now - change.lastHeard)).toISOString(),
    detection_ms: rounded(change.detectionMs),
    gap_ms: rounded(presence.gapMs),
    jitter_ms: rounded(presence.jitterMs),
    rtt_ms: rounded(presence.roundTripMs),
    connected: presence.connected,
  };
}

/** The line that a person reads when a client goes DOWN. */
export function alertText(
  name: string,
  alert: { cause: string; address: string; evidence: Evidence },
): string {
  const { cause, address, evidence } = alert;
  return `ALERT ${name} is DOWN, ${reasonText(cause, evidence)}; ${
    factsText(evidence, address).join(", ")
  }`;
}

/** Why a client is DOWN, in words. */
export function reasonText(cause: string, { connected }: Pick<Evidence, "connected">): string {
  const why: Record<string, string> = {
    silent: connected
      ? "silent: its connection is open but nothing comes (network cut, machine frozen or asleep)"
      : "silent: it has not come back since this server started or stood still",
    "connection lost":
      "connection lost: it closed without a goodbye (process killed, crashed or powered off)",
    "planned overdue": "planned overdue: it should have been back by now",
  };
  return why[cause] ?? cause;
}

/** What is measured of a client that is DOWN, in words. */
export function factsText(evidence: Evidence, address: string): string[] {
  const facts = [`last byte ${evidence.last_seen}`];
  if (evidence.detection_ms !== null) facts.push(`noticed after ${seconds(evidence.detection_ms)}`);
  if (evidence.gap_ms !== null) {
    const jitter = evidence.jitter_ms === null ? "" : ` ± ${seconds(evidence.jitter_ms)}`;
    facts.push(`usually every ${seconds(evidence.gap_ms)}${jitter}`);
  }
  if (evidence.rtt_ms !== null) facts.push(`round trip ${evidence.rtt_ms} ms`);
  if (address !== "") facts.push(`address ${address}`);
  return facts;
}

/** The line that a person reads when it is back. */
export function recoveryText(name: string, outage: { cause: string; downtimeMs: number }): string {
  return `RECOVERED ${name} is UP again after ${duration(outage.downtimeMs)} (${outage.cause})`;
}

/** A time span for people: `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 2 min`, `5 d 1 h`. */
export function duration(ms: number): string {
  if (Math.round(ms / 100) < 600) return seconds(ms);
  const total = Math.max(60, Math.floor(ms / 1000)); // 59.96 s is a minute already.
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min ${total % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function seconds(ms: number): string {
  return Math.round(ms) < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Milliseconds with microseconds kept below one, whole ones above ten. */
function rounded(ms: number | undefined): number | null {
  if (ms === undefined) return null;
  return ms < 10 ? Math.round(ms * 1000) / 1000 : Math.round(ms);
}
