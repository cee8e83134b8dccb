/**
 * Alerts in a simulated world: the product's `AlertBook`, unchanged, with the timer and the restarts that the rest of
 * the server gives it. What opens, grows and ends comes out as machines' numbers.
 *
 * @module
 */

import type { Clock, Timer } from "../../platform/clock.ts";
import { AlertBook, type KnownClient, type Moment } from "../../server/alert/alert_book.ts";
import { type AlertStep, isOngoing, type OpenAlert } from "../../server/alert/open_alert.ts";
import { OverlaySet } from "../../server/alert/overlay_set.ts";
import type { Timing } from "../../server/presence.ts";
import type { WatchedChange } from "../../server/watch.ts";

/** One step in the life of an alert. */
export interface AlertEvent {
  readonly kind: "opened" | "updated" | "resolved";
  /** Tells alerts apart. */
  readonly alert: number;
  readonly cause: string;
  /** All machines because of which it is open; for one that is over, those that were back last. */
  readonly machines: readonly number[];
  /** Whether a person is told. */
  readonly isTold: boolean;
  /** In the world's time, in milliseconds. */
  readonly at: number;
}

/** What {@linkcode SimAlerts} needs. */
export interface SimAlertsOptions {
  /** The server's clock. */
  readonly clock: Clock;
  readonly timing: Timing;
  /** The world's time, in milliseconds. */
  readonly now: () => number;
  readonly onEvent: (event: AlertEvent) => void;
  /** Tells the watch that a client went with others. */
  readonly forgive: (client: string) => void;
}

/** All machines are in one network, so that any of them may share an alert. */
const NETWORK = "10.20.30";

/** The server's decisions about alerts, over all of its lives. */
export class SimAlerts {
  readonly #options: SimAlertsOptions;
  #book: AlertBook;
  #lastId = 0;
  #timer: Timer | undefined;
  #due = Infinity;

  /** Starts without alerts. */
  constructor(options: SimAlertsOptions) {
    this.#options = options;
    this.#book = this.#newBook();
  }

  /** One change of state. */
  changed(change: WatchedChange): void {
    this.#handle(this.#book.presence(change, this.#moment()));
  }

  /** The process has ended: no timer fires any more. */
  stopped(): void {
    this.#unschedule();
  }

  /** The next process takes over what the store holds. */
  started(clients: readonly KnownClient[]): void {
    const open = this.#book.open().map(asStored);
    this.#book = this.#newBook();
    this.#book.restore({ open, lastId: this.#lastId, clients }, this.#moment());
    this.#schedule();
  }

  #newBook(): AlertBook {
    return new AlertBook({
      timing: this.#options.timing,
      overlays: new OverlaySet(),
      forgive: this.#options.forgive,
      subject: (client) => ({
        name: client,
        address: `${NETWORK}.${Number(client.slice(1)) % 250 + 1}`,
        tags: [],
      }),
    });
  }

  #handle(steps: readonly AlertStep[]): void {
    for (const { what, alert, members, tell } of steps) {
      this.#lastId = Math.max(this.#lastId, alert.id);
      const ongoing = [...alert.members.values()].filter(isOngoing);
      const named = what === "resolved" ? members : ongoing;
      this.#options.onEvent({
        kind: what === "changed" ? "updated" : what,
        alert: alert.id,
        cause: alert.cause,
        machines: named.map(({ client }) => Number(client.slice(1))).sort((a, b) => a - b),
        isTold: tell !== undefined,
        at: this.#options.now(),
      });
    }
    this.#schedule();
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { now: clock.now(), wall: clock.wall() };
  }

  #schedule(): void {
    const moment = this.#moment();
    const due = this.#book.nextDeadline(moment) ?? Infinity;
    if (due === this.#due) return;
    this.#unschedule();
    if (due === Infinity) return;
    this.#due = due;
    this.#timer = this.#options.clock.after(due - moment.now, () => {
      this.#due = Infinity;
      this.#handle(this.#book.tick(this.#moment()));
    });
  }

  #unschedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#due = Infinity;
  }
}

/** What the store gives back of an alert: nothing that is by the monotonic clock of a process that is gone. */
function asStored(alert: OpenAlert): OpenAlert {
  const nothing = { onset: undefined, stormUntil: undefined, updateAt: undefined };
  return {
    ...alert,
    ...nothing,
    settleAt: undefined,
    pending: undefined,
    members: new Map([...alert.members].map(([client, member]) => [client, { ...member }])),
  };
}
