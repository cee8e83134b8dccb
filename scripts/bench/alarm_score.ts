/**
 * How well a detector did in a world: how long it took to notice what had happened, and how often it woke somebody for
 * nothing. Pure.
 *
 * @module
 */

import { quantile } from "./bench_result.ts";

/** One time that a person is told that machines are gone. */
export interface AlarmNotice {
  readonly at: number;
  readonly machines: readonly number[];
}

/** Something that has to be told of. */
export interface AlarmFault {
  readonly from: number;
  /** When its consequences are over. */
  readonly to: number;
  readonly machines: readonly number[];
  /** Whether a kernel closed the connection, so that nobody had to wait for silence. */
  readonly isClosed: boolean;
}

/** One world, as far as it is judged. */
export interface JudgedWorld {
  /** How long it lasted, in milliseconds. */
  readonly ms: number;
  /** How many machines there were. */
  readonly machines: number;
  readonly faults: readonly AlarmFault[];
}

/** Times from a fault to the first notice that names the machine. */
export interface DetectionSummary {
  readonly faults: number;
  /** Faults that were over before anything was told. */
  readonly missed: number;
  readonly meanSeconds: number;
  readonly p99Seconds: number;
  readonly maxSeconds: number;
}

/** What one detector came to in all worlds of one scenario. */
export interface AlarmScore {
  /** Machines that fell silent: cables, power, switches. */
  readonly silent: DetectionSummary | undefined;
  /** Processes that were killed, whose kernel closes the connection. */
  readonly killed: DetectionSummary | undefined;
  readonly falseAlarms: number;
  readonly falseAlarmsPerMachineMonth: number;
  /** Mean number of notices for each fault, without those of the recovery. */
  readonly noticesPerFault: number | undefined;
}

const MONTH_MS = 365.25 / 12 * 24 * 3_600_000;

/** Adds up one detector's notices over many worlds. */
export class AlarmTally {
  readonly #times = { silent: [] as number[], killed: [] as number[] };
  readonly #missed = { silent: 0, killed: 0 };
  #faults = 0;
  #notices = 0;
  #falseAlarms = 0;
  #machineMs = 0;

  /** Adds one world. */
  add({ ms, machines, faults }: JudgedWorld, notices: readonly AlarmNotice[]): void {
    for (const fault of faults) this.#addFault(fault, notices);
    this.#falseAlarms +=
      notices.filter((notice) => !faults.some((fault) => isAbout(notice, fault))).length;
    this.#machineMs += ms * machines;
  }

  /** What it came to. */
  score(): AlarmScore {
    return {
      silent: this.#summary("silent"),
      killed: this.#summary("killed"),
      falseAlarms: this.#falseAlarms,
      falseAlarmsPerMachineMonth: this.#falseAlarms / (this.#machineMs / MONTH_MS),
      noticesPerFault: this.#faults === 0 ? undefined : this.#notices / this.#faults,
    };
  }

  #addFault(fault: AlarmFault, notices: readonly AlarmNotice[]): void {
    const own = notices.filter((notice) => isAbout(notice, fault));
    const sort = fault.isClosed ? "killed" : "silent";
    this.#faults++;
    this.#notices += own.length;
    for (const machine of fault.machines) {
      const told = own.find(({ machines }) => machines.includes(machine));
      if (told === undefined) this.#missed[sort]++;
      else this.#times[sort].push((told.at - fault.from) / 1000);
    }
  }

  #summary(sort: "silent" | "killed"): DetectionSummary | undefined {
    const times = this.#times[sort];
    const missed = this.#missed[sort];
    if (times.length + missed === 0) return undefined;
    return {
      faults: times.length + missed,
      missed,
      meanSeconds: times.reduce((sum, time) => sum + time, 0) / times.length,
      p99Seconds: quantile(times, 0.99),
      maxSeconds: times.reduce((most, time) => Math.max(most, time), 0),
    };
  }
}

/** Whether a notice comes while a fault counts, and names a machine that it befell. */
function isAbout(
  { at, machines }: AlarmNotice,
  { from, to, machines: befallen }: AlarmFault,
): boolean {
  return at >= from && at <= to && machines.some((one) => befallen.includes(one));
}
