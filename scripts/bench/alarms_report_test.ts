import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SCENARIOS, WORLD_MS } from "../../tests/simulation/alarm_scenario.ts";
import type { AlarmScore, DetectionSummary } from "./alarm_score.ts";
import { listen, RULES } from "./alarms_bench.ts";
import { alarmsSvg } from "./alarms_plot.ts";
import {
  alarmsDocument,
  type AlarmsReport,
  alarmsTable,
  type ComparedRule,
  overall,
} from "./alarms_report.ts";

const times = (mean: number, missed = 0, faults = 10): DetectionSummary => ({
  faults,
  missed,
  meanSeconds: mean,
  p99Seconds: mean + 1,
  maxSeconds: mean + 2,
});

function rule(name: string, silent: DetectionSummary | undefined, rate: number): ComparedRule {
  const score: AlarmScore = {
    silent,
    killed: silent,
    falseAlarms: 10,
    falseAlarmsPerMachineMonth: rate,
    noticesPerFault: 1,
  };
  const scores = { lan: score, wifi: score, mobile: score, night: score, switch: score };
  return { name, about: "waits", source: "a <file>", scores: { ...scores, reboots: score } };
}

const REPORT: AlarmsReport = {
  quick: false,
  seeds: 2,
  machines: 50,
  scenarios: SCENARIOS,
  rules: [rule("hbserver", times(40), 0), rule("a & <b>", times(10, 1), 866), {
    ...rule("never", times(NaN, 10), 0),
  }],
};

Deno.test("overall() weighs means by what was found, and takes the worst of the rest", () => {
  const { scores, ...about } = rule("x", times(40), 4);
  const wifi = { ...scores.wifi, silent: times(10, 5), falseAlarmsPerMachineMonth: 0 };
  const mobile = { ...scores.mobile, silent: times(0, 10) };
  const { silent, falseAlarmsPerMachineMonth } = overall({
    ...about,
    scores: { ...scores, wifi, mobile },
  });
  assertEquals(silent, {
    faults: 30,
    missed: 15,
    meanSeconds: 30,
    p99Seconds: 41,
    maxSeconds: 42,
  });
  assertEquals(falseAlarmsPerMachineMonth, 3);
});

Deno.test("alarmsTable() has a row for each rule, and says what was missed", () => {
  const [, , own, other, never] = alarmsTable(REPORT).split("\n");
  assertEquals(
    own,
    "| **hbserver** | 40.0, 41.0, 42.0 | 40.0, 41.0, 42.0 | 0 | 0 | 0 | 0 | 1.0 | 0.1 |",
  );
  assertStringIncludes(other ?? "", "| 10.0, 11.0, 12.0 (3 missed) |");
  assertStringIncludes(other ?? "", "| 866 | 866 | 866 | 866 |");
  assertStringIncludes(never ?? "", "| never | never | 0 |");
});

Deno.test("alarmsDocument() names every rule's source and every world", () => {
  const text = alarmsDocument(REPORT);
  for (const { title } of SCENARIOS) assertStringIncludes(text, `**${title}**`);
  assertStringIncludes(text, "Source: a <file>.");
  assertEquals(text.includes("--quick"), false);
  assertStringIncludes(alarmsDocument({ ...REPORT, quick: true }), "Size of --quick");
});

Deno.test("alarmsSvg() draws a dot for each rule that finds anything, and is well-formed", () => {
  const svg = alarmsSvg(REPORT);
  assertEquals(svg.match(/<circle/g)?.length, 2);
  assertStringIncludes(svg, "a &amp; &lt;b>");
  assertEquals(/NaN|Infinity|undefined/.test(svg), false);
  assertStringIncludes(svg, "prefers-color-scheme: dark");
});

Deno.test("every scenario's world is a day long, and has what its name says", () => {
  for (const { name, story } of SCENARIOS) {
    const { ms, acts } = story(1);
    assertEquals(ms, WORLD_MS);
    assert(acts.length > 20, `${name}: ${acts.length} acts`);
    assert(acts.every(({ from, to }) => from < to && to < ms), name);
  }
});

Deno.test("what arrives in a world is what the rules are played over: in order, for every machine", () => {
  const [night] = SCENARIOS.filter(({ name }) => name === "night").map(({ story }) => story(1));
  if (night === undefined) throw new Error("there is no night");
  const story = { ...night, ms: 13.2 * 3_600_000 };
  const { arrivals, notices } = listen(story);
  assertEquals(notices, []);
  assertEquals(arrivals.stills.length, 1);
  for (const machine of arrivals.machines) {
    assert(machine.length > 2_000);
    assert(machine.every(({ at }, index) => at >= (machine[index - 1]?.at ?? 0)));
  }
  // The night's pauses alarm those that wait for 21 s, and nobody who waits for two minutes.
  const alarms = new Map(RULES.map((rule) => [rule.name, rule.alarms(arrivals).length]));
  assert((alarms.get("Uptime Kuma push") ?? 0) >= 25, `${alarms.get("Uptime Kuma push")}`);
  assertEquals(alarms.get("Healthchecks"), 0);
});
