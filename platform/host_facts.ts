/**
 * What a machine says about itself in its heartbeats: processor, memory, disk and uptime, by the same rules on
 * every system. A fact is right or absent, never a guess.
 *
 * @module
 */

import { statfsSync } from "node:fs";
import { cpus } from "node:os";

/** A machine's own view of its health. */
export interface Vitals {
  /** Part of all processors' time that was busy since the last look, 0 to 1. */
  cpu?: number;
  /** Part of the memory that programs cannot get any more, 0 to 1. */
  mem?: number;
  /** Part of the data directory's file system that is not free for us, 0 to 1. */
  disk?: number;
  /** Time since the machine started, in whole seconds. */
  up?: number;
}

/** Milliseconds that one processor has spent since the machine started, by what it did. */
export interface ProcessorTimes {
  readonly user: number;
  readonly nice: number;
  readonly sys: number;
  readonly idle: number;
  readonly irq: number;
}

/** What {@linkcode HostFacts} asks the system; each may throw or answer nonsense. */
export interface HostPorts {
  readonly os: typeof Deno.build.os;
  /** The times of each processor. */
  readonly processors: () => readonly ProcessorTimes[];
  /** Bytes of memory. */
  readonly memory: () => { total: number; free: number; available: number };
  /** Blocks of the file system that holds the data directory. */
  readonly disk: () => { blocks: number; bavail: number };
  /** Seconds since the machine started. */
  readonly uptime: () => number;
}

/** The real system, with the file system of `dataDirectory`. */
export function systemHost(dataDirectory: string): HostPorts {
  return {
    os: Deno.build.os,
    processors: () => cpus().map(({ times }) => times),
    memory: () => Deno.systemMemoryInfo(),
    disk: () => statfsSync(dataDirectory),
    uptime: () => Deno.osUptime(),
  };
}

/** Measures a machine, once per call of {@linkcode HostFacts.vitals}. */
export class HostFacts {
  readonly #ports: HostPorts;
  #last: { busy: number; all: number } | undefined;

  /** Makes a measurer that has not seen the processors yet. */
  constructor(ports: HostPorts) {
    this.#ports = ports;
  }

  /** Measures now. The processors' part covers the time since the last call, so the first has none. */
  vitals(): Vitals {
    return present({
      cpu: fraction(attempt(() => this.#processors())),
      mem: fraction(attempt(() => this.#memory())),
      disk: fraction(attempt(() => this.#disk())),
      up: attempt(() => seconds(this.#ports.uptime())),
    });
  }

  #processors(): number | undefined {
    const last = this.#last;
    this.#last = undefined;
    const now = { busy: 0, all: 0 };
    for (const { user, nice, sys, idle, irq } of this.#ports.processors()) {
      const busy = user + nice + sys + irq;
      now.busy += busy;
      now.all += busy + idle;
    }
    this.#last = now;
    if (last === undefined) return undefined;
    const all = now.all - last.all;
    // Counters that stand still or run backwards (a processor was unplugged) say nothing about this time.
    return all > 0 ? (now.busy - last.busy) / all : undefined;
  }

  #memory(): number | undefined {
    const { total, free, available } = this.#ports.memory();
    // Windows reports no available memory; there, free is what programs can still get.
    const left = this.#ports.os === "windows" ? free : available;
    return total > 0 && left > 0 ? 1 - left / total : undefined;
  }

  #disk(): number | undefined {
    const { blocks, bavail } = this.#ports.disk();
    return blocks > 0 && bavail >= 0 ? 1 - bavail / blocks : undefined;
  }
}

/** The answer of a question to the system; undefined when it cannot answer. */
function attempt(ask: () => number | undefined): number | undefined {
  try {
    return ask();
  } catch {
    // A fact that the system or our permissions deny is absent, and a heartbeat goes out without it.
    return undefined;
  }
}

/** A number from 0 to 1 with three decimals; undefined for anything that is not one. */
function fraction(value: number | undefined): number | undefined {
  if (value === undefined || !(value >= 0 && value <= 1)) return undefined;
  return Math.round(value * 1000) / 1000;
}

function seconds(value: number): number | undefined {
  return Number.isFinite(value) && value >= 0 ? Math.floor(value) : undefined;
}

function present(vitals: { [K in keyof Vitals]: number | undefined }): Vitals {
  return Object.fromEntries(Object.entries(vitals).filter(([, value]) => value !== undefined));
}
