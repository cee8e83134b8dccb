/**
 * Alerts in a simulated world: what opens, grows and ends, as machines' numbers.
 *
 * @module
 */

import type { WatchedChange } from "../../server/watch.ts";

/** One step in the life of an alert. */
export interface AlertEvent {
  readonly kind: "opened" | "updated" | "resolved";
  /** Tells alerts apart. */
  readonly alert: number;
  readonly cause: string;
  /** All machines that belong to it. */
  readonly machines: readonly number[];
  /** In the world's time, in milliseconds. */
  readonly at: number;
}

/** Turns changes of state into alerts. */
export interface SimAlerts {
  /** One change of state. */
  changed(change: WatchedChange): void;
}

interface OpenAlert {
  readonly id: number;
  readonly cause: string;
  readonly members: Set<number>;
}

/** One alert for each machine that is DOWN, and one for all that are late when the first of them is. */
export function simpleAlerts(
  { now, onEvent }: { now: () => number; onEvent: (event: AlertEvent) => void },
): SimAlerts {
  const open = new Map<number, OpenAlert>();
  const doubtful = new Set<number>();
  let last = 0;
  const tell = (kind: AlertEvent["kind"], { id, cause, members }: OpenAlert) =>
    onEvent({ kind, alert: id, cause, machines: [...members].sort((a, b) => a - b), at: now() });
  const leave = (machine: number) => {
    const alert = open.get(machine);
    open.delete(machine);
    if (alert === undefined || [...open.values()].includes(alert)) return;
    tell("resolved", alert);
  };
  return {
    changed({ client, to, cause, flapping }) {
      const machine = Number(client.slice(1));
      if (to === "LATE" || to === "SUSPECT") doubtful.add(machine);
      else doubtful.delete(machine);
      if (flapping || to === "FLAPPING") return;
      if (to === "UP" || to === "PLANNED") return leave(machine);
      if (to !== "DOWN" || open.has(machine)) return;
      const members = new Set([machine, ...doubtful]);
      const alert = { id: ++last, cause: cause ?? "", members };
      for (const member of members) open.set(member, alert);
      tell("opened", alert);
    },
  };
}
