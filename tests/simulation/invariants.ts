/**
 * What must hold in every world, checked over what was decided in it. Pure.
 *
 * @module
 */

import { LINKS } from "./sim_network.ts";
import type { Trace } from "./simulation.ts";
import { type Act, type ActKind, type ActRule, ACTS, BACK_IN_MS, SETTLE_MS } from "./story.ts";

/** Longest time from the fault to the alert at an interval of 20 s, by what has happened, in milliseconds. */
export const DETECTION_LIMITS = {
  /** Nobody closes the connection: 2.5 intervals after the last byte. */
  silence: 51_000,
  /** The same for a link with a round trip above 35 ms: 3 intervals. */
  farSilence: 61_000,
  /** The kernel closes the connection: 0.75 intervals. */
  close: 16_000,
  /** The announced time is over. */
  overdue: 1_000,
  /** The server comes back and waits 3.5 intervals for everybody. */
  unseen: 76_000,
} as const;
/** What a link that loses one segment in 100 may add before a close or a byte gets through, in milliseconds. */
const LOSSY_MS = 13_000;
/** Time after which an alert is over at the latest, from the end of what caused it, in milliseconds. */
const OVER_MS = 12 * 60_000;

/** One breach of an invariant. */
export interface Breach {
  readonly seed: number;
  readonly at: number;
  readonly text: string;
}

/** What the product's promises are measured by, over all worlds. */
export interface Detection {
  readonly act: ActKind;
  /** Kind of the machine's link. */
  readonly link: string;
  /** From the fault to the alert, in milliseconds. */
  readonly ms: number;
}

/** What a trace came to. */
export interface Verdict {
  readonly breaches: readonly Breach[];
  readonly detections: readonly Detection[];
}

/** Checks everything. */
export function judge(trace: Trace): Verdict {
  const breaches: Breach[] = [];
  const detections: Detection[] = [];
  const { seed } = trace.story;
  const report = (at: number, text: string) => breaches.push({ seed, at, text });
  findFalseDowns(trace, report);
  findFalseAlerts(trace, report);
  for (const act of trace.story.acts) judgeAct(trace, { act, report, detections });
  findEndlessAlerts(trace, report);
  return { breaches, detections };
}

type Report = (at: number, text: string) => void;

/** Whether something at `at` may be a consequence of an act. */
function isWithin({ from, to }: Act, at: number): boolean {
  return at >= from && at <= to + SETTLE_MS;
}

/** The act that may have made a machine DOWN at `at`. */
function culpritOf({ story }: Trace, { machine, at }: { machine: number; at: number }) {
  return story.acts.find((act) =>
    ACTS[act.kind].expected !== "nothing" && isWithin(act, at) && act.machines.includes(machine)
  );
}

/** No machine is DOWN that was not gone. */
function findFalseDowns(trace: Trace, report: Report): void {
  for (const { at, machine, to, cause } of trace.changes) {
    if (to !== "DOWN" && to !== "FLAPPING") continue;
    if (culpritOf(trace, { machine, at }) !== undefined) continue;
    report(at, `false ${to} of machine ${machine} (${cause}) ${during(trace, at, machine)}`);
  }
}

/** No alert names a machine that was not gone, unless that came back at once. */
function findFalseAlerts(trace: Trace, report: Report): void {
  for (const { kind, at, machines, cause } of trace.alerts) {
    if (kind !== "opened") continue;
    const first = machines[0] ?? -1;
    if (machines.some((machine) => culpritOf(trace, { machine, at }) !== undefined)) continue;
    const names = machines.join(", ");
    report(at, `false alert about ${names} (${cause}) ${during(trace, at, first)}`);
  }
}

function judgeAct(
  trace: Trace,
  { act, report, detections }: { act: Act; report: Report; detections: Detection[] },
): void {
  const { kind, from, to, machines } = act;
  const { expected, most: several = 1 }: ActRule = ACTS[kind];
  const of = new Set(machines);
  const opened = trace.alerts.filter((event) =>
    event.kind === "opened" && isWithin(act, event.at) && event.machines.some((one) => of.has(one))
  );
  const most = expected === "nothing" ? 0 : several;
  const what = `${kind} of ${machines.length} from ${seconds(from)} to ${seconds(to)}`;
  if (opened.length > most) report(from, `${what}: ${opened.length} alerts instead of ${most}`);
  if (expected !== "one alert") return;
  if (opened.length === 0) report(from, `${what}: no alert`);
  for (const machine of machines) {
    const told = trace.alerts.find((event) =>
      event.kind !== "resolved" && isWithin(act, event.at) && event.machines.includes(machine)
    );
    if (told === undefined) {
      report(from, `${what}: no alert names machine ${machine}`);
      continue;
    }
    const link = trace.story.links[machine] ?? LINKS.lan;
    const ms = told.at - (kind === "overdue" ? from + BACK_IN_MS : from);
    detections.push({ act: kind, link: link.name, ms });
    const limit = limitOf(kind, link.name) + (link.loss < 1e-3 ? 0 : LOSSY_MS);
    if (ms > limit) report(from, `${what}: machine ${machine} was told of after ${seconds(ms)}`);
  }
}

function limitOf(kind: ActKind, link: string): number {
  switch (kind) {
    case "kill":
    case "flapping":
      return DETECTION_LIMITS.close;
    case "overdue":
      return DETECTION_LIMITS.overdue;
    case "kill unseen":
      return DETECTION_LIMITS.unseen;
    default:
      return link === LINKS.mobile.name ? DETECTION_LIMITS.farSilence : DETECTION_LIMITS.silence;
  }
}

/** Every alert ends once its cause has. */
function findEndlessAlerts({ alerts, story }: Trace, report: Report): void {
  const open = new Map<number, { at: number; machines: readonly number[] }>();
  for (const { kind, alert, at, machines } of alerts) {
    if (kind === "resolved") open.delete(alert);
    else open.set(alert, { at, machines });
  }
  for (const [alert, { at, machines }] of open) {
    const acts = story.acts.filter((act) => act.machines.some((one) => machines.includes(one)));
    const end = Math.max(at, ...acts.map(({ to }) => to));
    if (end + OVER_MS < story.ms) report(at, `alert ${alert} about ${machines.join()} never ends`);
  }
}

/** What went on, for people. */
function during({ story }: Trace, at: number, machine: number): string {
  const act = story.acts.findLast(({ from }) => from <= at);
  const gap = story.gaps[machine]?.findLast(({ from }) => from <= at);
  const parts = [act, gap && { ...gap, kind: "gap beside acts" }].filter((part) =>
    part !== undefined
  )
    .map(({ kind, from, to }) => `${kind} from ${seconds(from)} to ${seconds(to)}`);
  return `at ${seconds(at)}; before it ${parts.join(" and ")}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
