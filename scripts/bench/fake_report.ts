/**
 * A report with made-up figures for tests of whatever shows one.
 *
 * @module
 */

import type { BenchReport, Entry } from "./bench_result.ts";

const MIB = 1024 * 1024;

/** One round that took `seconds`, with a growth of `growthMib` on both sides where given. */
export function fakeEntry(contestant: string, seconds: number, growthMib?: number): Entry {
  const growth = growthMib === undefined ? {} : { growthBytes: growthMib * MIB };
  const usage = { cpuSeconds: seconds / 2, peakBytes: 64 * MIB, ...growth };
  return { contestant, rounds: [{ seconds, sender: usage, receiver: usage }] };
}

/** A report in which every target is met, as far as it is measured; the given parts instead of its own. */
export function fakeReport(parts: Partial<BenchReport> = {}): BenchReport {
  const latency = { samples: 100, p50: 1, p99: 2, max: 3 };
  return {
    machine: {
      date: "2026-11-23",
      cpu: "A <Fast> & Small CPU",
      cores: 2,
      memoryBytes: 8 * 1024 * MIB,
      system: "linux 6 x86_64",
      deno: "2.9.5",
    },
    quick: false,
    rounds: 1,
    accounting: ["CPU and memory: made up."],
    contestants: [{ name: "hb-tls", about: "hbclient send" }],
    cases: [{
      name: "one",
      title: "1 file of 2 GB",
      medium: "tmpfs",
      files: 1,
      bytes: 2_000_000_000,
      entries: [
        fakeEntry("hb-tls", 2, 4),
        fakeEntry("scp-gcm", 4),
        fakeEntry("scp", 8),
        { contestant: "ncat", rounds: [], problem: "missing: ncat is not installed" },
        fakeEntry("cp", 0.5),
      ],
    }],
    heartbeats: {
      title: "heartbeats beside 4 uploads of 1000 MB",
      ...{ idle: latency, busy: { ...latency, p99: 20, max: 25 }, lateness: latency },
      growthPerUploadBytes: 5 * MIB,
      seconds: 9,
      states: [],
    },
    ...parts,
  };
}
