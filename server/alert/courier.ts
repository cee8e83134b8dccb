/**
 * Brings notices to people: what is owed stands in the database before the first try, and each channel has a lane of its
 * own, so that none waits for another and nobody who raises an alert waits for any.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Random } from "../../platform/clock.ts";
import { type Channel, ChannelError } from "./channel.ts";
import { CourierLane, type CourierStore, type Owed, SEND_LIMIT_MS } from "./courier_lane.ts";
import { planDeliveries, type PlannedNotice, wants } from "./delivery.ts";
import type { Notice } from "./notice.ts";
import { sendWithin } from "./send_within.ts";

export type { CourierStore, Owed } from "./courier_lane.ts";

/** A channel has stopped working when so many tries in a row were in vain. */
export const BROKEN_AFTER = 3;

/** What a {@linkcode Courier} needs. */
export interface CourierOptions {
  clock: Clock;
  log: Logger;
  random: Random;
  newId: () => string;
  store: CourierStore;
  channels: readonly Channel[];
  /**
   * Asked before a channel with `after` is told of an alert: `later` while it is snoozed, `never` when somebody takes care of it
   * or it is over.
   * @default {always now}
   */
  isOwed?: (alert: number) => Owed;
}

/** How a test of one channel went. */
export interface TestResult {
  /** Its name. */
  readonly channel: string;
  readonly state: "delivered" | "failed";
  /** Why it failed, in words without secrets. */
  readonly error: string | undefined;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

/** Tells all channels what they are owed, until it has been told. */
export class Courier implements AsyncDisposable {
  readonly #options: CourierOptions;
  readonly #lanes: readonly CourierLane[];
  readonly #closing = new AbortController();
  readonly #pending = new Set<Promise<void>>();

  /** Sends nothing yet. */
  constructor(options: CourierOptions) {
    this.#options = options;
    const { channels, isOwed = () => "now" } = options;
    const onFailover = (keys: string[]) => this.#failOver(keys);
    this.#lanes = channels.map((channel) =>
      new CourierLane({ ...options, channel, isOwed, onFailover })
    );
  }

  /** Goes on with what was owed when the server stopped; rejects when the database cannot be used. */
  async start(): Promise<void> {
    const { clock, log, store, channels } = this.#options;
    const skipped = await store.skipChannelsBeside(channels.map(({ key }) => key), clock.wall());
    for (const { name, count } of skipped) {
      log.warn("Skipped {count} notices that {channel} was owed: it is not configured any more", {
        count,
        channel: name,
      });
    }
    this.wake();
  }

  /** What is to be written down in the transaction in which what the notice tells of is. */
  plan(notice: Notice): PlannedNotice {
    return { notice, deliveries: planDeliveries(notice, this.#options.channels) };
  }

  /** Sends what has been written down; returns at once. */
  wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }

  /** Ends what waited to see if somebody takes care of an alert: somebody does. */
  acknowledged(alert: number): void {
    this.#skipEscalations(alert, "acknowledged in time");
  }

  /** Ends what waited to see if somebody takes care of an alert: it is over. */
  resolved(alert: number): void {
    this.#skipEscalations(alert, "over before its time");
  }

  /**
   * Sends what could not be written down because the disk is full. When it is written later after all, the same notice is not
   * sent a second time.
   */
  sendUnwritten(notice: Notice): void {
    this.#keep(this.#sendUnwritten(notice));
  }

  /**
   * Sends a notice to every channel at once, whatever it wants, and says how that went; never rejects. A channel that takes it
   * is told at once what it is owed.
   */
  async test(notice: Notice): Promise<TestResult[]> {
    return await Promise.all(this.#lanes.map((lane) => this.#test(lane, notice)));
  }

  /** Why nobody hears of alerts; undefined when somebody does, or when there is no channel that would be told at once. */
  get trouble(): string | undefined {
    const immediate = this.#lanes.filter(({ channel }) => channel.options.afterMs === 0);
    if (immediate.length === 0) return undefined;
    if (immediate.some(({ failures }) => failures < BROKEN_AFTER)) return undefined;
    const words = immediate.map(({ channel, lastError }) => `${channel.name}: ${lastError}`);
    return `no channel takes alerts (${words.join("; ")})`;
  }

  /** Lets sends that are under way end, for a bounded time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#lanes.map((lane) => lane[Symbol.asyncDispose]()));
    await Promise.all(this.#pending);
  }

  #skipEscalations(alert: number, why: string): void {
    const { clock, log, store } = this.#options;
    for (const lane of this.#lanes) lane.dropEscalations(alert);
    const skip = async () => {
      try {
        await store.skipEscalations(alert, { why, at: clock.wall() });
      } catch (error) {
        // Before they are sent it is asked again whether they are owed.
        log.warn("Cannot record that alert {alert} is {why}: {error}", {
          alert,
          why,
          error: String(error),
        });
      }
    };
    this.#keep(skip());
  }

  async #sendUnwritten(notice: Notice): Promise<void> {
    const { alert, kind } = notice;
    const isFollowUp = alert !== undefined && (kind === "recovery" || kind === "update");
    const told = isFollowUp ? await this.#toldOf(alert) : new Set<string>();
    if (alert !== undefined && kind === "recovery") {
      for (const lane of this.#lanes) lane.dropEscalations(alert);
    }
    for (const lane of this.#lanes) {
      const { channel } = lane;
      const isTold = told.has(channel.name) || (alert !== undefined && lane.hasTold(alert));
      if (!isTold && (kind === "recovery" && isFollowUp || !wants(channel, notice))) continue;
      const afterMs = isTold || alert === undefined ? 0 : channel.options.afterMs;
      lane.sendUnwritten(notice, { dueAt: notice.at + afterMs, escalates: afterMs > 0 });
    }
  }

  /** Names of the channels that know of an alert, or will soon. */
  async #toldOf(alert: number): Promise<Set<string>> {
    const { store, log } = this.#options;
    try {
      const all = await store.deliveriesOf([alert]);
      const told = all.filter(({ state, escalates }) =>
        state === "delivered" || state === "deferred" || (state === "waiting" && !escalates)
      );
      return new Set(told.map(({ channel }) => channel));
    } catch (error) {
      log.warn("Cannot read who was told of alert {alert}: {error}", {
        alert,
        error: String(error),
      });
      return new Set();
    }
  }

  async #test(lane: CourierLane, notice: Notice): Promise<TestResult> {
    const { channel } = lane;
    const { clock } = this.#options;
    const begun = clock.now();
    const result = (state: TestResult["state"], error: string | undefined): TestResult => {
      return { channel: channel.name, state, error, ms: Math.round(clock.now() - begun) };
    };
    try {
      const { signal } = this.#closing;
      await sendWithin(channel, notice, { clock, signal, limitMs: SEND_LIMIT_MS });
      lane.noteWorking();
      return result("delivered", undefined);
    } catch (error) {
      const isKnown = error instanceof ChannelError;
      return result("failed", isKnown ? error.message : "a mistake in hbserver itself");
    }
  }

  #failOver(keys: string[]): void {
    const lanes = this.#lanes.filter(({ channel }) => keys.includes(channel.key));
    for (const { channel } of lanes) {
      this.#options.log.warn("No other channel takes an alert: {channel} is told at once", {
        channel: channel.name,
      });
    }
    for (const lane of lanes) lane.wake();
  }

  #keep(work: Promise<void>): void {
    const kept = work.finally(() => this.#pending.delete(kept));
    this.#pending.add(kept);
  }
}
