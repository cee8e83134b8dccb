/**
 * Plays one story: builds the world, lets everything happen to it, and returns what was decided in it.
 *
 * @module
 */

import { HEARTBEAT_INTERVAL_MS } from "../../protocol/mod.ts";
import { type PresenceState, type Timing, timingOf } from "../../server/presence.ts";
import type { WatchedChange } from "../../server/watch.ts";
import { EventQueue } from "./event_queue.ts";
import { type AlertEvent, SimAlerts } from "./sim_alerts.ts";
import { SimMachine } from "./sim_machine.ts";
import { type Path, type Span, Spans } from "./sim_network.ts";
import { SimRandom } from "./sim_random.ts";
import { type ArrivalKind, SimServer } from "./sim_server.ts";
import { type Act, BACK_IN_MS, type Story } from "./story.ts";
import { TraceHash } from "./trace_hash.ts";

/** One change of state in a world. */
export interface TracedChange {
  /** In the world's time, in milliseconds. */
  readonly at: number;
  readonly machine: number;
  readonly from: PresenceState | undefined;
  readonly to: PresenceState;
  readonly cause: string | undefined;
}

/** All that was decided in a world. */
export interface Trace {
  readonly story: Story;
  /** Changes to and from DOWN, PLANNED and FLAPPING; all others are only in the hash. */
  readonly changes: readonly TracedChange[];
  readonly alerts: readonly AlertEvent[];
  /** Reasons why the server doubted itself, with the moments. */
  readonly doubts: readonly { readonly at: number; readonly reason: string }[];
  /** Over all changes of state and all alerts. */
  readonly hash: string;
  /** Heartbeats that the product's watch was told of. */
  readonly beats: number;
  /** Events of the world. */
  readonly events: number;
}

/** How a story is played. */
export interface PlayOptions {
  /** The server's limits. @default {those of the product at its usual interval} */
  readonly timing?: Timing;
  /** Called for whatever arrives at the server and counts there. */
  readonly onArrival?: (machine: number, kind: ArrivalKind, at: number) => void;
}

/** Plays a story to its end. */
export function play(story: Story, options: PlayOptions = {}): Trace {
  const world = new World(story, options);
  world.run();
  return world.trace();
}

class World {
  readonly #story: Story;
  readonly #queue = new EventQueue();
  readonly #random: SimRandom;
  readonly #server: SimServer;
  readonly #machines: SimMachine[];
  readonly #hash = new TraceHash();
  readonly #changes: TracedChange[] = [];
  readonly #alerts: AlertEvent[] = [];
  readonly #doubts: { at: number; reason: string }[] = [];
  readonly #decisions: SimAlerts;

  constructor(story: Story, { timing, onArrival }: PlayOptions) {
    const queue = this.#queue;
    this.#story = story;
    this.#random = new SimRandom(story.seed, 1);
    const usual = timingOf(HEARTBEAT_INTERVAL_MS);
    const limits = timing ?? usual;
    this.#server = new SimServer({
      queue,
      timing: limits,
      onStop: () => this.#decisions.stopped(),
      onStart: (clients) => this.#decisions.started(clients),
      onChange: (change) => this.#onChange(change),
      onDoubt: (reason) => this.#doubts.push({ at: queue.time, reason }),
      ...(onArrival === undefined
        ? {}
        : { onArrival: (machine, kind) => onArrival(machine, kind, queue.time) }),
    });
    this.#decisions = new SimAlerts({
      clock: this.#server.clock,
      timing: limits,
      now: () => queue.time,
      onEvent: (event) => this.#onAlert(event),
      forgive: (client) => this.#server.watch?.event(client, { kind: "forgiven" }),
    });
    this.#machines = story.links.map((profile, index) => {
      const random = new SimRandom(story.seed, 2 + index);
      const stills = new Spans(stillsOf(story, index));
      const cuts = cutsOf(story, index);
      const path = (spans: readonly Span[], own: Spans): Path => ({
        profile,
        random,
        cuts: new Spans(spans),
        stills: own,
      });
      return new SimMachine({
        index,
        queue,
        server: this.#server,
        random,
        up: path(cuts, stills),
        // A machine that stands still takes nothing, so the server's kernel sends again.
        down: path([...cuts, ...stillsOf(story, index)], new Spans([])),
        intervalMs: usual.intervalMs,
      });
    });
  }

  run(): void {
    const { acts, ms } = this.#story;
    this.#server.start();
    for (const machine of this.#machines) {
      this.#queue.at(this.#random.between(0, 20_000), () => machine.start());
    }
    for (const act of acts) this.#stage(act);
    this.#queue.run(ms);
  }

  trace(): Trace {
    return {
      story: this.#story,
      changes: this.#changes,
      alerts: this.#alerts,
      doubts: this.#doubts,
      hash: this.#hash.toString(),
      beats: this.#server.beats,
      events: this.#queue.fired,
    };
  }

  /** Cuts of links are known to the network already; all else is staged here. */
  #stage(act: Act): void {
    if (ACTS_OF_SERVER[act.kind] !== undefined) return this.#stageServer(act);
    for (const index of act.machines) {
      const machine = this.#machines[index];
      if (machine !== undefined) this.#stageMachine(act, machine);
    }
  }

  #stageMachine(act: Act, machine: SimMachine): void {
    const { kind, from, to } = act;
    const queue = this.#queue;
    const away = (leave: () => void) => {
      queue.at(from, leave);
      queue.at(to, () => machine.start());
    };
    switch (kind) {
      case "kill":
      case "restart":
        return away(() => machine.kill());
      case "power cut":
        return away(() => machine.powerOff());
      case "reboot":
      case "overdue":
        return away(() => machine.leave("said bye: reboot", BACK_IN_MS));
      case "stop":
        return away(() => machine.leave("said bye: stop", undefined));
      case "sleep":
        return away(() => machine.leave("said bye: sleep", undefined));
      case "pause":
      case "suspend":
        return queue.at(from, () => machine.standStill(to));
      case "flapping":
        return this.#stageFlapping(act, machine);
      case "kill unseen":
        queue.at(from - 1_000, () => this.#server.stop({ orderly: false }));
        away(() => machine.kill());
        return queue.at(from + 5_000, () => this.#server.start());
      default:
    }
  }

  #stageFlapping({ from, to }: Span, machine: SimMachine): void {
    for (let at = from; at < to;) {
      const down = this.#random.between(25_000, 40_000);
      this.#queue.at(at, () => machine.kill());
      this.#queue.at(at + down, () => machine.start());
      at += down + this.#random.between(60_000, 90_000);
    }
  }

  #stageServer({ kind, from, to }: Act): void {
    const server = this.#server;
    const queue = this.#queue;
    const orderly = kind === "server restart";
    switch (ACTS_OF_SERVER[kind]) {
      case "stop":
        queue.at(from, () => server.stop({ orderly }));
        return queue.at(to, () => server.start());
      case "stall":
        return queue.at(from, () => server.clock.stall(to - from));
      case "pause":
        return queue.at(from, () => server.clock.pause(to - from));
      case "jump": {
        const by = (this.#random.next() < 0.5 ? -1 : 1) * this.#random.between(6_000, 3_600_000);
        queue.at(from, () => server.clock.jumpWall(by));
        return queue.at(to, () => server.clock.jumpWall(-by));
      }
      default:
    }
  }

  #onChange(change: WatchedChange): void {
    const { client, from, to, cause } = change;
    const machine = Number(client.slice(1));
    const at = this.#queue.time;
    this.#hash.addTime(at);
    this.#hash.add(machine);
    this.#hash.addText(to);
    this.#hash.addText(cause ?? "");
    if (isNoted(to) || isNoted(from)) this.#changes.push({ at, machine, from, to, cause });
    this.#decisions.changed(change);
  }

  #onAlert(event: AlertEvent): void {
    this.#alerts.push(event);
    this.#hash.addTime(event.at);
    this.#hash.addText(`${event.kind} ${event.alert} ${event.cause}`);
    for (const machine of event.machines) this.#hash.add(machine);
  }
}

/** What each act of the server's own does to it. */
const ACTS_OF_SERVER: Partial<Record<Act["kind"], "stop" | "stall" | "pause" | "jump">> = {
  "server restart": "stop",
  "server crash": "stop",
  "server away": "stop",
  "server stall": "stall",
  "server pause": "stall",
  "server sleep": "pause",
  "clock jump": "jump",
};
const CUTS: readonly Act["kind"][] = [
  "gap",
  "gap of some",
  "gap of all",
  "grey gap",
  "pull",
  "group",
  "switch",
  "uplink",
  "server pause",
  "server sleep",
];
const STILLS: readonly Act["kind"][] = ["pause", "suspend"];

function isNoted(state: PresenceState | undefined): boolean {
  return state === "DOWN" || state === "PLANNED" || state === "FLAPPING";
}

function cutsOf({ acts, gaps }: Story, machine: number): Span[] {
  const own = acts.filter(({ kind, machines }) =>
    CUTS.includes(kind) && machines.includes(machine)
  );
  return [...own, ...gaps[machine] ?? []];
}

function stillsOf({ acts }: Story, machine: number): Span[] {
  return acts.filter(({ kind, machines }) => STILLS.includes(kind) && machines.includes(machine));
}
