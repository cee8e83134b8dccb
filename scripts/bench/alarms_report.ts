/**
 * What the benchmark of alarms came to: values, and a table for people. Nothing here plays anything.
 *
 * @module
 */

import type { AlarmScore, DetectionSummary } from "./alarm_score.ts";

/** The name under which hbserver stands beside the rules of others. */
export const OWN_NAME = "hbserver";

/** A kind of world. */
export interface AlarmWorldKind {
  /** As a key. */
  readonly name: "lan" | "wifi" | "mobile" | "night" | "switch" | "reboots";
  readonly title: string;
  /** What happens in it, for people. */
  readonly about: string;
}

/** One detector. */
export interface ComparedRule {
  readonly name: string;
  readonly about: string;
  readonly source: string;
  /** By scenario. */
  readonly scores: Readonly<Record<AlarmWorldKind["name"], AlarmScore>>;
}

/** Everything that a run came to. */
export interface AlarmsReport {
  /** Whether this only shows that the benchmark works. */
  readonly quick: boolean;
  /** Days of each scenario. */
  readonly seeds: number;
  readonly machines: number;
  readonly scenarios: readonly AlarmWorldKind[];
  readonly rules: readonly ComparedRule[];
}

/** The scenarios in which machines fail one by one beside the noise of their network. */
const NETWORKS = ["lan", "wifi", "mobile"] as const;
/** All in which nobody is to be woken but for a fault, and whose faults come as often as in life. */
const NOISES = [...NETWORKS, "night"] as const;

/** What a rule comes to over several scenarios. */
export interface Overall {
  readonly silent: DetectionSummary | undefined;
  readonly killed: DetectionSummary | undefined;
  /** Mean over LAN, Wi-Fi, 4G and nights with pauses. */
  readonly falseAlarmsPerMachineMonth: number;
}

/** One rule over the networks. */
export function overall({ scores }: ComparedRule): Overall {
  const joined = (sort: "silent" | "killed") =>
    joinDetections(NETWORKS.flatMap((name) => scores[name][sort] ?? []));
  const rates = NOISES.map((name) => scores[name].falseAlarmsPerMachineMonth);
  return {
    silent: joined("silent"),
    killed: joined("killed"),
    falseAlarmsPerMachineMonth: rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
  };
}

/** Means weighted by what was found; of the percentiles the highest, since the times themselves are gone. */
function joinDetections(parts: readonly DetectionSummary[]): DetectionSummary | undefined {
  if (parts.length === 0) return undefined;
  const found = (part: DetectionSummary) => part.faults - part.missed;
  const total = parts.reduce((sum, part) => sum + found(part), 0);
  const seen = parts.filter((part) => found(part) > 0);
  return {
    faults: parts.reduce((sum, { faults }) => sum + faults, 0),
    missed: parts.reduce((sum, { missed }) => sum + missed, 0),
    meanSeconds: seen.reduce((sum, part) => sum + part.meanSeconds * found(part), 0) / total,
    p99Seconds: Math.max(...seen.map(({ p99Seconds }) => p99Seconds)),
    maxSeconds: Math.max(...seen.map(({ maxSeconds }) => maxSeconds)),
  };
}

/** The table of the README, as Markdown. */
export function alarmsTable(report: AlarmsReport): string {
  const head = [
    "",
    "silent: mean, p99, max",
    "killed: mean, p99, max",
    "false: LAN",
    "Wi-Fi",
    "4G",
    "VM pauses",
    "notices per switch failure",
    "per planned reboot",
  ];
  const rows = report.rules.map((rule) => {
    const { silent, killed } = overall(rule);
    const { scores } = rule;
    const reboots = report.seeds * report.machines;
    return [
      rule.name === OWN_NAME ? `**${rule.name}**` : rule.name,
      timesText(silent),
      timesText(killed),
      ...NOISES.map((name) => rateText(scores[name].falseAlarmsPerMachineMonth)),
      rateText(scores.switch.noticesPerFault ?? 0),
      rateText(scores.reboots.falseAlarms / reboots),
    ];
  });
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => at === 0 ? "---" : "---:");
  return [line(head), line(rule), ...rows.map(line)].join("\n") + "\n";
}

/** The whole document, as Markdown. */
export function alarmsDocument(report: AlarmsReport): string {
  const { seeds, machines, scenarios, rules, quick } = report;
  const months = seeds * machines / (365.25 / 12);
  return [
    "# Alarms: how soon, and how often for nothing",
    "",
    "Made by `deno task bench alarms`; this file is written by it. Figures in JSON: [bench-alarms.json](bench-alarms.json).",
    ...(quick ? ["", "Size of --quick: these figures only show that the benchmark works."] : []),
    "",
    `Each detector is played over the same simulated arrivals of heartbeats (every 20 s) and of closed connections: ${seeds} days ` +
    `with ${machines} machines of each kind of world, ${
      months.toFixed(0)
    } machine-months each. hbserver is the product's own code; ` +
    "the others are their published rules, not their programs.",
    "",
    alarmsTable(report),
    "Seconds from the fault to the first notice that names the machine, over LAN, Wi-Fi and 4G (p99 and max: of the worst of the " +
    "three); `(n missed)` are faults that were over before anything was told. *Silent* is a pulled cable or a power cut, *killed* a process whose " +
    "kernel closes the connection. *False* are notices per machine-month that no fault explains; 0 means that none was seen. Recoveries are not counted.",
    "",
    "![Detection time against false alarms](bench-alarms.svg)",
    "",
    "## Worlds",
    "",
    ...scenarios.map(({ title, about }) => `- **${title}**: ${about}.`),
    "",
    "On LAN, Wi-Fi and 4G one machine after the other fails for 8 to 15 minutes. A lost segment is sent again after 0.2 s and a round " +
    "trip, and after twice that each time, as Linux does. The figures of the links are plausible, not measured.",
    "",
    "## Rules",
    "",
    ...rules.map(({ name, about, source }) => `- **${name}**: ${about}. Source: ${source}.`),
    "",
    "What falls due while the server's machine stands still happens when it runs again, after what has arrived by then.",
    "",
  ].join("\n");
}

function timesText(times: DetectionSummary | undefined): string {
  if (times === undefined || times.missed === times.faults) return "never";
  const { missed, meanSeconds, p99Seconds, maxSeconds } = times;
  const text = [meanSeconds, p99Seconds, maxSeconds].map((time) => time.toFixed(1)).join(", ");
  return missed === 0 ? text : `${text} (${missed} missed)`;
}

function rateText(rate: number): string {
  if (rate === 0) return "0";
  return rate < 0.095 ? rate.toFixed(3) : rate < 9.95 ? rate.toFixed(1) : rate.toFixed(0);
}
