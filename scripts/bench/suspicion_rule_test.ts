import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Arrival } from "./alarm_rule.ts";
import { MEMBERLIST, suspicionMs } from "./suspicion_rule.ts";

const S = 1_000;
const beat = (second: number): Arrival => ({ at: second * S, kind: "beat" });

function play(machines: Arrival[][], seconds = 1_000) {
  const alarms = MEMBERLIST.alarms({ ms: seconds * S, machines, stills: [] });
  return alarms.map(({ machine, from, to }) => [machine, from / S, to / S]);
}

Deno.test("a suspicion lasts longer among more members", () => {
  assertEquals([1, 10].map(suspicionMs), [30 * S, 30 * S]);
  assertAlmostEquals(suspicionMs(50), 50_970, 1);
});

Deno.test("a machine is suspect 23 s after its last beat, and gone after 30 s more", () => {
  assertEquals(play([[beat(0), beat(20), beat(200)]], 210), [[0, 73, 200]]);
});

Deno.test("a beat refutes a suspicion, and whoever has left is not missed", () => {
  assertEquals(play([[beat(0), beat(52), { at: 60 * S, kind: "bye" }]]), []);
  assertEquals(play([[]]), []);
});

Deno.test("an observer whose probes fail together waits longer for the next beat", () => {
  const steady = (to: number) => Array.from({ length: to / 20 + 1 }, (_, at) => beat(at * 20));
  // Three machines fall silent at 20 s; the fourth beats at 40 s and is then judged with a health of 4.
  const alarms = play([steady(20), steady(20), steady(20), [beat(0), beat(20), beat(43.5)]], 150);
  const [, , , fourth] = alarms;
  assertEquals(alarms.slice(0, 3).map(([, from]) => from), [73, 73, 73]);
  // 43.5 + 20 + 3 x (1 + 4), less the point that its own beat at 43.5 s did not win: it had been suspect.
  assertEquals(fourth, [3, 43.5 + 20 + 15 + 30, 150]);
});
