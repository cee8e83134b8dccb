/**
 * `deno task bench alarms`: plays hbserver's decisions and the rules of other programs over the same simulated days.
 * Writes `bench-alarms.json`, a document with a table, and a plot.
 *
 * @module
 */

import { join } from "node:path";
import { play } from "../../tests/simulation/simulation.ts";
import { type AlarmScenario, MACHINES, SCENARIOS } from "../../tests/simulation/alarm_scenario.ts";
import { ACTS, SETTLE_MS, type Story } from "../../tests/simulation/story.ts";
import type { AlarmRule, Arrival, ArrivalTrace } from "./alarm_rule.ts";
import { type AlarmNotice, type AlarmScore, AlarmTally, type JudgedWorld } from "./alarm_score.ts";
import { ALARMS_USAGE, type AlarmsOptions, parseAlarmsOptions } from "./alarms_options.ts";
import { alarmsSvg } from "./alarms_plot.ts";
import {
  alarmsDocument,
  type AlarmsReport,
  alarmsTable,
  type ComparedRule,
  OWN_NAME,
} from "./alarms_report.ts";
import { type BenchOutcome, runBench, talk } from "./bench_run.ts";
import { PHI_AKKA, PHI_CASSANDRA } from "./phi_rules.ts";
import { MEMBERLIST } from "./suspicion_rule.ts";
import { BESZEL, HEALTHCHECKS, MQTT, UPTIME_KUMA } from "./timeout_rules.ts";

/** The rules of others. */
export const RULES: readonly AlarmRule[] = [
  UPTIME_KUMA,
  MQTT,
  BESZEL,
  HEALTHCHECKS,
  MEMBERLIST,
  PHI_AKKA,
  PHI_CASSANDRA,
];

const OWN = {
  name: OWN_NAME,
  about:
    "the product's presence, self-doubt and alerts: DOWN after 50 s of silence (60 s above 35 ms " +
    "of round trip) or 15 s after a close; machines that fail together are one alert",
  source: "server/watch.ts, server/alert/alert_book.ts",
};

/** Plays one story: what hbserver tells, and what arrived there. */
export function listen(story: Story): { notices: AlarmNotice[]; arrivals: ArrivalTrace } {
  const machines: Arrival[][] = story.links.map(() => []);
  const trace = play(story, {
    onArrival: (machine, kind, at) => machines[machine]?.push({ at, kind }),
  });
  const notices = trace.alerts.filter(({ kind, isTold }) => isTold && kind !== "resolved");
  const stills = story.acts.filter(({ kind }) =>
    kind === "server pause" || kind === "server sleep"
  );
  return { notices, arrivals: { ms: story.ms, machines, stills } };
}

/** A story as the score sees it. */
export function judgedWorld({ ms, links, acts }: Story): JudgedWorld {
  const faults = acts.filter(({ kind }) => ACTS[kind].expected === "one alert")
    .map(({ kind, from, to, machines }) => ({
      ...{ from, to: to + SETTLE_MS, machines },
      isClosed: kind === "kill",
    }));
  return { ms, machines: links.length, faults };
}

/** Scores all detectors in one scenario, by their names. */
export function scoreScenario(
  scenario: AlarmScenario,
  { seeds, stopping }: { seeds: number; stopping: AbortSignal },
): Map<string, AlarmScore> {
  const tallies = new Map([OWN, ...RULES].map(({ name }) => [name, new AlarmTally()]));
  for (let seed = 1; seed <= seeds; seed++) {
    stopping.throwIfAborted();
    const story = scenario.story(seed);
    const { notices, arrivals } = listen(story);
    const world = judgedWorld(story);
    tallies.get(OWN_NAME)?.add(world, notices);
    for (const { name, alarms } of RULES) {
      const own = alarms(arrivals).map(({ from, machine }) => ({ at: from, machines: [machine] }));
      tallies.get(name)?.add(world, own.toSorted((a, b) => a.at - b.at));
    }
  }
  return new Map([...tallies].map(([name, tally]) => [name, tally.score()]));
}

/** Scores everything. */
export async function compareAlarms(
  { quick, seeds }: Pick<AlarmsOptions, "quick" | "seeds">,
  stopping: AbortSignal,
): Promise<AlarmsReport> {
  const scores = new Map<string, Map<string, AlarmScore>>();
  for (const scenario of SCENARIOS) {
    talk(`${scenario.title}: ${seeds} days`);
    await Promise.resolve(); // A signal is seen between two scenarios.
    scores.set(scenario.name, scoreScenario(scenario, { seeds, stopping }));
  }
  const rules = [OWN, ...RULES].map(({ name, about, source }): ComparedRule => ({
    ...{ name, about, source },
    scores: Object.fromEntries(
      SCENARIOS.map((scenario) => [scenario.name, scores.get(scenario.name)?.get(name)]),
    ) as ComparedRule["scores"],
  }));
  const scenarios = SCENARIOS.map(({ name, title, about }) => ({ name, title, about }));
  return { quick, seeds, machines: MACHINES, scenarios, rules };
}

async function measure(options: AlarmsOptions, stopping: AbortSignal): Promise<BenchOutcome> {
  const report = await compareAlarms(options, stopping);
  await Deno.mkdir(options.out, { recursive: true });
  await Deno.writeTextFile(join(options.out, "bench-alarms.md"), alarmsDocument(report));
  await Deno.writeTextFile(join(options.out, "bench-alarms.svg"), alarmsSvg(report));
  return { text: alarmsTable(report), json: report, isWhole: true };
}

if (import.meta.main) {
  const code = await runBench({
    name: "alarms",
    usage: ALARMS_USAGE,
    parse: parseAlarmsOptions,
    measure,
  }, Deno.args);
  Deno.exit(code);
}
