/**
 * What the message benchmark came to: values, targets and text. Nothing here measures.
 *
 * @module
 */

import { machineLine } from "./bench_machine.ts";
import { type Latency, type Machine, quantile } from "./bench_result.ts";
import { alignedLines } from "./bench_table.ts";
import type { Target } from "./bench_target.ts";
import type { MessageCase } from "./message_case.ts";

/** Least durable messages a second of 100 senders. */
const MIN_PER_SECOND = 10_000;
/** Limit of their 99th percentile, in milliseconds. */
const MAX_MANY_P99_MS = 50;
/** Limit of one sender's median, in milliseconds. */
const MAX_ONE_P50_MS = 5;
/** The contestants that have to reach the targets. */
const OWN_NAMES = ["hb-plain", "hb-tls"];
/** The cases of 100 senders, of either of which the target may be asked. */
const MANY_CASES = [["many", "100 senders with 1 under way"], [
  "many-4",
  "100 senders with 4 under way",
]] as const;

/** One measurement. */
export interface MessageRound {
  /** Acknowledged messages a second. */
  readonly perSecond: number;
  /** From sending to acknowledgement, in milliseconds. */
  readonly latency: Latency;
  /** Processor time of the server per second of the measurement; absent where it could not be measured. */
  readonly serverCpu?: number;
  /** The same of the load, which is one process for all senders. */
  readonly loadCpu?: number;
}

/** One contestant in one case. */
export interface MessageEntry {
  readonly contestant: string;
  readonly rounds: readonly MessageRound[];
  /** Why there is no figure: `missing: …` or `failed: …`. */
  readonly problem?: string;
}

/** One case. */
export interface MessageCaseResult extends MessageCase {
  readonly entries: readonly MessageEntry[];
}

/** Everything that a run came to. */
export interface MessagesReport {
  readonly machine: Machine;
  /** Processes that ran or wanted to before the run, on average over a minute. */
  readonly loadAverage: number;
  /** Whether this only shows that the benchmark works. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Time of each measurement, in seconds. */
  readonly seconds: number;
  readonly textBytes: number;
  readonly contestants: readonly {
    readonly name: string;
    readonly about: string;
    readonly acknowledged: string;
  }[];
  readonly cases: readonly MessageCaseResult[];
}

/** Rounds as one: the median of each figure, but the greatest of the longest times; undefined of none. */
export function medianRound(rounds: readonly MessageRound[]): MessageRound | undefined {
  if (rounds.length === 0) return undefined;
  const median = (pick: (round: MessageRound) => number) => quantile(rounds.map(pick), 0.5);
  const [serverCpu, loadCpu] = [
    median((one) => one.serverCpu ?? NaN),
    median((one) => one.loadCpu ?? NaN),
  ];
  return {
    perSecond: median((one) => one.perSecond),
    latency: {
      samples: rounds.reduce((sum, { latency }) => sum + latency.samples, 0),
      p50: median(({ latency }) => latency.p50),
      p99: median(({ latency }) => latency.p99),
      max: Math.max(...rounds.map(({ latency }) => latency.max)),
    },
    ...(Number.isNaN(serverCpu) ? {} : { serverCpu }),
    ...(Number.isNaN(loadCpu) ? {} : { loadCpu }),
  };
}

/** Every target with what this run measured, for each kind of hb's connections. */
export function messageTargets({ cases }: Pick<MessagesReport, "cases">): Target[] {
  return OWN_NAMES.flatMap((name) => {
    const median = (caseName: string) => {
      const entries = cases.find((one) => one.name === caseName)?.entries ?? [];
      return medianRound(entries.find(({ contestant }) => contestant === name)?.rounds ?? []);
    };
    const one = median("one");
    return [
      ...MANY_CASES.map(([caseName, what]) => {
        const many = median(caseName);
        return target(`${name}, ${what}, durable messages a second and 99th percentile`, {
          wanted: `at least ${MIN_PER_SECOND}, below ${MAX_MANY_P99_MS} ms`,
          measured: many && `${many.perSecond.toFixed(0)}, ${many.latency.p99.toFixed(1)} ms`,
          met: many && many.perSecond >= MIN_PER_SECOND && many.latency.p99 < MAX_MANY_P99_MS,
        });
      }),
      target(`${name}, one sender, median`, {
        wanted: `below ${MAX_ONE_P50_MS} ms`,
        measured: one && `${one.latency.p50.toFixed(2)} ms`,
        met: one && one.latency.p50 < MAX_ONE_P50_MS,
      }),
    ];
  });
}

/** The whole report. */
export function messagesText(report: MessagesReport): string {
  const { machine, rounds, seconds, quick, textBytes, contestants } = report;
  const sections = report.cases.map((one) => [one.title, ...caseLines(one)]);
  sections.push(targetLines(messageTargets(report)));
  sections.push([
    "what an acknowledgement means",
    ...alignedLines(contestants.map(({ name, acknowledged }) => [name, acknowledged]), "ll"),
  ]);
  sections.push(alignedLines(contestants.map(({ name, about }) => [name, about]), "ll"));
  sections.push([
    ...(quick ? ["Times of --quick: these figures only show that everything works."] : []),
    `Median of ${rounds} of ${seconds} s, contestants in turn; max of all. Text of ${textBytes} bytes.`,
    "One process sends for everybody, on the same machine; CPU is processors in use, of the server and of it.",
    `${machineLine(machine)}, load average ${report.loadAverage.toFixed(1)} before`,
  ]);
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

/** Targets as lines of text, under a heading. */
export function targetLines(targets: readonly Target[]): string[] {
  const rows = targets.map(({ what, wanted, measured, met }) => [
    met === undefined ? "not measured" : met ? "met" : "MISSED",
    measured ?? "-",
    wanted,
    what,
  ]);
  return ["what has to be true", ...alignedLines(rows, "llll")];
}

function target(what: string, rest: Omit<Target, "what">): Target {
  return { what, ...rest };
}

function caseLines({ entries }: MessageCaseResult): string[] {
  const head = ["", "messages/s", "p50 ms", "p99 ms", "max ms", "CPU server", "CPU load"];
  const rows = entries.flatMap(({ contestant, rounds }) => {
    const median = medianRound(rounds);
    if (median === undefined) return [];
    const { perSecond, latency, serverCpu, loadCpu } = median;
    return [[
      ...[contestant, perSecond.toFixed(0), latency.p50.toFixed(2), latency.p99.toFixed(1)],
      ...[latency.max.toFixed(1), serverCpu?.toFixed(2) ?? "-", loadCpu?.toFixed(2) ?? "-"],
    ]];
  });
  const problems = entries.filter(({ problem }) => problem !== undefined)
    .map(({ contestant, problem }) => `  ${contestant}  ${problem}`);
  return [...alignedLines([head, ...rows], "lrrrrrr"), ...problems];
}
