/**
 * What a running process holds at a moment, from Linux's /proc.
 *
 * @module
 */

const KIB = 1024;

/** What a process holds, or has used since its start. */
export interface ProcessSample {
  /** Memory of its own that is in use, in bytes. */
  rss: number;
  /** Open file descriptors. */
  descriptors: number;
  /** Threads. */
  threads: number;
  /** How often its main thread has gone to sleep until something woke it. */
  wakeups: number;
}

/** The figures of a text of /proc/PID/status; NaN where one is absent. */
export function statusFigures(status: string): Omit<ProcessSample, "descriptors"> {
  const figure = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? NaN);
  return {
    rss: figure("VmRSS") * KIB,
    threads: figure("Threads"),
    wakeups: figure("voluntary_ctxt_switches"),
  };
}

/** Looks at a process; rejects when it has ended or this is no Linux. */
export async function sampleProcess(pid: number): Promise<ProcessSample> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  let descriptors = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) descriptors++;
  return { ...statusFigures(status), descriptors };
}

/** Size of a file in bytes; 0 where there is none. */
export async function fileBytes(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return 0;
  }
}
