/**
 * The server of a simulated world: the product's `Watch` and the product's decisions about alerts, unchanged, and
 * around them what the sessions would tell them. It stands still, and it dies and starts again from what it recorded.
 *
 * @module
 */

import {
  type Cause,
  type KnownPresence,
  shownCause,
  shownState,
  type Timing,
} from "../../server/presence.ts";
import type { KnownClient } from "../../server/alert/alert_book.ts";
import { Watch, type WatchedChange } from "../../server/watch.ts";
import type { EventQueue } from "./event_queue.ts";
import { SimClock } from "./sim_clock.ts";
import type { SimConnection } from "./sim_connection.ts";

const BEAT_EVENT = { kind: "beat" } as const;

/** What the server's store would hold of one client. */
interface StoredClient extends KnownClient {
  /** When a planned absence ends, by the server's wall clock in milliseconds; undefined for never. */
  readonly plannedUntil: number | undefined;
}

/** What a {@linkcode SimServer} tells and is made of. */
export interface SimServerOptions {
  readonly queue: EventQueue;
  readonly timing: Timing;
  /** Called for every change of state, in order. */
  readonly onChange: (change: WatchedChange) => void;
  /** Called when the server doubts itself. */
  readonly onDoubt: (reason: string) => void;
  /** Called when the process has ended. */
  readonly onStop: () => void;
  /** Called when a process starts, with all clients on record. */
  readonly onStart: (clients: readonly KnownClient[]) => void;
  /** Called for every byte that counts: when, by which client, and whether it is a heartbeat. */
  readonly onArrival?: (machine: number, kind: ArrivalKind) => void;
}

/** What can arrive from a machine. */
export type ArrivalKind = "connect" | "beat" | "pong" | "close" | "bye";

/** The server and all that it believes. */
export class SimServer {
  readonly clock: SimClock;
  /** Counts its lives; a connection belongs to one. */
  run = 0;
  /** Heartbeats that were delivered to the watch. */
  beats = 0;
  readonly #options: SimServerOptions;
  readonly #agents: (SimConnection | undefined)[] = [];
  readonly #known = new Map<string, StoredClient>();
  #watch: Watch | undefined;

  /** A server that does not run yet. */
  constructor(options: SimServerOptions) {
    this.#options = options;
    this.clock = new SimClock(options.queue);
  }

  /** Whether its port is open. */
  get isRunning(): boolean {
    return this.#watch !== undefined;
  }

  /** What it believes; undefined while it does not run. */
  get watch(): Watch | undefined {
    return this.#watch;
  }

  /** Starts, with what was recorded. */
  start(): void {
    const { timing, onChange, onDoubt, onStart } = this.#options;
    onStart([...this.#known.values()]);
    const watch = new Watch({
      clock: this.clock,
      timing,
      onDoubt,
      onChange: (change) => {
        this.#note(change);
        onChange(change);
        const agent = this.#agents[Number(change.client.slice(1))];
        if (change.to === "SUSPECT" && agent !== undefined) this.#ping(agent);
      },
    });
    this.#watch = watch;
    const wall = this.clock.wall();
    for (const { client, state, cause, lastSeenAt, plannedUntil } of this.#known.values()) {
      const known: KnownPresence = {
        state,
        cause,
        silentForMs: Math.max(0, wall - lastSeenAt),
        plannedForMs: plannedUntil === undefined ? undefined : plannedUntil - wall,
        watched: state !== "PLANNED",
      };
      watch.restore(client, known);
    }
  }

  /** Ends; in an orderly way it says BYE, otherwise only its kernel closes the connections. */
  stop({ orderly }: { orderly: boolean }): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#options.onStop();
    this.run++;
    for (const agent of this.#agents) {
      if (agent === undefined) continue;
      const at = agent.down.send(this.#options.queue.time);
      agent.machine.closedByServer(agent, at, orderly);
    }
    this.#agents.length = 0;
  }

  /** A client has proved who it is. */
  accept(connection: SimConnection): void {
    if (this.#isLost(connection, () => this.accept(connection))) return;
    const { id, index } = connection.machine;
    this.#agents[index] = connection;
    this.#options.onArrival?.(index, "connect");
    this.#watch?.event(id, { kind: "connected", watched: true });
  }

  /** A HEARTBEAT has arrived: it is answered, and a PING goes with the answer. */
  beat(connection: SimConnection): void {
    if (this.#isLost(connection, () => this.beat(connection))) return;
    const { machine } = connection;
    if (this.#agents[machine.index] !== connection || this.#watch === undefined) return;
    this.beats++;
    this.#options.onArrival?.(machine.index, "beat");
    this.#watch.heard(machine.id);
    this.#ping(connection);
    this.#watch.event(machine.id, BEAT_EVENT);
  }

  /** A PONG has arrived; `ping` is when the PING was sent, by this clock. */
  pong(connection: SimConnection, ping: number): void {
    if (this.#isLost(connection, () => this.pong(connection, ping))) return;
    const { machine } = connection;
    if (this.#agents[machine.index] !== connection || this.#watch === undefined) return;
    this.#options.onArrival?.(machine.index, "pong");
    this.#watch.heard(machine.id);
    this.#watch.event(machine.id, { kind: "round_trip", ms: this.clock.now() - ping });
  }

  /** A connection has ended without BYE. */
  closed(connection: SimConnection): void {
    if (this.#isLost(connection, () => this.closed(connection))) return;
    this.#leave(connection, "close")?.event(connection.machine.id, { kind: "lost" });
  }

  /** A BYE has arrived, and the end of the connection with it. */
  bye(connection: SimConnection, cause: Cause, backInMs: number | undefined): void {
    if (this.#isLost(connection, () => this.bye(connection, cause, backInMs))) return;
    this.#leave(connection, "bye")?.event(connection.machine.id, { kind: "left", cause, backInMs });
  }

  #leave(connection: SimConnection, kind: "close" | "bye"): Watch | undefined {
    const { index } = connection.machine;
    if (this.#agents[index] !== connection) return undefined; // A newer one has taken its place.
    this.#agents[index] = undefined;
    this.#options.onArrival?.(index, kind);
    return this.#watch;
  }

  /** Whether something that has arrived is for nobody, or only later: `again` runs when the process does. */
  #isLost(connection: SimConnection, again: () => void): boolean {
    const { queue } = this.#options;
    if (connection.run !== this.run) return true;
    if (this.clock.stillUntil <= queue.time) return false;
    queue.at(this.clock.stillUntil, again);
    return true;
  }

  #ping(agent: SimConnection): void {
    const at = agent.down.send(this.#options.queue.time);
    agent.machine.hear(agent, at);
    agent.machine.pinged(agent, at, this.clock.now());
  }

  #note({ client, presence }: WatchedChange): void {
    const offset = this.clock.wall() - this.clock.now();
    const { lastHeard, plannedUntil } = presence;
    this.#known.set(client, {
      client,
      state: shownState(presence),
      cause: shownCause(presence),
      lastSeenAt: lastHeard + offset,
      plannedUntil: plannedUntil === undefined ? undefined : plannedUntil + offset,
    });
  }
}
