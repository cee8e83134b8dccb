/**
 * What the figures of the file benchmark have to reach, and whether they did.
 *
 * @module
 */

import { type BenchReport, type CaseResult, speedRatio, summarize } from "./bench_result.ts";

/** Most that either side's memory may grow by during a transfer, in MiB. */
const MAX_GROWTH_MIB = 16;
/** Limit of the 99th percentile of heartbeat round trips beside uploads, in milliseconds. */
const MAX_BEAT_P99_MS = 50;
const MIB = 1024 * 1024;

/** One thing that has to be true. */
export interface Target {
  readonly what: string;
  /** The limit, for people. */
  readonly wanted: string;
  /** The figure, for people; undefined where there is none. */
  readonly measured: string | undefined;
  /** Undefined where nothing was measured. */
  readonly met: boolean | undefined;
}

/** Least speeds: contestant, case on tmpfs, reference, ratio. */
const SPEEDS = [
  ["hb-tls", "one", "scp-gcm", 1.3],
  ["hb-tls", "one", "scp", 2.5],
  ["hb-plain", "one", "rsync", 1.5],
  ["hb-tls", "small", "scp", 1],
  ["hb-plain", "small", "rsync", 0.5],
] as const;

/** The transfers whose memory is looked at: a folder's list of names is held by both sides, a file is not. */
const GROWTHS = [
  { what: "a file", names: ["one"] },
  { what: "a folder", names: ["small", "medium"] },
];
const SIDES = ["sender", "receiver"] as const;

/** Every target with what this run measured. */
export function checkTargets(report: BenchReport): Target[] {
  return [
    ...SPEEDS.map(([name, caseName, reference, least]): Target => {
      const found = report.cases.find((one) => one.name === caseName && one.medium === "tmpfs");
      const ratio = found === undefined ? undefined : speedRatio(found, name, reference);
      return {
        what: `${name} against ${reference}, ${caseName}, tmpfs`,
        wanted: `at least ${least} x`,
        measured: ratio === undefined ? undefined : `${ratio.toFixed(2)} x`,
        met: ratio === undefined ? undefined : ratio >= least,
      };
    }),
    ...GROWTHS.flatMap(({ what, names }) => {
      const cases = report.cases.filter(({ name }) => names.includes(name));
      return SIDES.map((side) => growthTarget(cases, { side, what }));
    }),
    ...beatTargets(report),
  ];
}

function growthTarget(
  cases: readonly CaseResult[],
  { side, what }: { side: (typeof SIDES)[number]; what: string },
): Target {
  const growths = cases.flatMap(({ entries }) => entries)
    .map((entry) => summarize(entry)?.[side]?.growthBytes).filter((bytes) => bytes !== undefined);
  const known = growths.length > 0;
  const most = Math.max(...growths) / MIB;
  return {
    what: `memory that hb's ${side} grows by for ${what}`,
    wanted: `at most ${MAX_GROWTH_MIB} MiB`,
    measured: known ? `${most.toFixed(1)} MiB` : undefined,
    met: known ? most <= MAX_GROWTH_MIB : undefined,
  };
}

function beatTargets({ heartbeats }: BenchReport): Target[] {
  const result = heartbeats === undefined || "problem" in heartbeats ? undefined : heartbeats;
  const p99 = result?.busy.p99;
  const growth = result?.growthPerUploadBytes;
  return [{
    what: "memory that hbserver grows by per upload, several at once",
    wanted: `at most ${MAX_GROWTH_MIB} MiB`,
    measured: growth === undefined ? undefined : `${(growth / MIB).toFixed(1)} MiB`,
    met: growth === undefined ? undefined : growth <= MAX_GROWTH_MIB * MIB,
  }, {
    what: "heartbeat round trip during uploads, 99th percentile",
    wanted: `below ${MAX_BEAT_P99_MS} ms`,
    measured: p99 === undefined ? undefined : `${p99.toFixed(1)} ms`,
    met: p99 === undefined ? undefined : p99 < MAX_BEAT_P99_MS,
  }, {
    what: "states other than UP during uploads",
    wanted: "none",
    measured: result === undefined ? undefined : result.states.join(", ") || "none",
    met: result === undefined ? undefined : result.states.length === 0,
  }];
}
