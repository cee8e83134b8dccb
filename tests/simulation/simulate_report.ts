/**
 * What `deno task simulate` says: lines for people. Nothing here plays anything.
 *
 * @module
 */

import type { Breach } from "./invariants.ts";
import type { SeedResult, SeedTotal, WorldSize } from "./seed_result.ts";
import type { Trace } from "./simulation.ts";

/** Breaches that are told in full; of the others only the number. */
const MAX_BREACHES = 20;

/** One seed, on a line. */
export function seedLine({ seed, hash, acts, alerts, beats }: SeedResult): string {
  return `seed ${seed}  ${hash}  ${acts} acts, ${alerts} alerts, ${beats} heartbeats`;
}

/** What breaks an invariant, and how to see it again. */
export function breachLines(breaches: readonly Breach[], size: WorldSize): string[] {
  const lines = breaches.slice(0, MAX_BREACHES).flatMap(({ seed, text }) => [
    `BREACH in seed ${seed}: ${text}`,
    `  deno task simulate --seed ${seed} --hours ${size.hours} --clients ${size.clients}`,
  ]);
  const more = breaches.length - MAX_BREACHES;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

/** The sums of a run. */
export function summaryLines(
  total: SeedTotal,
  { hours, clients, seconds }: WorldSize & { seconds: number },
): string[] {
  const { seeds, beats, events, acts, alerts, breaches } = total;
  const rate = (count: number) => count / Math.max(seconds, 1e-3);
  const rows = [...total.detections].sort(([a], [b]) => a.localeCompare(b)).map((
    [key, { count, most }],
  ) => `  ${key.padEnd(22)}${String(count).padStart(9)}${(most / 1000).toFixed(2).padStart(9)} s`);
  return [
    "from the fault to the alert: how often, and the longest",
    ...rows,
    `${seeds} seeds x ${hours} h x ${clients} clients = ${seeds * hours * clients} client-hours, ` +
    `${acts} acts, ${alerts} alerts, ${(beats / 1e6).toFixed(1)} million heartbeats`,
    `${seconds.toFixed(1)} s: ${rate(seeds).toFixed(2)} seeds, ` +
    `${(rate(events) / 1e6).toFixed(2)} million events, ${
      (rate(beats) / 1e6).toFixed(2)
    } million heartbeats a second; ${Math.floor(rate(seeds) * 600)} seeds in 10 minutes`,
    `hash of all seeds ${total.hash()}`,
    breaches.length === 0 ? "ok: no breach" : `FAILED: ${breaches.length} breaches`,
  ];
}

/** Everything that happened to one world and what was decided, in order of time. */
export function traceLines({ story, changes, alerts, doubts }: Trace): string[] {
  const lines: { at: number; text: string }[] = [
    ...story.acts.flatMap(({ kind, from, to, machines }) => [
      { at: from, text: `${kind} begins: ${list(machines)}` },
      { at: to, text: `${kind} ends` },
    ]),
    ...changes.map(({ at, machine, from, to, cause }) => ({
      at,
      text: `  machine ${machine}: ${from ?? "new"} -> ${to} ${cause ?? ""}`.trimEnd(),
    })),
    ...alerts.map(({ at, kind, alert, cause, machines }) => ({
      at,
      text: `  ALERT ${alert} ${kind} (${cause}): ${list(machines)}`,
    })),
    ...doubts.map(({ at, reason }) => ({ at, text: `  doubt: ${reason}` })),
  ];
  return lines.sort((a, b) => a.at - b.at)
    .map(({ at, text }) => `${(at / 1000).toFixed(3).padStart(12)} ${text}`);
}

function list(machines: readonly number[]): string {
  const shown = machines.slice(0, 10).join(" ");
  return machines.length > 10
    ? `${machines.length} machines: ${shown} …`
    : `${machines.length === 1 ? "machine" : "machines"} ${shown}`;
}
