/**
 * What happens to a simulated world, from a seed: which faults, when, to which machines, and what is to be told of each.
 *
 * Acts follow each other, so that each alert has one act to answer for it. The link of each machine has short gaps
 * at any other time.
 *
 * @module
 */

import { type LinkProfile, LINKS, type Span } from "./sim_network.ts";
import { SimRandom } from "./sim_random.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Longest gap of the network that nobody is to be woken for, in milliseconds. */
export const LONGEST_GAP_MS = 25 * SECOND;
/** Time after an act in which its consequences still come, in milliseconds: the longest reconnect and a few beats. */
export const SETTLE_MS = 150 * SECOND;
/** Time for which a machine that was DOWN is left alone, in milliseconds: a third change within 10 minutes is another act's. */
const CALM_MS = 13 * MINUTE;
/** Rest between acts, in milliseconds. */
const REST_MS = { from: 10 * SECOND, to: 6 * MINUTE };
/** Machines that fail when a switch does. */
const SWITCH_SHARE = 0.8;
/** Time that a reboot is announced to take, in milliseconds. */
export const BACK_IN_MS = 5 * MINUTE;

/** What is to be told of an act. */
export type Expected = "nothing" | "one alert" | "perhaps an alert";

/** Whom an act befalls. */
export type Scope = "one" | "some" | "group" | "switch" | "all" | "server";

/** What a kind of act is. */
export interface ActRule {
  readonly scope: Scope;
  readonly expected: Expected;
  /** Most alerts that it may be, where that is not one. */
  readonly most?: number;
  /** Shortest and longest time, in milliseconds. */
  readonly ms: readonly [number, number];
  /** How often it is chosen, against the others. */
  readonly weight: number;
}

/** All kinds of acts. */
export const ACTS = {
  /** The link is cut, for so long at most that TCP bridges it. */
  "gap": { scope: "one", expected: "nothing", ms: [1 * SECOND, LONGEST_GAP_MS], weight: 6 },
  "gap of some": {
    scope: "some",
    expected: "nothing",
    ms: [1 * SECOND, LONGEST_GAP_MS],
    weight: 4,
  },
  "gap of all": { scope: "all", expected: "nothing", ms: [1 * SECOND, LONGEST_GAP_MS], weight: 4 },
  /** Longer than that, and perhaps too short for an alert. */
  "grey gap": { scope: "one", expected: "perhaps an alert", ms: [26_000, 75_000], weight: 3 },
  /** The cable is pulled, and put back. */
  "pull": { scope: "one", expected: "one alert", ms: [90 * SECOND, 20 * MINUTE], weight: 6 },
  /** The process is killed, and started later by hand. */
  "kill": { scope: "one", expected: "one alert", ms: [30 * SECOND, 15 * MINUTE], weight: 6 },
  /** The process is killed, and started again by a service manager. */
  "restart": { scope: "one", expected: "nothing", ms: [200, 8 * SECOND], weight: 4 },
  "power cut": { scope: "one", expected: "one alert", ms: [90 * SECOND, 15 * MINUTE], weight: 4 },
  /** BYE with back_in, and back in time. */
  "reboot": { scope: "one", expected: "nothing", ms: [20 * SECOND, 240 * SECOND], weight: 4 },
  /** BYE with back_in, and back too late. */
  "overdue": { scope: "one", expected: "one alert", ms: [6 * MINUTE, 15 * MINUTE], weight: 3 },
  "stop": { scope: "one", expected: "nothing", ms: [1 * MINUTE, 30 * MINUTE], weight: 2 },
  /** Sleep that was announced. */
  "sleep": { scope: "one", expected: "nothing", ms: [1 * MINUTE, 60 * MINUTE], weight: 2 },
  /** The same without a word. */
  "suspend": { scope: "one", expected: "one alert", ms: [90 * SECOND, 30 * MINUTE], weight: 3 },
  "pause": { scope: "one", expected: "nothing", ms: [1 * SECOND, 25 * SECOND], weight: 4 },
  /** Killed and started again, over and over: one outage that is over, and one alert for all the others. */
  "flapping": {
    scope: "one",
    expected: "one alert",
    most: 2,
    ms: [9 * MINUTE, 18 * MINUTE],
    weight: 2,
  },
  /** Some machines lose their links together. */
  "group": { scope: "group", expected: "one alert", ms: [2 * MINUTE, 15 * MINUTE], weight: 3 },
  "switch": { scope: "switch", expected: "one alert", ms: [2 * MINUTE, 15 * MINUTE], weight: 4 },
  "uplink": { scope: "all", expected: "one alert", ms: [2 * MINUTE, 15 * MINUTE], weight: 4 },
  "server restart": { scope: "server", expected: "nothing", ms: [300, 90 * SECOND], weight: 5 },
  "server crash": { scope: "server", expected: "nothing", ms: [300, 90 * SECOND], weight: 5 },
  "server away": {
    scope: "server",
    expected: "nothing",
    ms: [2 * MINUTE, 30 * MINUTE],
    weight: 2,
  },
  /** The process stands still; its kernel takes bytes. */
  "server stall": { scope: "server", expected: "nothing", ms: [2_500, 120 * SECOND], weight: 5 },
  /** The machine stands still, and its monotonic clock shows it. */
  "server pause": { scope: "server", expected: "nothing", ms: [3_000, 10 * MINUTE], weight: 4 },
  /** The machine stands still, and its monotonic clock does not show it. */
  "server sleep": { scope: "server", expected: "nothing", ms: [6_000, 10 * MINUTE], weight: 4 },
  /** The wall clock jumps, and back at the end. */
  "clock jump": { scope: "server", expected: "nothing", ms: [1_000, 5 * MINUTE], weight: 2 },
  /** The server crashes, and a machine is killed before it is back. */
  "kill unseen": { scope: "one", expected: "one alert", ms: [2 * MINUTE, 10 * MINUTE], weight: 2 },
} as const satisfies Record<string, ActRule>;

/** A kind of act. */
export type ActKind = keyof typeof ACTS;

/** One thing that happens. */
export interface Act extends Span {
  readonly kind: ActKind;
  /** The machines that it befalls, in order; all of them for the server's own faults. */
  readonly machines: readonly number[];
}

/** All that happens in one world. */
export interface Story {
  readonly seed: number;
  /** How long the world lasts, in milliseconds. */
  readonly ms: number;
  /** One link for each machine. */
  readonly links: readonly LinkProfile[];
  /** In order; windows of acts that share machines do not overlap. */
  readonly acts: readonly Act[];
  /** Gaps of single links beside the acts, by machine. */
  readonly gaps: readonly (readonly Span[])[];
}

/** What a story is about. */
export interface StoryOptions {
  readonly seed: number;
  /** @default {24} */
  readonly hours?: number;
  /** @default {50} */
  readonly clients?: number;
  /** Which acts there are. @default {all} */
  readonly kinds?: readonly ActKind[];
  /** Links of which each machine gets one. @default {LAN 6, Wi-Fi 3, 4G 1 in 10} */
  readonly links?: readonly LinkProfile[];
  /** Mean time between two gaps of one link beside the acts, in milliseconds. @default {2 hours} */
  readonly gapEveryMs?: number;
}

const { lan, wifi, mobile } = LINKS;
const USUAL_LINKS: readonly LinkProfile[] = [
  ...Array.from({ length: 6 }, () => lan),
  ...Array.from({ length: 3 }, () => wifi),
  mobile,
];

/** The story of a seed. */
export function tellStory(options: StoryOptions): Story {
  const { seed, hours = 24, clients = 50, links = USUAL_LINKS, gapEveryMs = 2 * HOUR } = options;
  const random = new SimRandom(seed);
  const ms = hours * HOUR;
  const acts = tellActs(random, { ms, clients, kinds: options.kinds ?? ALL_KINDS });
  return {
    seed,
    ms,
    links: Array.from({ length: clients }, () => random.pick(links)),
    acts,
    gaps: Array.from(
      { length: clients },
      (_, machine) => tellGaps(random, { ms, gapEveryMs, acts, machine }),
    ),
  };
}

const ALL_KINDS = Object.keys(ACTS) as ActKind[];

function tellActs(
  random: SimRandom,
  { ms, clients, kinds }: { ms: number; clients: number; kinds: readonly ActKind[] },
): Act[] {
  const urn = kinds.flatMap((kind) => Array.from({ length: ACTS[kind].weight }, () => kind));
  const freeAt = new Array<number>(clients).fill(0);
  const acts: Act[] = [];
  let at = 3 * MINUTE;
  while (urn.length > 0) {
    const kind = random.pick(urn);
    const { scope, expected, ms: [least, most] } = ACTS[kind];
    const machines = befallen(random, { scope, clients });
    const from = machines.reduce((latest, machine) => Math.max(latest, freeAt[machine] ?? 0), at);
    const to = from + random.between(least, most);
    if (to + CALM_MS + SETTLE_MS > ms) break;
    acts.push({ kind, from, to, machines });
    const rest = expected === "nothing" ? SETTLE_MS : SETTLE_MS + CALM_MS;
    for (const machine of machines) freeAt[machine] = to + rest;
    at = to + SETTLE_MS + random.between(REST_MS.from, REST_MS.to);
  }
  return acts;
}

function befallen(
  random: SimRandom,
  { scope, clients }: { scope: Scope; clients: number },
): number[] {
  switch (scope) {
    case "one":
      return random.choose(1, clients);
    case "some":
    case "group":
      return random.choose(2 + random.below(Math.max(1, Math.floor(clients / 2) - 2)), clients);
    case "switch":
      return random.choose(Math.ceil(clients * SWITCH_SHARE), clients);
    case "all":
    case "server":
      return random.choose(clients, clients);
  }
}

/** Gaps of one link that touch no act of its machine, in order. */
export function tellGaps(
  random: SimRandom,
  { ms, gapEveryMs, acts, machine }: {
    ms: number;
    gapEveryMs: number;
    acts: readonly Act[];
    machine: number;
  },
): Span[] {
  const own = acts.filter(({ machines }) => machines.includes(machine));
  const gaps: Span[] = [];
  for (let at = random.exponential(gapEveryMs); at < ms; at += random.exponential(gapEveryMs)) {
    const from = Math.max(at, (gaps.at(-1)?.to ?? 0) + SETTLE_MS);
    const to = from + random.between(SECOND, LONGEST_GAP_MS);
    const isApart = own.every((act) => to + SETTLE_MS < act.from || from > act.to + SETTLE_MS);
    if (isApart) gaps.push({ from, to });
  }
  return gaps;
}
