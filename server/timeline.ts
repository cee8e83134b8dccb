/**
 * The timeline's live side: beats gathered for the store, audit lines at a bounded rate, and followers who
 * are woken when the store has something new.
 *
 * What is written stands in the store; a follower is only told that it should look, so that everybody
 * sees the same lines in the same order.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import { RateLimit } from "./rate_limit.ts";
import type { Store } from "./store.ts";
import type { EventKind, EventRecord } from "./store_record.ts";

/** Beats are handed to the store this often, in milliseconds. */
const BEAT_FLUSH_MS = 500;
/** Beats that wait for the store at most; older ones are dropped and counted when it is stuck. */
const MAX_WAITING_BEATS = 20_000;
/** Audit lines that one address may cause at once, and the time in which one more is allowed. */
const AUDIT_BURST = 10;
const AUDIT_REFILL_MS = 6_000;

/** What a follower wants to see. */
export interface TimelineFilter {
  /** Id of a client; undefined for all. */
  client?: string | undefined;
  kinds?: EventKind[] | undefined;
  /** Not before this moment, in milliseconds since 1970. */
  since?: number | undefined;
}

/** What a {@linkcode Timeline} needs. */
export interface TimelineOptions {
  clock: Clock;
  store: Store;
  log: Logger;
}

type NewEvent = Omit<EventRecord, "seq" | "clientName" | "message">;

/** Writes and follows the timeline. */
export class Timeline {
  #options: TimelineOptions;
  #beats: NewEvent[] = [];
  #droppedBeats = 0;
  #flushTimer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #followers = new Set<() => void>();
  #audits: RateLimit;

  /** Starts with nothing to write. */
  constructor(options: TimelineOptions) {
    this.#options = options;
    const { clock } = options;
    this.#audits = new RateLimit({ clock, burst: AUDIT_BURST, refillMs: AUDIT_REFILL_MS });
  }

  /** Notes a heartbeat; it reaches the store within {@linkcode BEAT_FLUSH_MS}. */
  beat(client: string, data: object): void {
    if (this.#beats.length >= MAX_WAITING_BEATS) {
      this.#beats.shift();
      this.#droppedBeats++;
    }
    this.#beats.push({ at: this.#options.clock.wall(), client, kind: "beat", data });
    this.#startTimer();
  }

  /**
   * Notes who did what, or was refused what. Lines that a peer can cause without proof name its `address`
   * and are limited per address; how many were left out stands in the next one.
   */
  async audit(
    action: string,
    details: { client?: string | undefined; address?: string } & Record<string, unknown>,
  ): Promise<void> {
    const { client, ...data } = details;
    const { clock, store, log } = this.#options;
    const suppressed = details.address === undefined ? 0 : this.#audits.take(details.address);
    if (suppressed === undefined) return;
    const left = suppressed > 0 ? { left_out: suppressed } : {};
    log.info("Audit: {action} {details}", {
      action,
      details: JSON.stringify({ ...data, ...left }),
    });
    try {
      const line = { at: clock.wall(), kind: "audit" as const, data: { action, ...data, ...left } };
      await store.addEvents([client === undefined ? line : { ...line, client }]);
      this.changed();
    } catch (error) {
      log.error("Cannot record an audit line: {error}", { error: String(error) });
    }
  }

  /** Hands waiting beats to the store, after those that are on their way to it. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    if (this.#beats.length === 0) return;
    this.#writing = this.#write(this.#beats.splice(0));
    await this.#writing;
  }

  /** Writes one batch at a time: what comes while the store is stuck waits here, where it is bounded. */
  async #write(beats: NewEvent[]): Promise<void> {
    const { store, log } = this.#options;
    try {
      await store.addEvents(beats);
      this.changed();
    } catch (error) {
      log.error("Cannot record {lost} heartbeats: {error}", {
        lost: beats.length,
        error: String(error),
      });
    }
    if (this.#droppedBeats > 0) {
      const dropped = this.#droppedBeats;
      this.#droppedBeats = 0;
      log.error("Left {dropped} heartbeats out: the database was too slow", { dropped });
    }
    this.#writing = undefined;
    if (this.#beats.length > 0) this.#startTimer();
  }

  #startTimer(): void {
    if (this.#writing !== undefined) return;
    this.#flushTimer ??= this.#options.clock.after(BEAT_FLUSH_MS, () => void this.flush());
  }

  /** Wakes everybody who follows: the store holds new lines. */
  changed(): void {
    for (const wake of this.#followers) wake();
  }

  /** The lines that match, then every new one until `signal` aborts; ends quietly. */
  async *follow(filter: TimelineFilter, signal: AbortSignal): AsyncGenerator<EventRecord> {
    let woken = Promise.withResolvers<void>();
    const wake = () => woken.resolve();
    this.#followers.add(wake);
    signal.addEventListener("abort", wake);
    try {
      let afterSeq = 0;
      while (!signal.aborted) {
        woken = Promise.withResolvers();
        const events = await this.#options.store.events({ ...filter, afterSeq });
        for (const event of events) {
          afterSeq = event.seq;
          yield event;
        }
        if (!signal.aborted) await woken.promise;
      }
    } finally {
      this.#followers.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }
}
