/**
 * Turns changes of state, and what the book of alerts makes of them, into records and into what a person is told: written
 * down first, then told. While the disk is full they are told at once and wait for it here.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import { AlertBook, type Condition, type KnownClient, type Moment } from "./alert/alert_book.ts";
import { alertEvidence, noticeOf } from "./alert/alert_notice.ts";
import type { Courier, Owed } from "./alert/courier.ts";
import type { AlertSubject } from "./alert/failure_group.ts";
import type { Notice } from "./alert/notice.ts";
import type { Acknowledgement, AlertCause, AlertStep, OpenAlert } from "./alert/open_alert.ts";
import type { OverlaySet } from "./alert/overlay_set.ts";
import { evidenceOf } from "./alert_text.ts";
import type { Clone } from "./clone_guard.ts";
import { shownCause, shownState, type Timing } from "./presence.ts";
import type { Roster } from "./roster.ts";
import { type Store, StoreError } from "./store.ts";
import type { AlertChange, ChangeRecord, StateRecord } from "./store_record.ts";
import type { Timeline } from "./timeline.ts";
import type { WatchedChange } from "./watch.ts";

/** Changes that share one call of the store at most. */
const MAX_BATCH = 500;
/** Changes that wait for a full disk at most; beyond that the oldest are left out. About 1 KiB each. */
export const MAX_UNWRITTEN = 10_000;
/** A deadline by the wall clock is looked at this often, in milliseconds. */
const LOOK_AGAIN_MS = 60_000;
/** How often it is tried again to write them, in milliseconds. */
export const RETRY_MS = 5_000;

/** What an {@linkcode Alarm} needs. */
export interface AlarmOptions {
  clock: Clock;
  timing: Timing;
  log: Logger;
  store: Store;
  roster: Roster;
  timeline: Timeline;
  /** What operators have set. */
  overlays: OverlaySet;
  newId: () => string;
  /** Called for a client that is back after it went with others: that does not make it FLAPPING. */
  forgive: (client: string) => void;
  /** Brings notices to channels. */
  courier: Courier;
  /** Called once the alert or its end is on disk, or could not be written. */
  onNotice: (notice: Notice) => void;
}

/** What the server itself has to say of itself. */
export type Announcement = Pick<Notice, "title" | "text"> & { readonly kind: "trouble" | "relief" };

/** A change that is not on disk yet. */
interface Unwritten {
  readonly name: string;
  readonly record: ChangeRecord;
  /** Tells it, once; channels are told from the database unless it could not be written. */
  readonly tell: (how: "written" | "unwritten") => void;
}

/** Records and tells every change of state, and every alert. */
export class Alarm implements AsyncDisposable {
  readonly #options: AlarmOptions;
  readonly #book: AlertBook;
  /** In the order in which they came. */
  readonly #unwritten: Unwritten[] = [];
  #writing: Promise<void> | undefined;
  #isWriting = false;
  #retry: Timer | undefined;
  #isStuck = false;
  #leftOut = 0;
  #due: Timer | undefined;
  #dueAt = Infinity;

  /** Starts with nothing to tell. */
  constructor(options: AlarmOptions) {
    this.#options = options;
    const { timing, overlays, forgive } = options;
    const subject = (client: string) => this.#subject(client);
    this.#book = new AlertBook({ timing, overlays, subject, forgive });
  }

  /** Goes on with what was open when the server stopped; clients are as they were then. */
  restore(known: { open: OpenAlert[]; lastId: number; clients: KnownClient[] }): void {
    const moment = this.#moment();
    this.#book.restore(known, moment);
    // Whoever was shut out in the last moment of the server is missed by nobody.
    const ids = new Set(known.clients.map(({ client }) => client));
    const gone = known.open.flatMap(({ members }) => [...members.keys()])
      .filter((client) => !ids.has(client));
    for (const client of new Set(gone)) void this.forget(client);
    this.#schedule();
  }

  /** Handles one change: resolves when it has been told. All are recorded in the order in which they come. */
  async onChange(change: WatchedChange): Promise<void> {
    const { log, roster } = this.#options;
    const member = roster.get(change.client);
    if (member === undefined) return;
    const { name } = member.record;
    const moment = this.#moment();
    const state = stateRecord(change, { ...moment, isMuted: this.#isMuted(change) });
    const { state: shown, cause, at, lastSeen } = state;
    member.record = { ...member.record, state: shown, cause, stateSince: at, lastSeen };
    const { from, to } = change;
    log.info("{name}: {from} -> {to} {cause}", {
      name,
      from: from ?? "new",
      to,
      cause: change.cause ?? "",
    });
    await this.#handle(this.#book.presence(change, moment), { name, state, moment });
  }

  /** Notes that somebody takes care of alerts: resolves to those of them that are open once that is recorded. */
  async acknowledge(ids: number[], acknowledgement: Acknowledgement): Promise<number[]> {
    const steps = ids.flatMap((id) => this.#book.acknowledge(id, acknowledgement) ?? []);
    await this.#handle(steps, { name: "an alert", moment: this.#moment() });
    for (const { alert } of steps) this.#options.courier.acknowledged(alert.id);
    return steps.map(({ alert }) => alert.id);
  }

  /** The open alerts that a client is in. */
  alertsOf(client: string): readonly Readonly<OpenAlert>[] {
    return this.#book.alertsOf(client);
  }

  /** The open alert with this number. */
  alert(id: number): Readonly<OpenAlert> | undefined {
    return this.#book.open().find((alert) => alert.id === id);
  }

  /** Whether a channel that waits to see if somebody takes care of an alert is to be told of it. */
  isOwed(id: number): Owed {
    const alert = this.alert(id);
    if (alert === undefined || alert.acknowledgement !== undefined) return "never";
    return this.#book.isSnoozed(alert, this.#moment()) ? "later" : "now";
  }

  /** Raises an alert for something that is not about presence, once. */
  async raise(condition: Condition): Promise<void> {
    const moment = this.#moment();
    const name = this.#subject(condition.client)?.name ?? condition.client;
    await this.#handle(this.#book.raise(condition, moment), { name, moment });
  }

  /** Tells that two machines use one identity; once, and once more when both are shut out. */
  async raiseClone({ client, addresses, shutOut }: Clone): Promise<void> {
    const name = this.#subject(client)?.name ?? client;
    const where = addresses.length > 1 ? addresses.join(" and ") : `both at ${addresses[0] ?? "?"}`;
    const what = shutOut
      ? "they kept taking each other's place, so both are shut out for 10 min"
      : "the newest is let in";
    await this.raise({
      ...{ client, cause: "replaced", severity: shutOut ? "critical" : "warning" },
      title: `Two machines use the identity of ${name}`,
      text:
        `two machines use the identity of ${name} (${where}): ${what}; if one is a copy of the other, remove ` +
        "the data directory of hbclient on it and join again",
    });
  }

  /** Ends what {@linkcode raise} began. */
  async clear(client: string, cause: AlertCause): Promise<void> {
    const moment = this.#moment();
    const name = this.#subject(client)?.name ?? client;
    await this.#handle(this.#book.clear(client, cause, moment), { name, moment });
  }

  /** Forgets a client before it leaves the lists; what is open only because of it ends. */
  async forget(client: string): Promise<void> {
    const moment = this.#moment();
    const name = this.#subject(client)?.name ?? client;
    await this.#handle(this.#book.forget(client, moment), { name, moment });
  }

  /** Looks again after an operator has set or ended something. */
  async overlaysChanged(): Promise<void> {
    await this.#tick();
  }

  /** Tells something that concerns the server itself; whoever says it has logged it. */
  async announce(announcement: Announcement): Promise<void> {
    const { clock, courier, newId, onNotice, store } = this.#options;
    const nobody = { alert: undefined, cause: undefined, clients: [], tags: [] };
    const about = { id: newId(), at: clock.wall(), severity: "critical" as const, ...nobody };
    const notice: Notice = { ...about, ...announcement };
    onNotice(notice);
    try {
      await store.recordChanges([{ alerts: [], notices: [courier.plan(notice)] }]);
      courier.wake();
    } catch {
      // The store has said why; a channel may take it all the same.
      courier.sendUnwritten(notice);
    }
  }

  /** Writes what waits, all that can be written; never rejects. */
  async flush(): Promise<void> {
    this.#retry?.cancel();
    if (!this.#isWriting) this.#writing = this.#writeAll();
    await this.#writing;
  }

  /** Tries to write what waits a last time, and says how much is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unschedule();
    await this.flush();
    this.#retry?.cancel();
    const lost = this.#unwritten.length;
    if (lost === 0) return;
    this.#options.log.error("{lost} changes of state are lost: the disk is full", { lost });
  }

  async #tick(): Promise<void> {
    const moment = this.#moment();
    const steps = this.#book.tick(moment);
    await this.#dropOverlays();
    await this.#handle(steps, { name: "an alert", moment });
  }

  /** Forgets on disk too what has run out. */
  async #dropOverlays(): Promise<void> {
    const { log, overlays, store, timeline } = this.#options;
    const dropped = overlays.takeDropped();
    if (dropped.length === 0) return;
    try {
      await store.removeOverlays(dropped);
    } catch (error) {
      // At the next start they are over again.
      log.warn("Cannot forget what has run out: {error}", { error: String(error) });
    }
    await timeline.audit("overlay_over", { ids: dropped });
  }

  /** Records what has happened, and then tells it; resolves when that is done. */
  async #handle(
    steps: AlertStep[],
    { name, state, moment }: { name: string; state?: StateRecord; moment: Moment },
  ): Promise<void> {
    const { courier, newId } = this.#options;
    const subject = (client: string) => this.#subject(client);
    const context = { subject, newId, wall: moment.wall };
    const alerts = steps.map((step) => alertChange(step, moment));
    const notices = steps.flatMap((step) => noticeOf(step, context) ?? []);
    this.#schedule();
    if (state === undefined && steps.length === 0) return;
    const planned = notices.map((notice) => courier.plan(notice));
    await this.#write(name, { record: { state, alerts, notices: planned }, notices });
    // What nobody was told of needs no channel to wait for somebody.
    for (const { alert, what, tell } of steps) {
      if (what === "resolved" && tell === undefined) courier.resolved(alert.id);
    }
  }

  /** Sets the timer to the book's next deadline. */
  #schedule(): void {
    const { clock } = this.#options;
    const moment = this.#moment();
    const next = this.#book.nextDeadline(moment) ?? Infinity;
    // A deadline of the calendar is looked at again in time, as the wall clock may be set.
    const due = Math.min(next, moment.now + LOOK_AGAIN_MS);
    if (next === Infinity || due === this.#dueAt) {
      if (next === Infinity) this.#unschedule();
      return;
    }
    this.#unschedule();
    this.#dueAt = due;
    this.#due = clock.after(due - moment.now, () => {
      this.#dueAt = Infinity;
      void this.#tick();
    });
  }

  #unschedule(): void {
    this.#due?.cancel();
    this.#dueAt = Infinity;
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { now: clock.now(), wall: clock.wall() };
  }

  /** Whether a client went DOWN while an operator wants to hear of none; a report does not count that. */
  #isMuted({ client, to }: WatchedChange): boolean {
    const { overlays } = this.#options;
    if (to !== "DOWN" || overlays.isEmpty) return false;
    const { wall } = this.#moment();
    return overlays.isMuted(client, { subject: this.#subject(client), wall });
  }

  #subject(client: string): AlertSubject | undefined {
    return this.#options.roster.get(client)?.record;
  }

  /** Resolves when the change has been told: after it has been written, unless the disk is full. */
  async #write(
    name: string,
    { record, notices }: { record: ChangeRecord; notices: Notice[] },
  ): Promise<void> {
    const { promise: told, resolve } = Promise.withResolvers<void>();
    let isTold = false;
    const tell = (how: "written" | "unwritten") => {
      if (!isTold) { for (const notice of notices) this.#tell(notice, how); }
      isTold = true;
      resolve();
    };
    this.#unwritten.push({ name, record, tell });
    if (this.#isStuck) {
      tell("unwritten");
      this.#leaveOut();
    } else void this.flush();
    await told;
  }

  /** One batch after the other, so that none overtakes one that could not be written. */
  async #writeAll(): Promise<void> {
    const { clock, store, timeline } = this.#options;
    let written = 0;
    this.#isWriting = true;
    while (this.#unwritten.length > 0) {
      const batch = this.#unwritten.splice(0, MAX_BATCH);
      let how: "written" | "unwritten" = "written";
      try {
        await store.recordChanges(batch.map(({ record }) => record));
        timeline.changed();
        written += batch.length;
      } catch (error) {
        if (this.#mustWait(batch, error)) break;
        how = "unwritten";
      }
      for (const { tell } of batch) tell(how);
      if (how === "written") this.#options.courier.wake();
    }
    this.#isWriting = false;
    if (this.#unwritten.length > 0) this.#retry = clock.after(RETRY_MS, () => void this.flush());
    else if (this.#isStuck) this.#goOn(written);
  }

  /** Whether a batch waits for the disk: then everything is told now. */
  #mustWait(batch: Unwritten[], error: unknown): boolean {
    const [first] = batch;
    if (!this.#isStuck) {
      this.#options.log.error("Cannot record that {name} is {to}: {error}", {
        name: first?.name,
        to: first?.record.state?.state ?? "changed",
        error: String(error),
      });
    }
    if (!(error instanceof StoreError && error.full)) return false;
    this.#isStuck = true;
    this.#unwritten.unshift(...batch);
    for (const { tell } of this.#unwritten) tell("unwritten");
    this.#leaveOut();
    return true;
  }

  #leaveOut(): void {
    const over = Math.max(0, this.#unwritten.length - MAX_UNWRITTEN);
    this.#unwritten.splice(0, over);
    this.#leftOut += over;
  }

  #goOn(written: number): void {
    const { log } = this.#options;
    this.#isStuck = false;
    log.warn("Recorded {written} changes of state that had waited for the disk", { written });
    if (this.#leftOut === 0) return;
    log.error("Left {leftOut} changes of state out: the disk was full for too long", {
      leftOut: this.#leftOut,
    });
    this.#leftOut = 0;
  }

  #tell(notice: Notice, how: "written" | "unwritten"): void {
    const { courier, log, onNotice } = this.#options;
    if (how === "unwritten") courier.sendUnwritten(notice);
    if (notice.kind === "alert") log.error("{text}", { text: notice.text });
    else log.warn("{text}", { text: notice.text });
    onNotice(notice);
  }
}

/** A change of state as it is recorded. */
function stateRecord(
  change: WatchedChange,
  { now, wall, isMuted }: Moment & { isMuted: boolean },
): StateRecord {
  const { client, presence, to } = change;
  const offset = wall - now;
  const { plannedUntil } = presence;
  const recovered = change.from === "DOWN" && to !== "DOWN";
  const { connected: _, ...measured } = evidenceOf(change, { presence, clock: { now, wall } });
  return {
    client,
    state: shownState(presence),
    // A recovery tells the cause of what is over; on record is that of the state that has begun.
    cause: recovered || change.flapping ? shownCause(presence) : change.cause,
    at: Math.round(change.at + offset),
    lastSeen: Math.round(change.lastHeard + offset),
    plannedUntil: plannedUntil === undefined ? undefined : Math.round(plannedUntil + offset),
    data: {
      state: to,
      from: change.from ?? null,
      cause: change.cause ?? null,
      ...(change.flapping ? { flapping: true } : {}),
      ...(isMuted ? { muted: true } : {}),
      ...(change.downtimeMs === undefined ? {} : { downtime_ms: Math.round(change.downtimeMs) }),
      ...measured,
    },
  };
}

/** A change of an alert as it is recorded: what it is now, as it goes on changing. */
function alertChange({ what, alert, members }: AlertStep, { wall }: Moment): AlertChange {
  const { id, kind, cause, severity, openedAt, toldAt, scope, acknowledgement, words } = alert;
  return {
    at: Math.round(wall),
    what,
    alert: {
      ...{ id, kind, cause, severity, scope, acknowledgement, words },
      openedAt: Math.round(openedAt),
      toldAt: toldAt === undefined ? undefined : Math.round(toldAt),
    },
    evidence: alertEvidence(alert),
    members: members.map((member) => ({ ...member })),
  };
}
