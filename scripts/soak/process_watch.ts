/**
 * Samples of one process over a long time, and whether what it holds stays flat in the second half.
 *
 * @module
 */

import { fileBytes, sampleProcess } from "./process_sample.ts";
import { increments, type Point, rangeOf, secondHalf, slopeOf } from "./series.ts";

/** What counts as flat in the second half. */
export interface FlatBounds {
  /** Growth of the memory, in KiB a minute. */
  readonly rssKibPerMinute: number;
  /** Between the fewest and the most file descriptors. */
  readonly descriptors: number;
  /** Between the fewest and the most threads. */
  readonly threads: number;
  /** Greatest size of the database's log, in bytes. */
  readonly walBytes: number;
  /** Growth of the wake-ups of the main thread, in percent of their mean, from the first to the last sample. */
  readonly wakeupsPercent: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const MS_PER_MINUTE = 60_000;

/** The figures that are kept. */
type Figure = "rss" | "descriptors" | "threads" | "wakeups" | "wal";

/** One process under watch. */
export class ProcessWatch {
  readonly name: string;
  readonly #pid: number;
  readonly #wal: string;
  readonly #bounds: FlatBounds;
  readonly #points: Record<Figure, Point[]> = {
    rss: [],
    descriptors: [],
    threads: [],
    wakeups: [],
    wal: [],
  };

  /** Takes the process's name and id, the path of its database, and what counts as flat. */
  constructor(
    name: string,
    { pid, database, bounds }: { pid: number; database: string; bounds: FlatBounds },
  ) {
    this.name = name;
    this.#bounds = bounds;
    this.#pid = pid;
    this.#wal = `${database}-wal`;
  }

  /** Looks once; rejects when the process has ended. */
  async sample(): Promise<void> {
    const at = performance.now() / MS_PER_MINUTE;
    const figures = { ...await sampleProcess(this.#pid), wal: await fileBytes(this.#wal) };
    for (const [name, value] of Object.entries(figures)) {
      this.#points[name as Figure].push({ at, value });
    }
  }

  /** The last sample in a few words. */
  get now(): string {
    const last = (name: Figure) => this.#points[name].at(-1)?.value ?? NaN;
    return `${this.name} ${(last("rss") / MIB).toFixed(1)} MiB, ${
      last("descriptors")
    } descriptors, ` +
      `${last("threads")} threads, log ${(last("wal") / MIB).toFixed(1)} MiB`;
  }

  /** The second half against the bounds: one line for each figure, and whether all are within. */
  verdict(): { lines: string[]; isFlat: boolean } {
    const judged = this.#judged();
    const lines = judged.map(({ what, value, bound, unit, range }) =>
      `${this.name} ${what}: ${range}, ${round(value)} ${unit} of at most ${bound}: ` +
      (value <= bound ? "flat" : "NOT FLAT")
    );
    return { lines, isFlat: judged.every(({ value, bound }) => value <= bound) };
  }

  #judged(): Judged[] {
    const half = (name: Figure) => secondHalf(this.#points[name]);
    const inMib = { divisor: MIB, unit: "MiB" };
    const [rss, wal] = [half("rss"), half("wal")];
    const wakeups = increments(half("wakeups"));
    return [
      {
        what: "memory",
        value: slopeOf(rss) / KIB,
        bound: this.#bounds.rssKibPerMinute,
        unit: "KiB/min",
        range: rangeText(rss, inMib),
      },
      ...(["descriptors", "threads"] as const).map((name) => {
        const { min, max } = rangeOf(half(name));
        const range = rangeText(half(name));
        return {
          ...{ what: name, value: max - min, bound: this.#bounds[name] },
          ...{ unit: "between them", range },
        };
      }),
      {
        what: "log of the database",
        value: rangeOf(wal).max / MIB,
        bound: this.#bounds.walBytes / MIB,
        unit: "MiB",
        range: rangeText(wal, inMib),
      },
      {
        what: "wake-ups of the main thread a sample",
        value: growthPercent(wakeups),
        bound: this.#bounds.wakeupsPercent,
        unit: "% growth",
        range: rangeText(wakeups),
      },
    ];
  }
}

/** One figure against its bound. */
interface Judged {
  what: string;
  value: number;
  bound: number;
  unit: string;
  range: string;
}

/** By how much the line through the points rises from the first to the last, in percent of their mean. */
function growthPercent(points: readonly Point[]): number {
  const [first, last] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0];
  const mean = points.reduce((sum, { value }) => sum + value, 0) / points.length;
  return slopeOf(points) * (last - first) / mean * 100;
}

function rangeText(points: readonly Point[], { divisor = 1, unit = "" } = {}): string {
  const { min, max } = rangeOf(points);
  return `${round(min / divisor)} to ${round(max / divisor)} ${unit}`.trim();
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
