/**
 * Channels whose answers a test decides, and the store in memory as a courier sees it.
 *
 * @module
 */

import { type Clock, sleep } from "../../platform/clock.ts";
import type { StoreDatabase } from "../store_database.ts";
import { type Channel, ChannelError, type ChannelOptions } from "./channel.ts";
import type { CourierStore } from "./courier.ts";
import type { Notice } from "./notice.ts";

/** What a {@linkcode FakeChannel} does with one try. */
export type Answer = "takes" | "fails" | "refuses" | "denies" | ChannelError;

/** A channel that takes what it is told to take. */
export class FakeChannel implements Channel {
  readonly key: string;
  readonly name: string;
  readonly options: ChannelOptions;
  /** What it has taken, by title. */
  readonly taken: string[] = [];
  /** What it has taken, whole. */
  readonly notices: Notice[] = [];
  /** Times of all tries by the wall clock, in milliseconds since 1970. */
  readonly tries: number[] = [];
  /** Decides about each try; undefined never answers. */
  answer: (notice: Notice) => Answer | undefined = () => "takes";
  /** How long a try takes, in milliseconds. */
  takesMs = 0;
  readonly #clock: Clock;
  #sending = 0;

  /** A channel that wants everything at once unless the options say otherwise. */
  constructor(name: string, clock: Clock, options: Partial<ChannelOptions> = {}) {
    this.key = name;
    this.name = name;
    this.options = { min: "info", afterMs: 0, only: [], quiet: undefined, ...options };
    this.#clock = clock;
  }

  async send(notice: Notice, { signal }: { signal: AbortSignal }): Promise<void> {
    if (this.#sending++ > 0) throw new Error("two sends at the same time");
    try {
      this.tries.push(this.#clock.wall());
      if (this.takesMs > 0) await sleep(this.#clock, this.takesMs, signal);
      const answer = this.answer(notice);
      if (answer === undefined) {
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason), { once: true })
        );
      }
      if (answer instanceof ChannelError) throw answer;
      if (answer === "fails") throw new ChannelError("Cannot send: it is down", { retry: true });
      if (answer === "denies") throw new ChannelError("Cannot send: never", { retry: false });
      if (answer === "refuses") {
        throw new ChannelError("Cannot send: not this one", { retry: true, refused: true });
      }
      this.taken.push(notice.title);
      this.notices.push(notice);
    } finally {
      this.#sending--;
    }
  }
}

/** The store as a courier uses it; while `error` is set everything that writes rejects with it. */
export class FakeCourierStore {
  readonly store: CourierStore;
  error: Error | undefined;

  /** Takes the tables. */
  constructor(tables: StoreDatabase) {
    const call = (name: keyof CourierStore) => (...args: unknown[]): Promise<unknown> => {
      const isReading = name === "owedDeliveries" || name === "deliveriesOf";
      if (this.error !== undefined && !isReading) return Promise.reject(this.error);
      const method = tables[name] as (...args: unknown[]) => unknown;
      return Promise.resolve(method.apply(tables, args));
    };
    const names = [
      ...["owedDeliveries", "beginDelivery", "noteAttempt", "settleDelivery", "deferDelivery"],
      ...["resumeDelivery", "summarise", "skipEscalations", "skipChannelsBeside", "deliveriesOf"],
    ] as (keyof CourierStore)[];
    this.store = Object.fromEntries(
      names.map((name) => [name, call(name)]),
    ) as unknown as CourierStore;
  }
}
