/**
 * Turns changes of state into records and into what a person is told: written down first, then told.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock } from "../platform/clock.ts";
import { alertText, evidenceOf, recoveryText } from "./alert_text.ts";
import type { Roster } from "./roster.ts";
import type { Store } from "./store.ts";
import type { Timeline } from "./timeline.ts";
import type { WatchedChange } from "./watch.ts";

/** One line for the operator. */
export interface Notice {
  /** Whether a client went down or came back. */
  kind: "alert" | "recovery";
  /** The client's name. */
  client: string;
  /** The line to show. */
  text: string;
}

/** What an {@linkcode Alarm} needs. */
export interface AlarmOptions {
  clock: Clock;
  log: Logger;
  store: Store;
  roster: Roster;
  timeline: Timeline;
  /** Called once the alert or its end is on disk, or could not be written. */
  onNotice: (notice: Notice) => void;
}

/** Records and tells every change of state. */
export class Alarm {
  #options: AlarmOptions;

  /** Starts with nothing to tell. */
  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  /** Handles one change; changes of one client are recorded in the order in which they come. */
  async onChange(change: WatchedChange): Promise<void> {
    const { clock, log, roster, store, timeline } = this.#options;
    const member = roster.get(change.client);
    if (member === undefined) return;
    const { name } = member.record;
    const wall = { now: clock.now(), wall: clock.wall() };
    const at = Math.round(wall.wall - (wall.now - change.at));
    const lastSeen = Math.round(wall.wall - (wall.now - change.lastHeard));
    const evidence = evidenceOf(change, { presence: change.presence, clock: wall });
    const down = change.to === "DOWN";
    const recovered = change.from === "DOWN" && !down;
    const cause = change.cause ?? "";
    // A recovery tells the cause of what is over; on record is that of the state that has begun.
    const recordedCause = recovered ? change.presence.cause : change.cause;
    member.record = {
      ...member.record,
      state: change.to,
      cause: recordedCause,
      stateSince: at,
      lastSeen,
    };
    const { from, to } = change;
    const { connected, plannedUntil } = change.presence;
    const offset = wall.wall - wall.now;
    log.info("{name}: {from} -> {to} {cause}", { name, from: from ?? "new", to, cause });
    const notice: Notice | undefined = down
      ? {
        kind: "alert",
        client: name,
        text: alertText(name, { ...member.record, cause, connected, evidence }),
      }
      : recovered && to === "UP"
      ? {
        kind: "recovery",
        client: name,
        text: recoveryText(name, { cause, downtimeMs: change.downtimeMs ?? 0 }),
      }
      : undefined;
    try {
      await store.changeState({
        client: change.client,
        state: to,
        cause: recordedCause,
        at,
        lastSeen,
        plannedUntil: plannedUntil === undefined ? undefined : Math.round(plannedUntil + offset),
        data: stateData(change, evidence),
        ...(down ? { open: { cause, evidence } } : {}),
        resolve: recovered,
      });
      timeline.changed();
    } catch (error) {
      log.error("Cannot record that {name} is {to}: {error}", { name, to, error: String(error) });
    }
    if (notice !== undefined) this.#tell(notice);
  }

  #tell(notice: Notice): void {
    const { log, onNotice } = this.#options;
    if (notice.kind === "alert") log.error("{text}", { text: notice.text });
    else log.warn("{text}", { text: notice.text });
    onNotice(notice);
  }
}

/** The fields of a `state` line of the timeline. */
function stateData(change: WatchedChange, evidence: object): object {
  return {
    state: change.to,
    from: change.from ?? null,
    cause: change.cause ?? null,
    ...(change.downtimeMs === undefined ? {} : { downtime_ms: Math.round(change.downtimeMs) }),
    ...evidence,
  };
}
