/**
 * The machine that a benchmark runs on, for captions; nothing that tells whose it is.
 *
 * @module
 */

import type { Machine } from "./bench_result.ts";

/** Describes this machine at this moment. */
export async function describeMachine(): Promise<Machine> {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: await cpuModel(),
    cores: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
    system: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    deno: Deno.version.deno,
  };
}

/** The machine in a line. */
export function machineLine(machine: Machine): string {
  const { date, cpu, cores, memoryBytes, system, deno } = machine;
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `${date}, ${cpu}, ${cores} cores, ${memory}, ${system}, Deno ${deno}`;
}

async function cpuModel(): Promise<string> {
  try {
    const text = await Deno.readTextFile("/proc/cpuinfo");
    return /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? "unknown processor";
  } catch {
    return "unknown processor"; // No Linux.
  }
}
