/**
 * The worlds in which detectors of absence are compared: stories for the simulation of `tests/simulation/`, with faults
 * that last long enough for the slowest rule to notice.
 *
 * @module
 */

import type { AlarmWorldKind } from "../../scripts/bench/alarms_report.ts";
import { type LinkProfile, LINKS } from "./sim_network.ts";
import { SimRandom } from "./sim_random.ts";
import { type Act, type ActKind, type Story, tellGaps } from "./story.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** How long each world lasts, in milliseconds. */
export const WORLD_MS = 24 * HOUR;
/** Machines in each world. */
export const MACHINES = 50;
/** Machines behind the switch that fails. */
export const BEHIND_SWITCH = 40;
/** Faults that are to be found, one after the other. */
const FAULTS: readonly ActKind[] = ["pull", "kill", "power cut"];
const FAULT_MS = [8 * MINUTE, 15 * MINUTE] as const;
const REST_MS = [5 * MINUTE, 10 * MINUTE] as const;

/** One kind of world. */
export interface AlarmScenario extends AlarmWorldKind {
  /** The story of a seed. */
  readonly story: (seed: number) => Story;
}

/** A LAN whose delays vary more than they should. */
const JITTERY_LAN: LinkProfile = { ...LINKS.lan, jitterMs: 5 };

/** All kinds of worlds. */
export const SCENARIOS: readonly AlarmScenario[] = [
  {
    name: "lan",
    title: "LAN",
    about: "delay 0.3 ms and 5 ms of jitter, one loss in 100,000, a gap of 1 to 25 s every 7 days",
    story: (seed) => faultyStory(seed, { link: JITTERY_LAN, gapEveryMs: 7 * 24 * HOUR }),
  },
  {
    name: "wifi",
    title: "Wi-Fi",
    about: "delay 2 ms and 6 ms of jitter, one loss in 200, a gap of 1 to 25 s every 4 hours",
    story: (seed) => faultyStory(seed, { link: LINKS.wifi, gapEveryMs: 4 * HOUR }),
  },
  {
    name: "mobile",
    title: "4G",
    about: "delay 28 ms and 15 ms of jitter, one loss in 100, a gap of 1 to 25 s every 30 minutes",
    story: (seed) => faultyStory(seed, { link: LINKS.mobile, gapEveryMs: HOUR / 2 }),
  },
  {
    name: "night",
    title: "VM pauses",
    about: "each night the server's machine stands still once for 10 to 60 s, and each client's " +
      "for 2 to 25 s",
    story: nightStory,
  },
  {
    name: "switch",
    title: "switch failure",
    about: `a switch with ${BEHIND_SWITCH} of ${MACHINES} machines fails for 8 to 15 minutes`,
    story: switchStory,
  },
  {
    name: "reboots",
    title: "rolling reboots",
    about: "each machine says BYE, reboots for 1 to 3 minutes, and is back",
    story: rebootStory,
  },
];

function faultyStory(
  seed: number,
  { link, gapEveryMs }: { link: LinkProfile; gapEveryMs: number },
): Story {
  const random = new SimRandom(seed, 1_000);
  const acts: Act[] = [];
  let at = 10 * MINUTE;
  while (true) {
    const to = at + random.between(...FAULT_MS);
    if (to + 5 * MINUTE > WORLD_MS) break;
    acts.push({ kind: random.pick(FAULTS), from: at, to, machines: [random.below(MACHINES)] });
    at = to + random.between(...REST_MS);
  }
  const gaps = Array.from(
    { length: MACHINES },
    (_, machine) => tellGaps(random, { ms: WORLD_MS, gapEveryMs, acts, machine }),
  );
  return { ...world(seed, link, acts), gaps };
}

function nightStory(seed: number): Story {
  const random = new SimRandom(seed, 1_000);
  const night = 12 * HOUR;
  const server: Act = {
    kind: random.next() < 0.5 ? "server pause" : "server sleep",
    from: night,
    to: night + random.between(10 * SECOND, 60 * SECOND),
    machines: Array.from({ length: MACHINES }, (_, machine) => machine),
  };
  const clients = server.machines.map((machine): Act => {
    const from = night + HOUR + machine * 3 * MINUTE;
    const to = from + random.between(2 * SECOND, 25 * SECOND);
    return { kind: "pause", from, to, machines: [machine] };
  });
  return world(seed, JITTERY_LAN, [server, ...clients]);
}

function switchStory(seed: number): Story {
  const random = new SimRandom(seed, 1_000);
  const acts: Act[] = [];
  for (let from = HOUR; from + HOUR < WORLD_MS; from += HOUR) {
    const to = from + random.between(...FAULT_MS);
    acts.push({ kind: "switch", from, to, machines: random.choose(BEHIND_SWITCH, MACHINES) });
  }
  return world(seed, JITTERY_LAN, acts);
}

function rebootStory(seed: number): Story {
  const random = new SimRandom(seed, 1_000);
  const acts = Array.from({ length: MACHINES }, (_, machine): Act => {
    const from = HOUR + machine * 20 * MINUTE + random.between(0, 5 * MINUTE);
    const to = from + random.between(MINUTE, 3 * MINUTE);
    return { kind: "reboot", from, to, machines: [machine] };
  });
  return world(seed, JITTERY_LAN, acts);
}

function world(seed: number, link: LinkProfile, acts: readonly Act[]): Story {
  return {
    seed,
    ms: WORLD_MS,
    links: Array.from({ length: MACHINES }, () => link),
    acts,
    gaps: [],
  };
}
