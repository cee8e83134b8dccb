/**
 * What one seed came to, small enough to be sent between threads, and how many seeds add up.
 *
 * @module
 */

import { type Breach, judge } from "./invariants.ts";
import { play, type PlayOptions } from "./simulation.ts";
import { tellStory } from "./story.ts";
import { TraceHash } from "./trace_hash.ts";

/** The size of a world. */
export interface WorldSize {
  readonly hours: number;
  readonly clients: number;
}

/** The most of one figure, and how often it was taken. */
export interface Peak {
  readonly count: number;
  /** In milliseconds. */
  readonly most: number;
}

/** What one seed came to. */
export interface SeedResult {
  readonly seed: number;
  readonly hash: string;
  readonly acts: number;
  readonly alerts: number;
  /** Heartbeats that the product was told of. */
  readonly beats: number;
  /** Events of the world. */
  readonly events: number;
  readonly breaches: readonly Breach[];
  /** Times from fault to alert, by `act, link`. */
  readonly detections: Readonly<Record<string, Peak>>;
}

/** Tells, plays and judges the story of a seed. */
export function runSeed(seed: number, size: WorldSize, options: PlayOptions = {}): SeedResult {
  const trace = play(tellStory({ seed, ...size }), options);
  const { breaches, detections } = judge(trace);
  const peaks: Record<string, Peak> = {};
  for (const { act, link, ms } of detections) {
    const key = `${act}, ${link}`;
    peaks[key] = higher(peaks[key], { count: 1, most: ms });
  }
  return {
    seed,
    hash: trace.hash,
    acts: trace.story.acts.length,
    alerts: trace.alerts.filter(({ kind }) => kind === "opened").length,
    beats: trace.beats,
    events: trace.events,
    breaches,
    detections: peaks,
  };
}

function higher(old: Peak | undefined, { count, most }: Peak): Peak {
  return { count: (old?.count ?? 0) + count, most: Math.max(old?.most ?? 0, most) };
}

/** Sums over many seeds, in whatever order they come. */
export class SeedTotal {
  seeds = 0;
  beats = 0;
  events = 0;
  acts = 0;
  alerts = 0;
  readonly breaches: Breach[] = [];
  readonly detections = new Map<string, Peak>();
  readonly #hashes = new Map<number, string>();

  /** Adds one. */
  add(result: SeedResult): void {
    this.seeds++;
    this.beats += result.beats;
    this.events += result.events;
    this.acts += result.acts;
    this.alerts += result.alerts;
    this.breaches.push(...result.breaches);
    this.#hashes.set(result.seed, result.hash);
    for (const [key, peak] of Object.entries(result.detections)) {
      this.detections.set(key, higher(this.detections.get(key), peak));
    }
  }

  /** One hash over those of all seeds, in the order of the seeds. */
  hash(): string {
    const hash = new TraceHash();
    for (const [, text] of [...this.#hashes].sort(([a], [b]) => a - b)) hash.addText(text);
    return hash.toString();
  }
}
