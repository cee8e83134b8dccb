/**
 * From a change of presence to a person: builds the watch, the alarm, the courier and the guard against clones, and connects them.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Random } from "../platform/clock.ts";
import { Alarm } from "./alarm.ts";
import type { Channel } from "./alert/channel.ts";
import { Courier } from "./alert/courier.ts";
import type { Notice } from "./alert/notice.ts";
import { OverlaySet } from "./alert/overlay_set.ts";
import { CloneGuard } from "./clone_guard.ts";
import type { Timing } from "./presence.ts";
import type { Roster } from "./roster.ts";
import type { Store } from "./store.ts";
import type { Timeline } from "./timeline.ts";
import { Watch, type WatchedChange } from "./watch.ts";

/** What {@linkcode buildAlerting} needs. */
export interface AlertingOptions {
  clock: Clock;
  random: Random;
  newId: () => string;
  log: Logger;
  timing: Timing;
  store: Store;
  roster: Roster;
  timeline: Timeline;
  channels: readonly Channel[];
  onNotice: (notice: Notice) => void;
  /** Called for every change of state before anything is made of it. */
  onChange?: (change: WatchedChange) => void;
  onDoubt: (reason: string) => void;
}

/** The connected parts; disposing of them lets what is under way end, for a bounded time. */
export interface Alerting extends AsyncDisposable {
  watch: Watch;
  alarm: Alarm;
  courier: Courier;
  clones: CloneGuard;
  overlays: OverlaySet;
}

/** Builds them; nothing is restored and nothing sent yet. */
export function buildAlerting(options: AlertingOptions): Alerting {
  const { clock, onDoubt, roster, timing } = options;
  const overlays = new OverlaySet();
  const courier = new Courier({ ...options, isOwed: (alert) => alarm.isOwed(alert) });
  const forgive = (client: string) => watch.event(client, { kind: "forgiven" });
  const alarm: Alarm = new Alarm({ ...options, overlays, courier, forgive });
  const pending = new Set<Promise<void>>();
  const onChange = (change: WatchedChange) => {
    options.onChange?.(change);
    const work = alarm.onChange(change).finally(() => pending.delete(work));
    pending.add(work);
    // Any byte of a suspect refutes, so it is asked for one.
    if (change.to === "SUSPECT") roster.get(change.client)?.agent?.ping();
  };
  const watch: Watch = new Watch({ clock, timing, onChange, onDoubt });
  const clones = new CloneGuard({
    clock,
    onClone: (clone) => void alarm.raiseClone(clone),
    onOver: (client) => void alarm.clear(client, "replaced"),
  });
  return {
    ...{ watch, alarm, courier, clones, overlays },
    async [Symbol.asyncDispose]() {
      clones[Symbol.dispose]();
      watch[Symbol.dispose]();
      await Promise.all(pending);
      await alarm[Symbol.asyncDispose]();
      await courier[Symbol.asyncDispose]();
    },
  };
}
