/**
 * Drives the presence of all clients: one timer for the earliest deadline, and doubt in its own clock.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import {
  advanceInPlace,
  copyPresence,
  type KnownPresence,
  newPresence,
  nextDeadline,
  type Presence,
  type PresenceEvent,
  type StateChange,
  type Timing,
} from "./presence.ts";

/** How often the watch looks whether its own clock still runs, in milliseconds. */
const SELF_CHECK_MS = 500;
/** A check that comes this much too late means that this process stood still, in milliseconds. */
const STALL_MS = 2_000;
/** A difference between wall and monotonic clock that means a pause of the machine, in milliseconds. */
const CLOCK_SPLIT_MS = 5_000;
/** Finest resolution of signs of life, as a part of the interval: file bytes come thousands of times a second. */
const HEARD_RESOLUTION = 1 / 200;

/** One client's change of state, as told to the rest of the server. */
export interface WatchedChange extends StateChange {
  /** The client's id. */
  client: string;
  /** Its presence after the change. */
  presence: Readonly<Presence>;
}

/** What a {@linkcode Watch} needs. */
export interface WatchOptions {
  clock: Clock;
  timing: Timing;
  /** Called for every change of state, in order. */
  onChange: (change: WatchedChange) => void;
  /** Called when all deadlines had to start anew, with the reason in words. */
  onDoubt: (reason: string) => void;
}

/** The presence of all clients, kept up to date. */
export class Watch implements Disposable {
  #options: WatchOptions;
  #clients = new Map<string, Presence>();
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #selfCheck: Timer;
  #awakeAt: number;
  #wallOffset: number;

  /** Starts the clock's self-check at once. */
  constructor(options: WatchOptions) {
    this.#options = options;
    const { clock } = options;
    this.#awakeAt = clock.now();
    this.#wallOffset = clock.wall() - clock.now();
    this.#selfCheck = clock.after(SELF_CHECK_MS, () => this.#checkSelf());
  }

  /** Puts a client from the store under watch; it has some time to come back (HB-47). */
  restore(client: string, known: KnownPresence): void {
    const { clock, timing } = this.#options;
    const presence = newPresence(clock.now(), known);
    presence.graceUntil = clock.now() + timing.comeBackMs;
    this.#clients.set(client, presence);
    this.#schedule(presence);
  }

  /** The presence of a client as it is now, and goes on to be; undefined when it has never been seen. */
  get(client: string): Readonly<Presence> | undefined {
    return this.#clients.get(client);
  }

  /** Forgets a client: no change is told of it any more. */
  forget(client: string): void {
    this.#clients.delete(client);
  }

  /** Tells of an event of a client; one that was never seen begins as UP. */
  event(client: string, event: PresenceEvent): void {
    this.#doubtSelf();
    const now = this.#options.clock.now();
    let presence = this.#clients.get(client);
    if (presence === undefined) {
      presence = newPresence(now);
      this.#clients.set(client, presence);
      this.#tellFirst(client, presence);
    }
    this.#apply(client, presence, event);
  }

  /** Tells that a byte of a client arrived; cheap enough for every read of a file. */
  heard(client: string): void {
    const presence = this.#clients.get(client);
    const resolution = this.#options.timing.intervalMs * HEARD_RESOLUTION;
    if (presence === undefined || this.#options.clock.now() - presence.lastHeard < resolution) {
      return;
    }
    this.event(client, { kind: "heard" });
  }

  /** Stops all timers. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#selfCheck.cancel();
  }

  #tellFirst(client: string, presence: Presence): void {
    const { since: at, lastHeard } = presence;
    const nothing = {
      cause: undefined,
      downtimeMs: undefined,
      detectionMs: undefined,
      flapping: false,
    };
    const change = { from: undefined, to: "UP" as const, at, lastHeard, ...nothing };
    this.#options.onChange({ ...change, client, presence: copyPresence(presence) });
  }

  #apply(client: string, presence: Presence, event: PresenceEvent): void {
    const { clock, timing, onChange } = this.#options;
    const changes = advanceInPlace(presence, event, { now: clock.now(), timing });
    this.#schedule(presence);
    if (changes.length === 0) return; // As for nearly all events: nothing is copied.
    const snapshot = copyPresence(presence);
    for (const change of changes) onChange({ ...change, client, presence: snapshot });
  }

  /** Deadlines mostly move away, so the timer is only moved when one comes closer. */
  #schedule(presence: Presence): void {
    this.#wakeAt(nextDeadline(presence, this.#options.timing) ?? Infinity);
  }

  #wakeAt(due: number): void {
    if (due >= this.#timerDue || due === Infinity) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    const { clock } = this.#options;
    this.#timer = clock.after(due - clock.now(), () => this.#tick());
  }

  #tick(): void {
    this.#timerDue = Infinity;
    this.#doubtSelf();
    const { clock, timing } = this.#options;
    const now = clock.now();
    for (const [client, presence] of this.#clients) {
      const due = nextDeadline(presence, timing);
      if (due !== undefined && due <= now) this.#apply(client, presence, { kind: "tick" });
    }
    let next = Infinity;
    for (const presence of this.#clients.values()) {
      next = Math.min(next, nextDeadline(presence, timing) ?? Infinity);
    }
    this.#wakeAt(next);
  }

  #checkSelf(): void {
    this.#doubtSelf();
    this.#selfCheck = this.#options.clock.after(SELF_CHECK_MS, () => this.#checkSelf());
  }

  /** Whatever was due while this process or machine stood still says nothing of the clients. */
  #doubtSelf(): void {
    const { clock, onDoubt } = this.#options;
    const now = clock.now();
    const offset = clock.wall() - now;
    const stoodStill = now - this.#awakeAt - SELF_CHECK_MS;
    const split = Math.abs(offset - this.#wallOffset);
    this.#awakeAt = now;
    this.#wallOffset = offset;
    if (stoodStill > STALL_MS) {
      onDoubt(`this server stood still for ${(stoodStill / 1000).toFixed(1)} s`);
    } else if (split > CLOCK_SPLIT_MS) {
      onDoubt(`this machine's clock jumped by ${(split / 1000).toFixed(1)} s`);
    } else return;
    this.#grantGrace();
  }

  #grantGrace(): void {
    const { clock, timing } = this.#options;
    const untilMs = clock.now() + timing.comeBackMs;
    for (const [client, presence] of this.#clients) {
      this.#apply(client, presence, { kind: "grace", untilMs });
    }
  }
}
