/**
 * Leaves a mark in the database every minute that the server is alive, and lines in the timeline about when it was not: a report
 * can tell no outage of a client from one of the server otherwise.
 *
 * After a crash the server counts as away from its last mark on, up to a minute too early.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import type { Store } from "./store.ts";
import type { Timeline } from "./timeline.ts";

/** Time from one mark to the next, in milliseconds. */
export const MARK_MS = 60_000;
/** Without a mark for so long the server stood still, its machine slept, or its clock was put forward, in milliseconds. */
export const AWAY_MS = 2 * MARK_MS;

/** What an {@linkcode AliveMark} needs. */
export interface AliveMarkOptions {
  clock: Clock;
  log: Logger;
  store: Store;
  timeline: Timeline;
}

/** Says in the timeline when the server was away: `started`, `away` and `stopped`. */
export class AliveMark implements AsyncDisposable {
  readonly #options: AliveMarkOptions;
  #last = 0;
  #timer: Timer | undefined;
  #marking: Promise<void> | undefined;

  /** Does nothing before {@linkcode start}. */
  constructor(options: AliveMarkOptions) {
    this.#options = options;
  }

  /** Notes that the server has started, and since when it was away unless it has never run on this database. */
  async start(): Promise<void> {
    const { log, store, timeline } = this.#options;
    let last: number | undefined;
    try {
      last = await store.lastAlive();
    } catch (error) {
      log.warn("Cannot find out how long the server was away: {error}", { error: String(error) });
    }
    await timeline.audit("started", last === undefined ? {} : this.#absence(last));
    await this.#mark();
    this.#schedule();
  }

  /** Notes that the server stops in good order. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#marking;
    await this.#options.timeline.audit("stopped", {});
    await this.#mark();
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(MARK_MS, () => {
      this.#marking = this.#onTimer();
      this.#schedule();
    });
  }

  async #onTimer(): Promise<void> {
    const { clock, timeline } = this.#options;
    const from = this.#last;
    if (clock.wall() - from > AWAY_MS) await timeline.audit("away", this.#absence(from));
    await this.#mark();
  }

  #absence(from: number): { away_from: string; away_ms: number } {
    const ms = Math.round(this.#options.clock.wall() - from);
    return { away_from: new Date(from).toISOString(), away_ms: Math.max(0, ms) };
  }

  /** Never rejects: without a mark, the next start only believes to have been away for longer. */
  async #mark(): Promise<void> {
    const { clock, log, store } = this.#options;
    this.#last = clock.wall();
    try {
      await store.noteAlive(Math.round(this.#last));
    } catch (error) {
      log.warn("Cannot record that the server is alive: {error}", { error: String(error) });
    }
  }
}
