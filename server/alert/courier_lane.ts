/**
 * The way to one channel: sends what is owed to it, one notice at a time and in order, and tries again until it is taken.
 *
 * What is owed stands in the database. Beside that a lane holds what could not be written there while the disk was full.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Random, Timer } from "../../platform/clock.ts";
import { formatDuration } from "../../platform/quantity.ts";
import type { Store } from "../store.ts";
import { endOf, isWithin } from "./calendar.ts";
import { type Channel, ChannelError } from "./channel.ts";
import {
  type DueDelivery,
  type FailedAttempt,
  nextDelivery,
  planDeliveries,
  type Settlement,
} from "./delivery.ts";
import type { Notice } from "./notice.ts";
import { lateNotice, summaryNotice } from "./quiet_summary.ts";
import { MAX_ASKED_MS, retryWait } from "./retry_wait.ts";
import { sendWithin } from "./send_within.ts";
import { UnwrittenNotices } from "./unwritten_notices.ts";

/** After so long nobody tries any more, in milliseconds. */
export const GIVE_UP_MS = 24 * 3_600_000;
/** A try that takes longer has failed, in milliseconds: above the limits of the channels themselves. */
export const SEND_LIMIT_MS = 60_000;
/** What waits for a moment of the wall clock is looked at this often, in milliseconds, as that clock may be set. */
const LOOK_AGAIN_MS = 60_000;
/** When the server stops, a send that is under way has so long to end, in milliseconds. */
const CLOSE_MS = 2_000;
/** When the database cannot be used it is tried again after so long, in milliseconds. */
const STORE_RETRY_MS = 5_000;
/** What of the store a courier uses. */
export type CourierStore = Pick<
  Store,
  | "owedDeliveries"
  | "beginDelivery"
  | "noteAttempt"
  | "settleDelivery"
  | "deferDelivery"
  | "resumeDelivery"
  | "summarise"
  | "skipEscalations"
  | "skipChannelsBeside"
  | "deliveriesOf"
>;

/** Whether a channel is to be told of an alert that was not taken care of in time: now, perhaps later, or not any more. */
export type Owed = "now" | "later" | "never";

/** What a {@linkcode CourierLane} needs. */
export interface LaneOptions {
  clock: Clock;
  log: Logger;
  random: Random;
  newId: () => string;
  store: CourierStore;
  channel: Channel;
  isOwed: (alert: number) => Owed;
  /** Called with the keys of channels that are to be told at once. */
  onFailover: (channels: string[]) => void;
}

type Outcome = { readonly settled: Settlement } | { readonly failed: FailedAttempt };

/** Sends to one channel; begins with the first {@linkcode wake}. */
export class CourierLane implements AsyncDisposable {
  readonly #options: LaneOptions;
  /** What happened and is not on disk yet, by number. */
  readonly #unrecorded = new Map<number, Outcome>();
  /** Not before these moments of the monotonic clock, by number. */
  readonly #notBefore = new Map<number, number>();
  readonly #unwritten = new UnwrittenNotices();
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isAwake = false;
  #isClosed = false;
  #isStoreBroken = false;
  #timer: Timer | undefined;
  #failures = 0;
  #lastError: string | undefined;

  /** Does nothing yet. */
  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Tries in vain since the last one that was not. */
  get failures(): number {
    return this.#failures;
  }

  /** Why the last of these failed. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The channel that it leads to. */
  get channel(): Channel {
    return this.#options.channel;
  }

  /** Looks at what is owed now; never waits for it. */
  wake(): void {
    if (this.#isClosed) return;
    this.#isAwake = true;
    this.#timer?.cancel();
    if (!this.#isRunning) this.#running = this.#run();
  }

  /** Sends a notice that could not be written down, and remembers that. */
  sendUnwritten(notice: Notice, { dueAt, escalates }: { dueAt: number; escalates: boolean }): void {
    const { log, channel } = this.#options;
    for (const { title } of this.#unwritten.add(notice, { dueAt, escalates })) {
      const words = { channel: channel.name, title };
      log.error('Left out telling {channel} of "{title}": too much waits for the full disk', words);
    }
    this.wake();
  }

  /** Tries at once what has waited for the channel to work: it does. */
  noteWorking(): void {
    const now = this.#options.clock.now();
    this.#failures = 0;
    this.#lastError = undefined;
    for (const seq of this.#notBefore.keys()) this.#notBefore.set(seq, now);
    this.wake();
  }

  /** Whether it has told an alert from memory, or is about to. */
  hasTold(alert: number): boolean {
    return this.#unwritten.knows(alert);
  }

  /** Drops what waits in memory for somebody to take care of an alert. */
  dropEscalations(alert: number): void {
    this.#unwritten.dropEscalations(alert);
  }

  /** Lets a send that is under way end, for a bounded time; what is still owed stays in the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, log, channel } = this.#options;
    this.#isClosed = true;
    this.#timer?.cancel();
    using _bound = clock.after(CLOSE_MS, () => this.#closing.abort());
    await this.#running;
    await this.#record();
    const lost = this.#unwritten.waiting.length;
    if (lost === 0) return;
    const words = { lost, channel: channel.name };
    log.error("{lost} notices for {channel} are lost: the disk is full", words);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let waitMs: number | undefined = 0;
    while (!this.#isClosed && (waitMs === 0 || this.#isAwake)) {
      this.#isAwake = false;
      waitMs = await this.#step();
    }
    this.#isRunning = false;
    if (this.#isClosed || waitMs === undefined) return;
    this.#timer = this.#options.clock.after(waitMs, () => this.wake());
  }

  /** Does one thing: the time until the next look in milliseconds, or undefined when nothing is owed. */
  async #step(): Promise<number | undefined> {
    const { clock } = this.#options;
    const isRecorded = await this.#record();
    const owed = await this.#owed();
    if (owed === undefined) return 0;
    const next = nextDelivery(this.#queue(owed), clock.wall());
    if ("send" in next) {
      await this.#deliver(next.send);
      return 0;
    }
    const waitMs = next.notBefore - clock.wall();
    if (!isRecorded || this.#isStoreBroken) return STORE_RETRY_MS;
    return waitMs === Infinity ? undefined : Math.min(Math.max(1, waitMs), LOOK_AGAIN_MS);
  }

  /** What the database says is owed; undefined when that has just changed. */
  async #owed(): Promise<DueDelivery[] | undefined> {
    try {
      const owed = await this.#options.store.owedDeliveries(this.channel.key);
      if (await this.#endQuiet(owed)) return undefined;
      if (this.#unrecorded.size === 0) this.#noteStore(undefined);
      return owed;
    } catch (error) {
      this.#noteStore(error);
      return [];
    }
  }

  /** What waits, with what memory knows better than the database. */
  #queue(owed: DueDelivery[]): DueDelivery[] {
    const { clock } = this.#options;
    this.#unwritten.dropWritten(owed);
    const all = [...owed, ...this.#unwritten.waiting].sort((a, b) => a.dueAt - b.dueAt);
    const moment = clock.wall() - clock.now();
    return all.flatMap((delivery) => {
      const outcome = this.#unrecorded.get(delivery.seq);
      if (outcome !== undefined && "settled" in outcome) return [];
      const notBefore = this.#notBefore.get(delivery.seq);
      if (notBefore !== undefined) return [{ ...delivery, nextTryAt: notBefore + moment }];
      // Of an earlier life of the server, whose wall clock may have been another.
      const isSane = delivery.nextTryAt - clock.wall() <= MAX_ASKED_MS;
      return [isSane ? delivery : { ...delivery, nextTryAt: 0 }];
    });
  }

  /** Puts one summary into the place of all that was kept back, or lets the only one go; false when there is none. */
  async #endQuiet(owed: DueDelivery[]): Promise<boolean> {
    const { clock, newId, store, channel } = this.#options;
    const { quiet } = channel.options;
    const wall = clock.wall();
    // Without quiet hours any more there is nothing to wait for.
    const isOver = (dueAt: number) => quiet === undefined || dueAt <= wall;
    const over = owed.filter(({ state, dueAt }) => state === "deferred" && isOver(dueAt));
    const [first] = over;
    if (first === undefined) return false;
    if (over.length === 1 || quiet === undefined) {
      for (const { seq } of over) await store.resumeDelivery(seq);
      return true;
    }
    const notices = over.map(({ notice }) => notice);
    const notice = summaryNotice(notices, { id: newId(), at: wall, quiet });
    const all = { ...channel.options, min: "info" as const, only: [] };
    const deliveries = planDeliveries(notice, [{ ...channel, options: all }]);
    await store.summarise({ notice, deliveries }, over.map(({ seq }) => seq));
    return true;
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const { clock, channel } = this.#options;
    const { seq, notice } = delivery;
    const { quiet } = channel.options;
    if (this.#unwritten.wasTold(notice)) {
      return this.#settle(delivery, { state: "delivered", why: "told while the disk was full" });
    }
    const until = quiet === undefined ? undefined : endOf(quiet, clock.wall());
    if (until !== undefined) return await this.#defer(delivery, until);
    if (delivery.escalates && !await this.#begin(delivery)) return;
    const isLate = quiet !== undefined && notice.kind !== "summary" && delivery.seq > 0 &&
      delivery.dueAt > notice.at && isWithin(quiet, delivery.dueAt - 1);
    try {
      const told = isLate ? lateNotice(notice, quiet) : notice;
      const signal = this.#closing.signal;
      await sendWithin(channel, told, { clock, signal, limitMs: SEND_LIMIT_MS });
      this.#succeeded(delivery);
    } catch (error) {
      // A server that stops leaves it as it is, for its next life.
      if (this.#closing.signal.aborted) return;
      this.#failed(delivery, error);
    }
    if (seq < 0 && !this.#notBefore.has(seq)) this.#dropUnwritten(seq);
  }

  async #defer({ seq }: DueDelivery, until: number): Promise<void> {
    const { clock, store } = this.#options;
    if (seq > 0) {
      try {
        return await store.deferDelivery(seq, until);
      } catch (error) {
        this.#noteStore(error);
      }
    }
    this.#notBefore.set(seq, clock.now() + until - clock.wall());
  }

  /** Whether an alert of which nobody took care in time is still to be told. */
  async #begin(delivery: DueDelivery): Promise<boolean> {
    const { clock, isOwed, store } = this.#options;
    const { seq, notice } = delivery;
    const owed = notice.alert === undefined ? "now" : isOwed(notice.alert);
    if (owed === "later") this.#notBefore.set(seq, clock.now() + LOOK_AGAIN_MS);
    if (owed === "never") {
      this.#settle(delivery, { state: "skipped", why: "acknowledged, or over before its time" });
      if (seq < 0) this.#dropUnwritten(seq);
    }
    if (owed !== "now" || seq < 0) return owed === "now";
    try {
      return await store.beginDelivery(seq);
    } catch (error) {
      // Telling somebody twice is better than not at all.
      this.#noteStore(error);
      return true;
    }
  }

  #succeeded(delivery: DueDelivery): void {
    const { log, channel } = this.#options;
    const { notice } = delivery;
    this.#failures = 0;
    this.#lastError = undefined;
    log.info('Told {channel} of "{title}": attempt {attempt}', {
      channel: channel.name,
      title: notice.title,
      attempt: delivery.attempts + 1,
    });
    if (delivery.seq < 0) this.#unwritten.noteTold(notice);
    this.#settle(delivery, { state: "delivered", why: undefined, tried: true });
  }

  #failed(delivery: DueDelivery, error: unknown): void {
    const { clock, log, random, channel } = this.#options;
    const { seq, notice } = delivery;
    const attempts = delivery.attempts + 1;
    const isKnown = error instanceof ChannelError;
    // What is no ChannelError is a mistake of ours, whose words nobody has cleared of secrets.
    const why = isKnown ? error.message : "Cannot send: a mistake in hbserver itself";
    this.#failures++;
    this.#lastError = why;
    const waitMs = retryWait(attempts, { random, askedMs: isKnown ? error.waitMs : undefined });
    const at = clock.wall();
    const words = { channel: channel.name, title: notice.title, attempt: attempts, error: why };
    const isOver = at + waitMs > Math.max(delivery.dueAt, notice.at) + GIVE_UP_MS;
    if (isOver || (isKnown && !error.retry)) {
      log.error(
        'Gave up telling {channel} of "{title}": attempt {attempt} failed: {error}',
        words,
      );
      return this.#settle(delivery, { state: "failed", why, tried: true });
    }
    log.warn(
      'Tried to tell {channel} of "{title}": attempt {attempt} failed: {error}; next in {wait}',
      { ...words, wait: formatDuration(waitMs) },
    );
    this.#notBefore.set(seq, clock.now() + waitMs);
    const refused = isKnown && error.refused;
    const failed = { seq, at, why, nextTryAt: at + waitMs, refused };
    if (seq > 0) this.#unrecorded.set(seq, { failed });
    else this.#unwritten.noteAttempt(seq, { attempts, refused });
  }

  #settle(
    { seq }: DueDelivery,
    { state, why, tried = false }: {
      state: Settlement["state"];
      why: string | undefined;
      tried?: boolean;
    },
  ): void {
    this.#notBefore.delete(seq);
    if (seq < 0) return;
    const at = this.#options.clock.wall();
    this.#unrecorded.set(seq, { settled: { seq, state, at, tried, why } });
  }

  #dropUnwritten(seq: number): void {
    this.#notBefore.delete(seq);
    this.#unwritten.drop(seq);
  }

  /** Writes down what happened; false when that cannot be done now. */
  async #record(): Promise<boolean> {
    const { store, onFailover } = this.#options;
    try {
      for (const [seq, outcome] of this.#unrecorded) {
        const released = "settled" in outcome
          ? await store.settleDelivery(outcome.settled)
          : await store.noteAttempt(outcome.failed);
        this.#unrecorded.delete(seq);
        if (released.length > 0) onFailover(released);
      }
      return true;
    } catch (error) {
      this.#noteStore(error);
      return false;
    }
  }

  /** Says once that the database cannot be used, and once that it can be again. */
  #noteStore(error: unknown): void {
    const { log, channel } = this.#options;
    const isBroken = error !== undefined;
    if (isBroken === this.#isStoreBroken) return;
    this.#isStoreBroken = isBroken;
    if (isBroken) {
      log.error("Cannot read or record what {channel} is owed: {error}", {
        channel: channel.name,
        error: String(error),
      });
    } else log.info("What {channel} is owed is on record again", { channel: channel.name });
  }
}
