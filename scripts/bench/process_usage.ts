/**
 * Processor time and memory of a running process, from Linux's /proc; elsewhere nothing is known.
 *
 * @module
 */

import type { Usage } from "./bench_result.ts";

/** Ticks of /proc/PID/stat per second: fixed at 100 for programs on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;
/** Time between two looks at the memory, in milliseconds. */
const SAMPLE_MS = 50;
const KIB = 1024;

/** Seconds of processor time, user and system, that a text of /proc/PID/stat tells. */
export function cpuSecondsOf(stat: string): number {
  // The program's name, in brackets, may hold anything; the fields that count come after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Bytes that the line `name` of a text of /proc/PID/status tells; NaN where it is absent. */
export function statusBytes(status: string, name: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? NaN) * KIB;
}

/** Watches a process while `work` is under way; without the usage where the system does not tell it. */
export async function watchProcess<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ value: T; usage?: Usage }> {
  const before = await readUsage(pid);
  if (before === undefined) return { value: await work() };
  const isReset = await resetPeak(pid);
  let peak = before.rss;
  const sample = async () => {
    const now = await readUsage(pid);
    if (now !== undefined) peak = Math.max(peak, isReset ? now.peak : now.rss);
  };
  const timer = isReset ? undefined : setInterval(sample, SAMPLE_MS);
  try {
    const value = await work();
    const after = await readUsage(pid);
    await sample();
    if (after === undefined) return { value };
    const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
    return { value, usage: { cpuSeconds, peakBytes: peak, growthBytes: peak - before.rss } };
  } finally {
    clearInterval(timer);
  }
}

/** Seconds of processor time that a process has used so far; undefined where the system does not tell. */
export async function cpuSecondsNow(pid: number): Promise<number | undefined> {
  try {
    return cpuSecondsOf(await Deno.readTextFile(`/proc/${pid}/stat`));
  } catch {
    return undefined; // No such process or no Linux: not measured, and said so in the table.
  }
}

/** Ids of the children of a process; none where the system does not tell them. */
export async function childrenOf(pid: number): Promise<number[]> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
    return text.split(" ").filter((word) => word.trim() !== "").map(Number);
  } catch {
    return []; // It has ended, or this is no Linux: either way there is nothing to wait for.
  }
}

async function readUsage(
  pid: number,
): Promise<{ cpuSeconds: number; rss: number; peak: number } | undefined> {
  try {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const [rss, peak] = [statusBytes(status, "VmRSS"), statusBytes(status, "VmHWM")];
    return { cpuSeconds: cpuSecondsOf(stat), rss, peak };
  } catch {
    return undefined; // No such process or no Linux: not measured, and said so in the table.
  }
}

/** Sets the peak back to the present, where that is allowed. */
async function resetPeak(pid: number): Promise<boolean> {
  try {
    await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5", { create: false });
    return true;
  } catch {
    return false; // Not allowed here: samples tell the peak instead.
  }
}
