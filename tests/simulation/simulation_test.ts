import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Breach, judge } from "./invariants.ts";
import { LINKS } from "./sim_network.ts";
import { runSeed, SeedTotal } from "./seed_result.ts";
import { play, type PlayOptions } from "./simulation.ts";
import { type ActKind, ACTS, type StoryOptions, tellStory } from "./story.ts";

const SMALL = { hours: 6, clients: 10 };

/** All seeds of a small world with some acts: what was breached, and how many acts there were. */
function playSome(
  kinds: readonly ActKind[],
  { seeds = 8, options = {}, ...story }:
    & { seeds?: number; options?: PlayOptions }
    & Partial<StoryOptions> = {},
) {
  const breaches: Breach[] = [];
  const told = { acts: 0, alerts: 0, doubts: 0 };
  let longestMs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const trace = play(tellStory({ ...SMALL, ...story, seed, kinds }), options);
    const verdict = judge(trace);
    breaches.push(...verdict.breaches);
    longestMs = Math.max(longestMs, ...verdict.detections.map(({ ms }) => ms));
    told.acts += trace.story.acts.length;
    told.alerts += trace.alerts.filter(({ kind }) => kind === "opened").length;
    told.doubts += trace.doubts.length;
  }
  return { breaches: breaches.map(({ text }) => text), longestMs, ...told };
}

const LAN = { links: [LINKS.lan] };

Deno.test("the same seed gives the same hash, and another one another", () => {
  const hash = (seed: number) => play(tellStory({ ...SMALL, seed })).hash;
  const [first, again, other] = [hash(1), hash(1), hash(2)];
  assertEquals(first, again);
  assertNotEquals(first, other);
});

Deno.test("the hash of many seeds does not depend on the order in which they were played", () => {
  const results = [1, 2, 3].map((seed) => runSeed(seed, { hours: 1, clients: 3 }));
  const total = (order: number[]) => {
    const sum = new SeedTotal();
    for (const at of order) sum.add(results[at] as typeof results[number]);
    return sum.hash();
  };
  assertEquals(total([0, 1, 2]), total([2, 0, 1]));
  assertNotEquals(total([0, 1]), total([0, 1, 2]));
});

Deno.test("a story holds acts of every kind, none before the end of what it would be taken for", () => {
  const kinds = new Set<ActKind>();
  for (let seed = 1; seed <= 20; seed++) {
    const { acts, ms } = tellStory({ seed });
    for (const [index, { kind, from, to }] of acts.entries()) {
      kinds.add(kind);
      const [least, most] = ACTS[kind].ms;
      assert(to - from >= least && to - from <= most && to < ms);
      assert(from > (acts[index - 1]?.to ?? 0));
    }
  }
  assertEquals([...kinds].sort(), Object.keys(ACTS).sort());
});

Deno.test("worlds with everything in them breach nothing", () => {
  for (let seed = 1; seed <= 3; seed++) {
    assertEquals(runSeed(seed, { hours: 12, clients: 20 }).breaches, []);
  }
});

Deno.test("gaps of the network of up to 25 s make nobody DOWN", () => {
  const { breaches, acts, alerts } = playSome(["gap", "gap of some", "gap of all"], {
    gapEveryMs: 600_000,
  });
  assertEquals([breaches, alerts], [[], 0]);
  assert(acts > 300, `${acts}`);
});

Deno.test("a pulled cable is told of within 51 s, and a killed process within 16 s", () => {
  const pulled = playSome(["pull", "power cut", "suspend"], { ...LAN, gapEveryMs: Infinity });
  assertEquals(pulled.breaches, []);
  assert(pulled.longestMs > 45_000 && pulled.longestMs <= 51_000, `${pulled.longestMs}`);
  const killed = playSome(["kill"], LAN);
  assertEquals(killed.breaches, []);
  assert(killed.longestMs >= 15_000 && killed.longestMs <= 16_000, `${killed.longestMs}`);
});

Deno.test("a switch that fails is one alert, and so is the server's uplink", () => {
  const { breaches, acts, alerts } = playSome(["switch", "uplink", "group"]);
  assertEquals(breaches, []);
  assertEquals(alerts, acts);
});

Deno.test("the server restarts or crashes with every client connected, and nothing is told (fault 27)", () => {
  const { breaches, acts, alerts } = playSome(["server restart", "server crash", "server away"]);
  assertEquals([breaches, alerts], [[], 0]);
  assert(acts > 100, `${acts}`);
});

Deno.test("the server's machine is paused, or its wall clock jumps, and nothing is told (fault 24)", () => {
  const kinds: ActKind[] = ["server stall", "server pause", "server sleep", "clock jump"];
  const { breaches, acts, alerts, doubts } = playSome(kinds, LAN);
  assertEquals([breaches, alerts], [[], 0]);
  assert(doubts >= acts, `${doubts} doubts in ${acts} acts`);
});

Deno.test("a client's machine is paused, or sleeps and has said so, and nothing is told (fault 24)", () => {
  const { breaches, acts, alerts } = playSome(["pause", "sleep"]);
  assertEquals([breaches, alerts], [[], 0]);
  assert(acts > 50, `${acts}`);
});

Deno.test("goodbyes, and reboots that end in time, are told of by nobody; one that does not is, in a second", () => {
  const planned = playSome(["reboot", "stop", "restart"]);
  assertEquals([planned.breaches, planned.alerts], [[], 0]);
  const overdue = playSome(["overdue"], LAN);
  assertEquals(overdue.breaches, []);
  assert(overdue.longestMs <= 1_000 && overdue.alerts > 0, `${overdue.longestMs}`);
});

Deno.test("a machine that comes and goes is one alert after its first outage", () => {
  const { breaches, acts, alerts } = playSome(["flapping"]);
  assertEquals(breaches, []);
  assertEquals(alerts, 2 * acts);
});

Deno.test("a machine that dies while the server is away is found out all the same", () => {
  const { breaches, acts, alerts } = playSome(["kill unseen"]);
  assertEquals(breaches, []);
  assertEquals(alerts, acts);
});
