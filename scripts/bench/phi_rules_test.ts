import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Arrival } from "./alarm_rule.ts";
import { deviationsFor, PHI_AKKA, PHI_CASSANDRA } from "./phi_rules.ts";

const S = 1_000;

/** Beats at these gaps, from 0 on; then silence. */
function beats(gaps: number[], end: number) {
  let at = 0;
  const arrivals: Arrival[] = [{ at, kind: "beat" }];
  for (const gap of gaps) arrivals.push({ at: at += gap * S, kind: "beat" });
  return { last: at, trace: { ms: end * S, machines: [arrivals], stills: [] } };
}

const even = (count: number) => Array.from({ length: count }, () => 20);

Deno.test("phi reaches 8 at 5.2 deviations of a normal distribution, by the formula that Akka uses", () => {
  assertAlmostEquals(deviationsFor(8), 5.226, 0.001);
  assert(deviationsFor(1) < deviationsFor(2));
});

Deno.test("Akka's form alarms 3 s and 5.2 deviations after the usual gap, with at least 0.1 s of deviation", () => {
  const { last, trace } = beats(even(2_000), 60_000);
  const [alarm] = PHI_AKKA.alarms(trace);
  assertAlmostEquals((alarm?.from ?? 0) - last, 20 * S + 3 * S + 0.5226 * S, 1);
});

Deno.test("Akka's form knows little at first, so it waits longer", () => {
  const { last, trace } = beats([], 1_000);
  const [alarm] = PHI_AKKA.alarms(trace);
  // Two gaps of 15 and 25 s: 5 s of deviation.
  assertAlmostEquals((alarm?.from ?? 0) - last, 23 * S + 5.226 * 5 * S, 5);
});

Deno.test("Akka's form learns gaps that vary, and none that was an alarm", () => {
  const { last, trace } = beats(
    even(1_000).map((gap, at) => gap + (at % 2 === 0 ? 2 : -2)),
    40_000,
  );
  const [alarm] = PHI_AKKA.alarms(trace);
  assertAlmostEquals((alarm?.from ?? 0) - last, 23 * S + 5.226 * 2 * S, 50);
  const once = beats([...even(1_000), 300, ...even(1)], 40_000);
  const alarms = PHI_AKKA.alarms(once.trace);
  assertEquals(alarms.length, 2);
  assertAlmostEquals((alarms[1]?.from ?? 0) - once.last, 23.5 * S, 600);
});

Deno.test("Cassandra's form alarms after 18.4 usual gaps, and learns none above two intervals", () => {
  const { last, trace } = beats([...even(100), 300, ...even(10)], 40_000);
  const [alarm, ...more] = PHI_CASSANDRA.alarms(trace);
  assertEquals(more, []);
  assertAlmostEquals((alarm?.from ?? 0) - last, 8 * Math.LN10 * 20 * S, 1);
});
