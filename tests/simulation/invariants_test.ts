/**
 * Each invariant can fail: detectors that are broken on purpose are found out.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Timing, timingOf } from "../../server/presence.ts";
import { judge } from "./invariants.ts";
import type { AlertEvent } from "./sim_alerts.ts";
import { LINKS } from "./sim_network.ts";
import { play, type Trace } from "./simulation.ts";
import { type Act, type ActKind, tellStory } from "./story.ts";

const P = 20_000;

/** What is found in some small worlds with one kind of act and a server with these limits. */
function found(kinds: ActKind[], timing: Partial<Timing> = {}): string {
  const texts: string[] = [];
  for (let seed = 1; seed <= 4; seed++) {
    const story = tellStory({ seed, hours: 6, clients: 10, kinds, links: [LINKS.lan] });
    const trace = play(story, { timing: { ...timingOf(P), ...timing } });
    texts.push(...judge(trace).breaches.map(({ text }) => text));
  }
  return texts.join("\n");
}

/** A world of ten machines in which nothing was decided, with one act from 1000 s to 1500 s. */
function emptyTrace(kind: ActKind, alerts: AlertEvent[] = []): Trace {
  const act: Act = { kind, from: 1_000_000, to: 1_500_000, machines: [1, 2] };
  const story = {
    seed: 5,
    ms: 10_000_000,
    links: Array.from({ length: 10 }, () => LINKS.lan),
    acts: [act],
    gaps: [],
  };
  return { story, changes: [], alerts, doubts: [], hash: "", beats: 0, events: 0 };
}

const breachesOf = (trace: Trace) => judge(trace).breaches.map(({ text }) => text);
const alert = (kind: AlertEvent["kind"], at: number, machines: number[], id = 1): AlertEvent => ({
  kind,
  alert: id,
  cause: "silent",
  machines,
  isTold: true,
  at,
});

Deno.test("limits that are too short are found out by gaps: DOWN after 1.5 intervals, or 2.25", () => {
  for (const factor of [1.5, 2.25]) {
    const text = found(["gap", "gap of some"], { downMs: factor * P, suspectMs: 1.4 * P });
    assert(text.includes("false DOWN of machine"), `${factor}: ${text}`);
    assert(text.includes("false alert about"), `${factor}`);
  }
});

Deno.test("a server that gives nobody time to come back is found out by a restart, a crash and a stall", () => {
  for (const kind of ["server restart", "server crash", "server stall"] as const) {
    const text = found([kind], { comeBackMs: 0 });
    assert(text.includes(`${kind} of 10`) && text.includes("alerts instead of 0"), text);
  }
});

Deno.test("limits that are too long are found out by a pulled cable and by a killed process", () => {
  assert(/pull of 1 .* was told of after 5\d\.\d+ s/.test(found(["pull"], { downMs: 55_000 })));
  assert(/kill of 1 .* was told of after 20\.\d+ s/.test(found(["kill"], { lostMs: P })));
});

Deno.test("a server that never minds flapping is found out", () => {
  assert(/flapping of 1 .*: \d+ alerts instead of 2/.test(found(["flapping"], { flapMs: 1 })));
});

Deno.test("an act of which nothing is told is found out, and so is a machine that no alert names", () => {
  assertEquals(breachesOf(emptyTrace("group")), [
    "group of 2 from 1000.000 s to 1500.000 s: no alert",
    "group of 2 from 1000.000 s to 1500.000 s: no alert names machine 1",
    "group of 2 from 1000.000 s to 1500.000 s: no alert names machine 2",
  ]);
  const half = emptyTrace("group", [
    alert("opened", 1_040_000, [1]),
    alert("resolved", 1_600_000, [1]),
  ]);
  assertEquals(breachesOf(half), [
    "group of 2 from 1000.000 s to 1500.000 s: no alert names machine 2",
  ]);
});

Deno.test("machines that fail together and are two alerts are found out", () => {
  const trace = emptyTrace("switch", [
    alert("opened", 1_040_000, [1]),
    alert("opened", 1_041_000, [2], 2),
    alert("resolved", 1_600_000, [1]),
    alert("resolved", 1_600_000, [2], 2),
  ]);
  assertEquals(breachesOf(trace), [
    "switch of 2 from 1000.000 s to 1500.000 s: 2 alerts instead of 1",
  ]);
});

Deno.test("an alert that never ends is found out", () => {
  const trace = emptyTrace("group", [alert("opened", 1_040_000, [1, 2])]);
  assertEquals(breachesOf(trace), ["alert 1 about 1,2 never ends"]);
  const late = emptyTrace("group", [
    alert("opened", 1_040_000, [1, 2]),
    alert("resolved", 1_600_000, [1, 2]),
  ]);
  assertEquals(breachesOf(late), []);
});

Deno.test("an alert about machines that were there is found out, with the seed", () => {
  const trace = emptyTrace("gap", [
    alert("opened", 5_000_000, [7]),
    alert("resolved", 5_100_000, [7]),
  ]);
  const [breach] = judge(trace).breaches;
  assertEquals(breach?.seed, 5);
  assertEquals(
    breach?.text,
    "false alert about 7 (silent) at 5000.000 s; before it gap from 1000.000 s to 1500.000 s",
  );
});
