/**
 * Decides what is an alert: which machines it is about, when a person is told, and when it is over. Pure: whoever drives it
 * hands the time in, and asks for the next deadline.
 *
 * An alert opens at the moment at which its first machine is DOWN. All machines that have been silent since about the same
 * moment and share a tag or a network with it are in it from the start; when they are half of all that were present, this
 * server or its network is the suspect. Nothing is held back, so that grouping costs no detection time.
 *
 * @module
 */

import type { Timing } from "../presence.ts";
import type { WatchedChange } from "../watch.ts";
import { type AlertSubject, beganTogether, isServerSuspect } from "./failure_group.ts";
import { FailureHistory, STORM_INTERVALS, wentTogether } from "./failure_history.ts";
import type { Severity } from "./notice.ts";
import {
  type Acknowledgement,
  type AlertCause,
  type AlertMember,
  type AlertStep,
  isOngoing,
  ongoing,
  type OpenAlert,
  type UpdateReason,
} from "./open_alert.ts";
import type { OverlaySet } from "./overlay_set.ts";
import { type KnownClient, type Moment, type Track, TrackedClients } from "./tracked_clients.ts";

export type { KnownClient, Moment } from "./tracked_clients.ts";

/** Time for joining machines to add up before they are told of, in intervals (10 s at 20 s). */
const UPDATE_INTERVALS = 0.5;
/** Time in which nobody else of an alert has come back until those that have are told of, in intervals (2 min at 20 s). */
const SETTLE_INTERVALS = 6;
/** Time between two notices of a storm that goes on, in intervals (1 min at 20 s). */
const STORM_UPDATE_INTERVALS = 3;

/** What an {@linkcode AlertBook} needs. */
export interface AlertBookOptions {
  timing: Timing;
  /** The client with this id; undefined when it is not on the lists any more. */
  subject: (client: string) => AlertSubject | undefined;
  /** What operators have set. */
  overlays: OverlaySet;
  /** Called for a client that is back after it went with others: that does not make it FLAPPING. */
  forgive: (client: string) => void;
}

/** Something that somebody else finds wrong with a client. */
export interface Condition {
  readonly client: string;
  readonly cause: AlertCause;
  readonly severity: Severity;
  readonly title: string;
  readonly text: string;
}

/** All open alerts of one server. */
export class AlertBook {
  readonly #options: AlertBookOptions;
  readonly #clients: TrackedClients;
  readonly #history: FailureHistory;
  readonly #open = new Map<number, OpenAlert>();
  /** Number of the last alert. */
  #lastId = 0;

  /** Starts without alerts. */
  constructor(options: AlertBookOptions) {
    this.#options = options;
    this.#clients = new TrackedClients(options);
    this.#history = new FailureHistory(options.timing);
  }

  /** All open alerts, in the order in which they were raised. */
  open(): OpenAlert[] {
    return [...this.#open.values()];
  }

  /** The open alerts that a client is in. */
  alertsOf(client: string): OpenAlert[] {
    return this.open().filter(({ members }) => {
      const member = members.get(client);
      return member !== undefined && isOngoing(member);
    });
  }

  /** Takes over what was open when the server stopped; clients have until `comeBackMs` to come back. */
  restore(
    { open, lastId, clients }: {
      open: readonly OpenAlert[];
      lastId: number;
      clients: readonly KnownClient[];
    },
    at: Moment,
  ): void {
    this.#lastId = Math.max(this.#lastId, lastId);
    for (const alert of open) {
      this.#open.set(alert.id, alert);
      const isWaiting = [...alert.members.values()].some(({ status }) => status === "back");
      if (alert.isFlapping && ongoing(alert).length === 0) {
        alert.steadyAt = at.now + this.#options.timing.flapMs;
      } else if (isWaiting && !alert.isFlapping) {
        alert.settleAt = at.now + this.#span(SETTLE_INTERVALS);
      }
    }
    this.#clients.restore({ open, clients }, at);
  }

  /** Takes one change of a client's state. */
  presence(change: WatchedChange, at: Moment): AlertStep[] {
    const track = this.#clients.note(change, at);
    if (change.flapping) return [];
    if (change.to === "FLAPPING") return this.#flap(change.client, { track, at });
    if (change.from === "FLAPPING") return this.#calm(change, { track, at });
    if (change.to === "DOWN") return this.#down(change.client, { track, at });
    if (change.to === "UP" || change.to === "PLANNED") return this.#end(change, { track, at });
    return [];
  }

  /** Does whatever is due. */
  tick(at: Moment): AlertStep[] {
    this.#options.overlays.dropOver(at.wall);
    const steps: AlertStep[] = [];
    for (const alert of this.open()) {
      const { until } = alert.acknowledgement ?? {};
      if (until !== undefined && until <= at.wall) {
        alert.acknowledgement = undefined;
        steps.push(this.#update(alert, { members: [], reason: "acknowledgement over", at }));
      }
      if ((alert.settleAt ?? Infinity) <= at.now) steps.push(...this.#settle(alert, at));
      if ((alert.steadyAt ?? Infinity) <= at.now) {
        steps.push(this.#resolve(alert, { members: [], at }));
        continue;
      }
      if ((alert.updateAt ?? Infinity) <= at.now) {
        alert.updateAt = undefined;
        const reason = alert.pending ?? "grew";
        steps.push(this.#update(alert, { members: [], reason, at }));
      } else if (alert.pending !== undefined && alert.updateAt === undefined) {
        if (!this.isSnoozed(alert, at)) {
          steps.push(this.#update(alert, { members: [], reason: alert.pending, at }));
        }
      }
    }
    return [...steps, ...this.#tellUntold(at)];
  }

  /** When {@linkcode tick} must be called, on the monotonic clock; undefined when time alone changes nothing. */
  nextDeadline(at: Moment): number | undefined {
    let next = Infinity;
    const byWall = (wall: number | undefined) => {
      if (wall !== undefined) next = Math.min(next, at.now + Math.max(0, wall - at.wall));
    };
    for (const { acknowledgement, settleAt, steadyAt, updateAt } of this.#open.values()) {
      next = Math.min(next, settleAt ?? Infinity, steadyAt ?? Infinity, updateAt ?? Infinity);
      byWall(acknowledgement?.until);
    }
    for (const { from } of this.#clients.untold(at)) next = Math.min(next, from);
    byWall(this.#options.overlays.nextTurn(at.wall));
    return next === Infinity ? undefined : next;
  }

  /** Notes that somebody takes care of an alert; undefined when it is not open. */
  acknowledge(id: number, acknowledgement: Acknowledgement): AlertStep | undefined {
    const alert = this.#open.get(id);
    if (alert === undefined) return undefined;
    alert.acknowledgement = acknowledgement;
    return { what: "changed", alert, members: [], tell: undefined };
  }

  /** Whether nobody is told of an alert now: all that keeps it open is snoozed. */
  isSnoozed(alert: Readonly<OpenAlert>, { wall }: Moment): boolean {
    const { overlays, subject } = this.#options;
    if (overlays.isEmpty) return false;
    return ongoing(alert).every(({ client }) =>
      overlays.isSnoozed(client, { subject: subject(client), wall })
    );
  }

  /** Raises an alert for something that is not about presence, unless there is one already. */
  raise(condition: Condition, at: Moment): AlertStep[] {
    const { client, cause, severity, title, text } = condition;
    const known = this.#raised(client, cause);
    const words = { title, text };
    if (known !== undefined) {
      if (known.words?.text === text) return [];
      known.words = words;
      known.severity = severity;
      return [this.#update(known, { members: [], reason: "grew", at })];
    }
    const alert = this.#newAlert({ kind: "identity", cause, severity, words }, at);
    const member = newMember({ client, status: "down", cause, lastSeenAt: at.wall });
    alert.members.set(client, { ...member, downAt: at.wall });
    return [this.#opened(alert, at)];
  }

  /** Ends what {@linkcode raise} began. */
  clear(client: string, cause: AlertCause, at: Moment): AlertStep[] {
    const alert = this.#raised(client, cause);
    if (alert === undefined) return [];
    const member = leave(alert, client, { status: "back", wall: at.wall });
    return [this.#resolve(alert, { members: member === undefined ? [] : [member], at })];
  }

  /** Forgets a client that is not on the lists any more. */
  forget(client: string, at: Moment): AlertStep[] {
    this.#clients.delete(client);
    return this.alertsOf(client).flatMap((alert) => {
      const member = leave(alert, client, { status: "left", wall: at.wall });
      return this.#afterLeaving(alert, { members: member === undefined ? [] : [member], at });
    });
  }

  /** Tells what was kept back for a snooze or a maintenance that an operator has just ended, or that time has. */
  #tellUntold(at: Moment): AlertStep[] {
    const due = [...this.#clients.untold(at)].filter(({ from }) => from <= at.now);
    const steps: AlertStep[] = [];
    for (const { client, track } of due) {
      // Those before it may have taken it in.
      if (track.untoldFrom === undefined) continue;
      track.untoldFrom = undefined;
      const { overlays, subject } = this.#options;
      const moment = { subject: subject(client), wall: at.wall };
      if (overlays.wasPlanned(client, moment)) track.cause = "planned overdue";
      steps.push(
        ...(track.state === "FLAPPING"
          ? this.#flap(client, { track, at })
          : this.#down(client, { track, at })),
      );
    }
    return steps;
  }

  #down(client: string, { track, at }: { track: Track; at: Moment }): AlertStep[] {
    const { alert, evidence } = track;
    if (alert !== undefined) {
      const member = this.#member(client, { track, status: "down", at });
      alert.members.set(client, member);
      alert.steadyAt = undefined;
      return [{ what: "changed", alert, members: [member], tell: undefined }];
    }
    if (this.#clients.isMuted(client, at)) {
      track.untoldFrom = at.now;
      return [];
    }
    const cause = track.cause ?? "silent";
    const joined = this.#joinable(client, { track, at });
    if (joined !== undefined) return [this.#join(joined, { client, track, at })];
    const companions = this.#clients.takeCompanions(client, { track, at });
    const isServer = isServerSuspect(companions.length, this.#clients.present().length);
    const members = isServer
      ? companions
      : companions.filter((other) => other === client || this.#clients.areRelated(client, other));
    const kind = members.length > 1 ? "group" : "down";
    const opened = this.#newAlert({
      kind,
      cause: isServer ? "server suspect" : cause,
      severity: "critical",
    }, at);
    opened.onset = evidence === undefined ? undefined : track.onset;
    for (const id of members) {
      const other = this.#clients.get(id);
      if (other === undefined) continue;
      const status = id === client ? "down" : "silent";
      opened.members.set(id, this.#member(id, { track: other, status, at }));
      other.alert = opened;
    }
    opened.scope = this.#clients.scopeOf(opened);
    if (this.#history.hasComeAgain(opened, at.now)) {
      opened.isFlapping = true;
      opened.cause = "flapping";
    }
    if (this.#history.isStorm(at.now)) opened.stormUntil = at.now + this.#span(STORM_INTERVALS);
    return [this.#opened(opened, at)];
  }

  /** The open alert that a machine belongs to which has just gone DOWN. */
  #joinable(client: string, { track, at }: { track: Track; at: Moment }): OpenAlert | undefined {
    const { intervalMs } = this.#options.timing;
    return this.open().find((alert) => {
      if (alert.kind !== "down" && alert.kind !== "group") return false;
      if ((alert.stormUntil ?? -Infinity) > at.now) return true;
      const { onset, cause, members } = alert;
      if (onset === undefined || !beganTogether(onset, track.onset, intervalMs)) return false;
      return cause === "server suspect" ||
        [...members.keys()].some((other) => this.#clients.areRelated(client, other));
    });
  }

  #join(
    alert: OpenAlert,
    { client, track, at }: { client: string; track: Track; at: Moment },
  ): AlertStep {
    const member = this.#member(client, { track, status: "down", at });
    alert.members.set(client, member);
    track.alert = alert;
    alert.kind = "group";
    const failed = ongoing(alert).length;
    const others = this.#clients.presentBeside(alert).length;
    if (isServerSuspect(failed, failed + others)) alert.cause = "server suspect";
    alert.scope = this.#clients.scopeOf(alert);
    const isStorm = alert.stormUntil !== undefined;
    if (isStorm) alert.stormUntil = at.now + this.#span(STORM_INTERVALS);
    alert.updateAt ??= at.now + this.#span(isStorm ? STORM_UPDATE_INTERVALS : UPDATE_INTERVALS);
    return { what: "changed", alert, members: [member], tell: undefined };
  }

  /** A client is back, was only late, or has said goodbye. */
  #end(change: WatchedChange, { track, at }: { track: Track; at: Moment }): AlertStep[] {
    const { client, from, to } = change;
    track.untoldFrom = undefined;
    const isBack = to === "UP" && (from === "DOWN" || from === "PLANNED");
    if (isBack) this.#options.overlays.dropUntilBack(client, this.#options.subject(client));
    const { alert } = track;
    const member = alert?.members.get(client);
    if (alert === undefined || member === undefined || !isOngoing(member)) return [];
    member.endedAt = at.wall;
    member.downtimeMs = change.downtimeMs;
    if (member.status === "down" && to === "UP") {
      member.status = "back";
      if (wentTogether(alert)) this.#options.forgive(client);
      if (alert.isFlapping) return [this.#wait(alert, { member, at })];
      if (ongoing(alert).length > 0) {
        alert.settleAt = at.now + this.#span(SETTLE_INTERVALS);
        return [{ what: "changed", alert, members: [member], tell: undefined }];
      }
      return [this.#resolve(alert, { members: [member], at })];
    }
    leave(alert, client, { status: "left", wall: at.wall });
    member.cause = change.presence.cause ?? member.cause;
    track.alert = undefined;
    return this.#afterLeaving(alert, { members: [member], at });
  }

  /** A machine of a group that keeps going and coming is back: the alert ends when all have been for a while. */
  #wait(alert: OpenAlert, { member, at }: { member: AlertMember; at: Moment }): AlertStep {
    if (ongoing(alert).length === 0) alert.steadyAt = at.now + this.#options.timing.flapMs;
    return { what: "changed", alert, members: [member], tell: undefined };
  }

  /** A machine is not in its alert any more, though not because it came back. */
  #afterLeaving(
    alert: OpenAlert,
    { members, at }: { members: AlertMember[]; at: Moment },
  ): AlertStep[] {
    const rest = ongoing(alert);
    if (rest.length === 0 && alert.isFlapping) {
      alert.steadyAt = at.now + this.#options.timing.flapMs;
      return [{ what: "changed", alert, members, tell: undefined }];
    }
    if (rest.length === 0) return [this.#resolve(alert, { members, at })];
    const present = this.#clients.presentBeside(alert).length + rest.length;
    if (alert.cause === "server suspect" && !isServerSuspect(rest.length, present)) {
      alert.cause = rest.find(({ status }) => status === "down")?.cause ?? "silent";
      alert.pending = "not the server";
      alert.updateAt = at.now + this.#span(UPDATE_INTERVALS);
    }
    return [{ what: "changed", alert, members, tell: undefined }];
  }

  /** Those that are back have an end, and the others go on. */
  #settle(alert: OpenAlert, at: Moment): AlertStep[] {
    alert.settleAt = undefined;
    const back = [...alert.members.values()].filter(({ status }) => status === "back");
    if (back.length === 0) return [];
    // Whoever is still missing is not the server.
    if (alert.cause === "server suspect") alert.cause = ongoing(alert)[0]?.cause ?? "silent";
    const step = this.#update(alert, { members: back, reason: "partly back", at });
    for (const { client } of back) alert.members.delete(client);
    this.#clients.release(alert, back.map(({ client }) => client));
    return [step];
  }

  #flap(client: string, { track, at }: { track: Track; at: Moment }): AlertStep[] {
    const { alert } = track;
    const isAlone = alert !== undefined &&
      ongoing(alert).every((member) => member.client === client);
    if (alert !== undefined && isAlone) {
      alert.kind = "flapping";
      alert.cause = "flapping";
      alert.severity = "warning";
      const member = this.#member(client, { track, status: "down", at });
      alert.members.set(client, member);
      return [this.#update(alert, { members: [member], reason: "flapping", at })];
    }
    if (this.#clients.isMuted(client, at)) {
      track.untoldFrom = at.now;
      return [];
    }
    const steps: AlertStep[] = [];
    if (alert !== undefined) {
      const member = leave(alert, client, { status: "left", wall: at.wall });
      steps.push(...this.#afterLeaving(alert, { members: member ? [member] : [], at }));
    }
    const opened = this.#newAlert(
      { kind: "flapping", cause: "flapping", severity: "warning" },
      at,
    );
    opened.members.set(client, this.#member(client, { track, status: "down", at }));
    track.alert = opened;
    return [...steps, this.#opened(opened, at)];
  }

  /** A client has stopped flapping, in whatever state it is now. */
  #calm(change: WatchedChange, { track, at }: { track: Track; at: Moment }): AlertStep[] {
    const { client, to } = change;
    const { alert } = track;
    if (to !== "DOWN") {
      track.untoldFrom = undefined;
      if (alert === undefined) return [];
      const status = to === "PLANNED" ? "left" : "back";
      const member = leave(alert, client, { status, wall: at.wall });
      track.alert = undefined;
      return this.#afterLeaving(alert, { members: member === undefined ? [] : [member], at });
    }
    if (alert === undefined) return this.#down(client, { track, at });
    alert.kind = "down";
    alert.severity = "critical";
    alert.cause = track.cause ?? "silent";
    const member = this.#member(client, { track, status: "down", at });
    alert.members.set(client, member);
    return [this.#update(alert, { members: [member], reason: "down for good", at })];
  }

  #newAlert(
    about: Pick<OpenAlert, "kind" | "cause" | "severity"> & Partial<Pick<OpenAlert, "words">>,
    at: Moment,
  ): OpenAlert {
    const alert: OpenAlert = {
      ...{ id: ++this.#lastId, ...about, words: about.words, openedAt: at.wall },
      ...{ toldAt: undefined, scope: undefined, acknowledgement: undefined },
      ...{ members: new Map(), onset: undefined, stormUntil: undefined },
      ...{ updateAt: undefined, settleAt: undefined, pending: undefined },
      ...{ isFlapping: false, steadyAt: undefined },
    };
    this.#open.set(alert.id, alert);
    return alert;
  }

  #opened(alert: OpenAlert, at: Moment): AlertStep {
    this.#history.opened(at.now);
    const members = [...alert.members.values()];
    return { what: "opened", alert, members, tell: this.#tell(alert, { reason: "grew", at }) };
  }

  #update(
    alert: OpenAlert,
    { members, reason, at }: { members: AlertMember[]; reason: UpdateReason; at: Moment },
  ): AlertStep {
    return { what: "changed", alert, members, tell: this.#tell(alert, { reason, at }) };
  }

  /** What is told now; what a snooze keeps back is told at its end. */
  #tell(
    alert: OpenAlert,
    { reason, at }: { reason: UpdateReason; at: Moment },
  ): AlertStep["tell"] {
    if (this.isSnoozed(alert, at)) {
      alert.pending = alert.toldAt === undefined ? "snooze over" : reason;
      return undefined;
    }
    alert.pending = undefined;
    alert.updateAt = undefined;
    if (alert.toldAt !== undefined) return { kind: "update", reason };
    alert.toldAt = at.wall;
    return { kind: "alert", reason: undefined };
  }

  /** Ends an alert as a whole; a person is told of its end when one was told of it. */
  #resolve(
    alert: OpenAlert,
    { members, at }: { members: AlertMember[]; at: Moment },
  ): AlertStep {
    this.#open.delete(alert.id);
    this.#history.ended(alert, at.now);
    this.#clients.release(alert, alert.members.keys());
    for (const member of members) member.endedAt ??= at.wall;
    const isTold = alert.toldAt !== undefined;
    const tell = isTold ? { kind: "recovery" as const, reason: undefined } : undefined;
    return { what: "resolved", alert, members, tell };
  }

  #member(
    client: string,
    { track, status, at }: { track: Track; status: "silent" | "down"; at: Moment },
  ): AlertMember {
    const cause = track.state === "FLAPPING" ? "flapping" : track.cause ?? "silent";
    const { lastSeenAt, evidence } = track;
    const member = newMember({ client, status, cause, lastSeenAt });
    if (status === "down") Object.assign(member, { downAt: at.wall, evidence });
    return member;
  }

  #raised(client: string, cause: AlertCause): OpenAlert | undefined {
    return this.open().find((alert) =>
      alert.kind === "identity" && alert.cause === cause && alert.members.has(client)
    );
  }

  #span(intervals: number): number {
    return intervals * this.#options.timing.intervalMs;
  }
}

function newMember(
  known: Pick<AlertMember, "client" | "status" | "cause" | "lastSeenAt">,
): AlertMember {
  const nothing = { downAt: undefined, endedAt: undefined };
  return { ...known, ...nothing, downtimeMs: undefined, evidence: undefined };
}

/** Takes a machine out of an alert. */
function leave(
  alert: OpenAlert,
  client: string,
  { status, wall }: { status: "back" | "left"; wall: number },
): AlertMember | undefined {
  const member = alert.members.get(client);
  if (member === undefined) return undefined;
  member.status = status;
  member.endedAt ??= wall;
  if (status === "left") alert.members.delete(client);
  return member;
}
