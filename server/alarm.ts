/**
 * Turns changes of state into records and into what a person is told: written down first, then told. While the disk is
 * full they are told at once and wait for it here.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import { alertText, evidenceOf, recoveryText } from "./alert_text.ts";
import type { Roster } from "./roster.ts";
import { type Store, StoreError } from "./store.ts";
import type { StateRecord } from "./store_record.ts";
import type { Timeline } from "./timeline.ts";
import type { WatchedChange } from "./watch.ts";

/** Changes that share one call of the store at most. */
const MAX_BATCH = 500;
/** Changes that wait for a full disk at most; beyond that the oldest are left out. About 1 KiB each. */
export const MAX_UNWRITTEN = 10_000;
/** How often it is tried again to write them, in milliseconds. */
export const RETRY_MS = 5_000;

/** One line for the operator. */
export interface Notice {
  /** Whether a client went down or came back, or the server itself has a trouble or is rid of it. */
  kind: "alert" | "recovery" | "trouble" | "relief";
  /** The client's name; undefined for what concerns the server itself. */
  client: string | undefined;
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

/** A change that is not on disk yet. */
interface Unwritten {
  readonly name: string;
  readonly record: StateRecord;
  /** Tells it, once. */
  readonly tell: () => void;
}

/** Records and tells every change of state. */
export class Alarm implements AsyncDisposable {
  readonly #options: AlarmOptions;
  /** In the order in which they came. */
  readonly #unwritten: Unwritten[] = [];
  #writing: Promise<void> | undefined;
  #isWriting = false;
  #retry: Timer | undefined;
  #isStuck = false;
  #leftOut = 0;

  /** Starts with nothing to tell. */
  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  /** Handles one change: resolves when it has been told. All are recorded in the order in which they come. */
  async onChange(change: WatchedChange): Promise<void> {
    const { clock, log, roster } = this.#options;
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
    await this.#write(name, {
      record: {
        client: change.client,
        state: to,
        cause: recordedCause,
        at,
        lastSeen,
        plannedUntil: plannedUntil === undefined ? undefined : Math.round(plannedUntil + offset),
        data: stateData(change, evidence),
        ...(down ? { open: { cause, evidence } } : {}),
        resolve: recovered,
      },
      notice,
    });
  }

  /** Writes what waits, all that can be written; never rejects. */
  async flush(): Promise<void> {
    this.#retry?.cancel();
    if (!this.#isWriting) this.#writing = this.#writeAll();
    await this.#writing;
  }

  /** Tries to write what waits a last time, and says how much is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    this.#retry?.cancel();
    const lost = this.#unwritten.length;
    if (lost === 0) return;
    this.#options.log.error("{lost} changes of state are lost: the disk is full", { lost });
  }

  /** Resolves when the change has been told: after it has been written, unless the disk is full. */
  async #write(
    name: string,
    { record, notice }: { record: StateRecord; notice: Notice | undefined },
  ): Promise<void> {
    const { promise: told, resolve } = Promise.withResolvers<void>();
    let isTold = false;
    const tell = () => {
      if (!isTold && notice !== undefined) this.#tell(notice);
      isTold = true;
      resolve();
    };
    this.#unwritten.push({ name, record, tell });
    if (this.#isStuck) {
      tell();
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
      try {
        await store.changeStates(batch.map(({ record }) => record));
        timeline.changed();
        written += batch.length;
      } catch (error) {
        if (this.#mustWait(batch, error)) break;
      }
      for (const { tell } of batch) tell();
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
        to: first?.record.state,
        error: String(error),
      });
    }
    if (!(error instanceof StoreError && error.full)) return false;
    this.#isStuck = true;
    this.#unwritten.unshift(...batch);
    for (const { tell } of this.#unwritten) tell();
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
