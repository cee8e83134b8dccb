/**
 * A file benchmark's result as plain text with aligned columns.
 *
 * @module
 */

import { machineLine } from "./bench_machine.ts";
import {
  type BenchReport,
  type CaseResult,
  type Entry,
  type HeartbeatResult,
  type Latency,
  speedRatio,
  summarize,
} from "./bench_result.ts";
import { checkTargets } from "./bench_target.ts";

/** The contestants that the others are compared with. */
export const REFERENCES = ["scp-gcm", "scp", "rsync"] as const;
const MB = 1_000_000;
const MIB = 1024 * 1024;
/** What stands where nothing was measured. */
const NOTHING = "-";

/** The whole report. */
export function reportText(report: BenchReport): string {
  const sections = report.cases.map((one) => [caseTitle(one), ...caseLines(one)]);
  const { heartbeats } = report;
  if (heartbeats !== undefined) {
    sections.push(
      "problem" in heartbeats ? [`heartbeats: ${heartbeats.problem}`] : heartbeatLines(heartbeats),
    );
  }
  const targets = checkTargets(report).map(({ what, wanted, measured, met }) => [
    met === undefined ? "not measured" : met ? "met" : "MISSED",
    measured ?? NOTHING,
    wanted,
    what,
  ]);
  const doubt = report.quick ? ", which sizes of --quick cannot tell" : "";
  sections.push([`what has to be true${doubt}`, ...alignedLines(targets, "llll")]);
  sections.push(alignedLines(report.contestants.map(({ name, about }) => [name, about]), "ll"));
  sections.push(captionLines(report));
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

/** What has to be known to read the figures. */
export function captionLines({ machine, rounds, quick, accounting }: BenchReport): string[] {
  return [
    ...(quick ? ["Sizes of --quick: these figures only show that everything works."] : []),
    `Median of ${rounds} ${
      rounds === 1 ? "round" : "rounds"
    }, contestants in turn, both sides on one machine.`,
    "hb verifies SHA-256 at both ends and syncs before it says stored; rsync verifies a checksum and",
    "syncs nothing; the others do neither.",
    "scp encrypts; rsync, ncat and sendfile do not; ncat gets folders as a tar pipe; cp uses no network.",
    ...accounting,
    machineLine(machine),
  ];
}

/** A case's title with its medium. */
export function caseTitle({ title, medium }: CaseResult): string {
  return `${title}, ${medium}`;
}

/** Rows of cells as lines; `sides` says for each column whether it is aligned left or right (`l`, `r`). */
export function alignedLines(rows: readonly (readonly string[])[], sides: string): string[] {
  const widths = [...sides].map((_, at) => Math.max(0, ...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, at) => {
      const width = widths[at] ?? 0;
      return sides[at] === "r" ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  ).map((line) => `  ${line}`);
}

function caseLines(result: CaseResult): string[] {
  if (result.leftOut !== undefined) return [`  left out: ${result.leftOut}`];
  const groups = ["", "", "", "", "speed vs", "", "", "CPU s", "", "peak MiB", "", "growth MiB"];
  const sides = ["send", "receive"];
  const head = ["", "seconds", "MB/s", "files/s", ...REFERENCES, ...sides, ...sides, ...sides];
  const rows = result.entries.filter(({ rounds }) => rounds.length > 0)
    .map((entry) => entryCells(result, entry));
  const problems = result.entries.filter(({ problem }) => problem !== undefined)
    .map(({ contestant, problem }) => `  ${contestant}  ${problem}`);
  return [...alignedLines([groups, head, ...rows], "lrrrrrrrrrrrr"), ...problems];
}

function entryCells(result: CaseResult, entry: Entry): string[] {
  const summary = summarize(entry);
  if (summary === undefined) return [entry.contestant];
  const { seconds, sender, receiver } = summary;
  const ratios = REFERENCES.map((name) => speedRatio(result, entry.contestant, name));
  return [
    entry.contestant,
    seconds.toFixed(2),
    (result.bytes / MB / seconds).toFixed(0),
    result.files === 1 ? NOTHING : (result.files / seconds).toFixed(0),
    ...ratios.map((ratio) => figure(ratio, 2)),
    ...[sender, receiver].map((usage) => figure(usage?.cpuSeconds, 2)),
    ...[sender, receiver].map((usage) => figure(usage && usage.peakBytes / MIB, 0)),
    ...[sender?.growthBytes, receiver?.growthBytes]
      .map((bytes) => figure(bytes === undefined ? undefined : bytes / MIB, 1)),
  ];
}

function heartbeatLines(result: HeartbeatResult): string[] {
  const cells = (when: string, { samples, p50, p99, max }: Latency) => [
    when,
    String(samples),
    ...[p50, p99, max].map((ms) => ms.toFixed(1)),
  ];
  const rows = [
    ["round trip", "heartbeats", "p50 ms", "p99 ms", "max ms"],
    cells("before", result.idle),
    cells("during", result.busy),
    cells("timer late", result.lateness),
  ];
  return [
    result.title,
    ...alignedLines(rows, "lrrrr"),
    `  uploads took ${result.seconds.toFixed(1)} s; states other than UP: ${
      result.states.join(", ") || "none"
    }`,
  ];
}

function figure(value: number | undefined, digits: number): string {
  return value === undefined ? NOTHING : value.toFixed(digits);
}
