/**
 * What the file benchmark measures, as values: rounds, their medians and ratios. Nothing here measures.
 *
 * @module
 */

/** What one side of a transfer used. */
export interface Usage {
  /** Processor time of all its processes, user and system, in seconds. */
  readonly cpuSeconds: number;
  /** Peak resident memory of its largest process, in bytes. */
  readonly peakBytes: number;
  /** How far that rose above the same program at rest, in bytes; only known of hb. */
  readonly growthBytes?: number;
}

/** One transfer. */
export interface Round {
  /** Wall clock time, in seconds, from the start of the command until both sides have finished. */
  readonly seconds: number;
  /** The side that has the file; absent where it could not be measured. */
  readonly sender?: Usage;
  /** The side that stores it; absent where it could not be measured or is the same process. */
  readonly receiver?: Usage;
}

/** One contestant in one case. */
export interface Entry {
  readonly contestant: string;
  readonly rounds: readonly Round[];
  /** Why there is no figure: `missing: …` or `failed: …`. */
  readonly problem?: string;
}

/** Where a case took place. */
export type Medium = "tmpfs" | "disk";

/** One case on one medium. */
export interface CaseResult {
  readonly name: string;
  /** For people, such as `1 file of 2 GB`. */
  readonly title: string;
  readonly medium: Medium;
  readonly files: number;
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Why the case was not run, where it was not. */
  readonly leftOut?: string;
  readonly entries: readonly Entry[];
}

/** Times of answers, in milliseconds. */
export interface Latency {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The case of heartbeats beside uploads. */
export interface HeartbeatResult {
  readonly title: string;
  /** Before the uploads. */
  readonly idle: Latency;
  /** During the uploads. */
  readonly busy: Latency;
  /** How late the probe's own timer was during the uploads: what the machine's load does to anybody. */
  readonly lateness: Latency;
  /** How far hbserver's memory rose during the uploads, per upload, in bytes; absent where not measured. */
  readonly growthPerUploadBytes?: number;
  /** Time that the uploads took, all together, in seconds. */
  readonly seconds: number;
  /** Every state other than UP that the server noted, as `name STATE`. */
  readonly states: readonly string[];
}

/** The machine, for captions. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly deno: string;
}

/** Everything that a run came to. */
export interface BenchReport {
  readonly machine: Machine;
  /** Whether sizes were those of `--quick`, which only show that the benchmark works. */
  readonly quick: boolean;
  readonly rounds: number;
  /** How processor time and memory were measured, in lines. */
  readonly accounting: readonly string[];
  /** What each contestant is. */
  readonly contestants: readonly { readonly name: string; readonly about: string }[];
  readonly cases: readonly CaseResult[];
  /** The result, or why there is none; absent where it was not asked for. */
  readonly heartbeats?: HeartbeatResult | { readonly problem: string };
}

/** An entry's rounds as one: the medians of times, the greatest of peaks. */
export function summarize({ rounds }: Entry): Round | undefined {
  if (rounds.length === 0) return undefined;
  const sender = summarizeUsage(rounds.map((round) => round.sender));
  const receiver = summarizeUsage(rounds.map((round) => round.receiver));
  return {
    seconds: quantile(rounds.map(({ seconds }) => seconds), 0.5),
    ...(sender === undefined ? {} : { sender }),
    ...(receiver === undefined ? {} : { receiver }),
  };
}

/** How many times as fast as `reference` an entry was: above 1 is faster; undefined without both figures. */
export function speedRatio(
  result: CaseResult,
  name: string,
  reference: string,
): number | undefined {
  const [own, other] = [name, reference].map((wanted) => {
    const entry = result.entries.find(({ contestant }) => contestant === wanted);
    return entry === undefined ? undefined : summarize(entry)?.seconds;
  });
  return own === undefined || other === undefined ? undefined : other / own;
}

/** The value below which the share `q` of `values` lies, by linear interpolation; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Times of answers, in milliseconds, as percentiles. */
export function latencyOf(times: readonly number[]): Latency {
  const [p50, p99, max] = [0.5, 0.99, 1].map((q) => quantile(times, q));
  return { samples: times.length, p50: p50 ?? NaN, p99: p99 ?? NaN, max: max ?? NaN };
}

function summarizeUsage(usages: readonly (Usage | undefined)[]): Usage | undefined {
  const known = usages.filter((usage) => usage !== undefined);
  if (known.length === 0 || known.length < usages.length) return undefined;
  const growth = known.map(({ growthBytes }) => growthBytes).filter((bytes) => bytes !== undefined);
  return {
    cpuSeconds: quantile(known.map(({ cpuSeconds }) => cpuSeconds), 0.5),
    peakBytes: Math.max(...known.map(({ peakBytes }) => peakBytes)),
    ...(growth.length === 0 ? {} : { growthBytes: Math.max(...growth) }),
  };
}
