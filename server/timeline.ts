/**
 * The timeline's live side: beats rolled up by the minute, audit lines at a bounded rate, and followers who
 * are woken when the store has something new.
 *
 * What is written stands in the store; a follower is only told that it should look, so that everybody
 * sees the same lines in the same order.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import { type Beat, BeatRollup, minuteOf, ROLLUP_MS } from "./beat_rollup.ts";
import { type LinkDay, LinkQuality } from "./link_quality.ts";
import { RateLimit } from "./rate_limit.ts";
import type { Roster } from "./roster.ts";
import type { Store } from "./store.ts";
import type { EventKind, EventRecord } from "./store_record.ts";

/** Minutes of beats that wait for the store at most; older ones are dropped and counted when it is stuck. */
const MAX_WAITING_MINUTES = 20_000;
/** Time after which the last beat of a client is forgotten, and no gap to the next is measured, in milliseconds. */
const FORGET_BEAT_MS = 24 * 3_600_000;
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
  /** Who bears which name. */
  roster: Roster;
  /** A gap between two heartbeats that is longer, in milliseconds, is an absence and says nothing of the link. */
  absentMs: number;
}

type NewEvent = Omit<EventRecord, "seq" | "clientName" | "message">;

/** Writes and follows the timeline. */
export class Timeline {
  #options: TimelineOptions;
  /** The minute under way of each client. */
  #open = new Map<string, BeatRollup>();
  /** When the last beat of each client came, on the monotonic clock. */
  #lastBeat = new Map<string, number>();
  #waiting: NewEvent[] = [];
  #dropped = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #followers = new Set<() => void>();
  #audits: RateLimit;
  readonly #links: LinkQuality;

  /** Starts with nothing to write. */
  constructor(options: TimelineOptions) {
    this.#options = options;
    const { absentMs, clock } = options;
    this.#links = new LinkQuality(absentMs);
    this.#audits = new RateLimit({ clock, burst: AUDIT_BURST, refillMs: AUDIT_REFILL_MS });
  }

  /** Notes a heartbeat; its minute reaches the store when it is over. */
  beat(client: string, beat: Omit<Beat, "gapMs">): void {
    const { clock } = this.#options;
    const [now, at] = [clock.now(), clock.wall()];
    const before = this.#lastBeat.get(client);
    this.#lastBeat.set(client, now);
    const gapMs = before === undefined ? undefined : now - before;
    let rollup = this.#open.get(client);
    if (rollup !== undefined && rollup.minute !== minuteOf(at)) {
      this.#close(client, rollup);
      rollup = undefined;
    }
    if (rollup === undefined) {
      rollup = new BeatRollup(at);
      this.#open.set(client, rollup);
      this.#startTimer();
    }
    rollup.add({ ...beat, gapMs }, at);
    if (gapMs !== undefined) this.#links.addGap(client, gapMs, at);
  }

  /** Notes a measured round trip of a client, in milliseconds. */
  roundTrip(client: string, ms: number): void {
    const rollup = this.#open.get(client);
    rollup?.addRoundTrip(ms);
    if (rollup !== undefined) this.#links.addRoundTrip(client, ms, this.#options.clock.wall());
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

  /** Hands all beats to the store, those of the minute under way as well; for the end of the server. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    for (const [client, rollup] of this.#open) this.#close(client, rollup);
    await this.#write();
    this.#stopTimer();
  }

  /** The lines that match, as they stand, in the order of what they tell of. */
  async read(filter: TimelineFilter): Promise<EventRecord[]> {
    const { roster, store } = this.#options;
    const events = await store.events(filter);
    const { client, kinds, since = 0 } = filter;
    if (kinds !== undefined && !kinds.includes("beat")) return events;
    const open = [
      ...this.#waiting,
      ...[...this.#open].map(([client, rollup]) => eventOf(client, rollup)),
    ].filter((event) => (client === undefined || event.client === client) && event.at >= since);
    const named = open.map((event) => ({
      ...event,
      seq: Infinity,
      clientName: roster.get(event.client ?? "")?.record.name,
    }));
    return [...events, ...named].sort((one, other) => one.at - other.at);
  }

  #close(client: string, rollup: BeatRollup): void {
    this.#open.delete(client);
    this.#waiting.push(eventOf(client, rollup));
    const surplus = this.#waiting.length - MAX_WAITING_MINUTES;
    if (surplus <= 0) return;
    this.#waiting.splice(0, surplus);
    this.#dropped += surplus;
  }

  /** Closes the minutes that are over and writes them. */
  async #onMinute(): Promise<void> {
    const { clock } = this.#options;
    const minute = minuteOf(clock.wall());
    for (const [client, rollup] of this.#open) {
      // A clock that was set back has opened a minute of the future.
      if (rollup.minute !== minute) this.#close(client, rollup);
    }
    const forgotten = clock.now() - FORGET_BEAT_MS;
    for (const [client, at] of this.#lastBeat) if (at < forgotten) this.#lastBeat.delete(client);
    await this.#write();
  }

  /** Writes one batch at a time: what comes while the store is stuck waits here, where it is bounded. */
  async #write(): Promise<void> {
    if (this.#writing !== undefined) return;
    this.#writing = this.#writeWaiting();
    await this.#writing;
    this.#writing = undefined;
    this.#startTimer();
  }

  async #writeWaiting(): Promise<void> {
    const { store, log } = this.#options;
    const batch = this.#waiting.slice();
    if (batch.length === 0) return;
    try {
      await Promise.all([store.addEvents(batch), this.#writeLinks(this.#links.take())]);
      // Meanwhile more may have come, and the oldest may have been dropped.
      const written = new Set(batch);
      this.#waiting = this.#waiting.filter((event) => !written.has(event));
      this.changed();
    } catch (error) {
      log.error("Cannot record {minutes} minutes of heartbeats yet: {error}", {
        minutes: batch.length,
        error: String(error),
      });
    }
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    log.error("Left {dropped} minutes of heartbeats out: the database took none for too long", {
      dropped,
    });
  }

  /** Never rejects: what could not be written is added to what comes. */
  async #writeLinks(links: LinkDay[]): Promise<void> {
    try {
      await this.#options.store.addLinks(links);
    } catch {
      this.#links.giveBack(links); // The beats of the same minutes fail with it, and say so.
    }
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startTimer(): void {
    if (this.#writing !== undefined || (this.#open.size === 0 && this.#waiting.length === 0)) {
      return;
    }
    const { clock } = this.#options;
    const toNext = ROLLUP_MS - (clock.wall() % ROLLUP_MS);
    this.#timer ??= clock.after(toNext, () => {
      this.#timer = undefined;
      void this.#onMinute();
    });
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

function eventOf(client: string, rollup: BeatRollup): NewEvent {
  return { at: rollup.at, client, kind: "beat", data: rollup.line };
}
