/**
 * What the benchmark of stalls came to: values, targets and text. Nothing here measures.
 *
 * @module
 */

import { machineLine } from "./bench_machine.ts";
import type { Latency, Machine } from "./bench_result.ts";
import { alignedLines } from "./bench_table.ts";
import type { Target } from "./bench_target.ts";
import { targetLines } from "./messages_report.ts";
import { GRID_MS } from "./timer_lateness.ts";

/** Limit of the 99th percentile of the main thread's lateness, in milliseconds. */
const MAX_P99_MS = 20;
const MB = 1_000_000;

/** One phase. */
export interface StallsPhase {
  /** How late the timer of the server's main thread was, in milliseconds. */
  readonly server: Latency;
  /** The same without what it waited for a processor; absent where the system does not tell that. */
  readonly serverOwn?: Latency;
  /** The same of a process that does nothing else: what the machine's load does to anybody. */
  readonly bystander: Latency;
}

/** Everything that a run came to. */
export interface StallsReport {
  readonly machine: Machine;
  /** Processes that ran or wanted to before the run, on average over a minute. */
  readonly loadAverage: number;
  /** Whether this only shows that the benchmark works. */
  readonly quick: boolean;
  /** Time of the phase at rest, in seconds. */
  readonly seconds: number;
  /** Added to every commit, in milliseconds. */
  readonly commitMs: number;
  readonly idle: StallsPhase;
  readonly busy: StallsPhase & {
    /** Time that it took, in seconds. */
    readonly seconds: number;
    readonly uploads: number;
    readonly uploadedBytes: number;
    /** From sending a message to its acknowledgement, in milliseconds. */
    readonly messages: Latency;
    /** From sending a heartbeat to its answer, in milliseconds. */
    readonly beats: Latency;
  };
}

/** The target with what this run measured. */
export function stallsTargets({ busy }: Pick<StallsReport, "busy">): Target[] {
  const { p99 } = busy.server;
  return [{
    what: "lateness of the server's main thread under load, 99th percentile",
    wanted: `below ${MAX_P99_MS} ms`,
    measured: `${p99.toFixed(1)} ms`,
    met: p99 < MAX_P99_MS,
  }];
}

/** The whole report. */
export function stallsText(report: StallsReport): string {
  const { machine, quick, seconds, commitMs, idle, busy } = report;
  const rows = [
    ["", "samples", "p50 ms", "p99 ms", "max ms"],
    cells("server, at rest", idle.server),
    ...ownCells("server without waits, at rest", idle.serverOwn),
    cells("bystander, at rest", idle.bystander),
    cells("server, under load", busy.server),
    ...ownCells("server without waits, under load", busy.serverOwn),
    cells("bystander, under load", busy.bystander),
    cells("message to RECEIPT", busy.messages),
    cells("HEARTBEAT to BEAT", busy.beats),
  ];
  const rate = busy.uploadedBytes / MB / busy.seconds;
  const sections = [
    ["lateness of a timer, and answers under load", ...alignedLines(rows, "lrrrr")],
    targetLines(stallsTargets(report)),
    [
      ...(quick ? ["Times of --quick: these figures only show that everything works."] : []),
      `At rest ${seconds} s; under load ${
        busy.seconds.toFixed(1)
      } s with ${busy.uploads} uploads, ${
        rate.toFixed(0)
      } MB/s; every commit takes ${commitMs} ms more.`,
      `Each moment of a grid of ${GRID_MS} ms counts, so a stall of 100 ms is ${
        100 / GRID_MS
      } samples.`,
      "Without waits: less the time in which the thread was ready and others had every processor.",
      "A bystander is a process with the same timer and nothing else to do.",
      `${machineLine(machine)}, load average ${report.loadAverage.toFixed(1)} before`,
    ],
  ];
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

function cells(what: string, { samples, p50, p99, max }: Latency): string[] {
  return [what, String(samples), ...[p50, p99, max].map((ms) => ms.toFixed(1))];
}

function ownCells(what: string, latency: Latency | undefined): string[][] {
  return latency === undefined ? [] : [cells(what, latency)];
}
