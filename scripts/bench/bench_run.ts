/**
 * What the benchmarks of messages and of stalls have in common as programs: signals, exit codes, and the file
 * that a result goes into.
 *
 * @module
 */

import { join } from "node:path";
import { writeText } from "../write_text.ts";
import { problemText } from "./problem_text.ts";

/** The project's folder. */
export const BENCH_ROOT: string = join(import.meta.dirname ?? ".", "..", "..");
/** What ends a run early; Windows knows no SIGTERM. */
const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** What a measurement came to. */
export interface BenchOutcome {
  /** The report for people. */
  readonly text: string;
  /** The same for programs. */
  readonly json: object;
  /** Whether everything that is installed could be measured. */
  readonly isWhole: boolean;
}

/** A benchmark. */
export interface BenchProgram<O extends { readonly help: boolean; readonly out: string }> {
  /** The result is `bench-<name>.json`. */
  readonly name: string;
  /** The text of `--help`. */
  readonly usage: string;
  /** Reads the command line; throws with the reason, for people. */
  parse(args: readonly string[]): O;
  /** Measures; rejects when `stopping` is aborted. */
  measure(options: O, stopping: AbortSignal): Promise<BenchOutcome>;
}

/** Runs what the command line asks for; the exit code. */
export async function runBench<O extends { readonly help: boolean; readonly out: string }>(
  program: BenchProgram<O>,
  args: readonly string[],
): Promise<number> {
  let options: O;
  try {
    options = program.parse(args);
  } catch (error) {
    talk(`bench: error: ${problemText(error)}`);
    return EXIT.usage;
  }
  if (options.help) {
    writeText(Deno.stdout, program.usage);
    return EXIT.done;
  }
  const stopping = new AbortController();
  const stop = () => stopping.abort(new Error("interrupted"));
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  try {
    const { text, json, isWhole } = await program.measure(options, stopping.signal);
    writeText(Deno.stdout, text);
    await writeResult(json, { directory: options.out, name: `bench-${program.name}.json` });
    return isWhole ? EXIT.done : EXIT.failed;
  } catch (error) {
    talk(`bench: error: ${problemText(error, [BENCH_ROOT])}`);
    return stopping.signal.aborted ? EXIT.interrupted : EXIT.failed;
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
  }
}

/** Resolves as `work` does, or rejects with the signal's reason once that is aborted. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A folder that goes away, below `dir`. */
export async function scratchFolder(dir: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "hb-bench-", dir });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Writes a line to stderr. */
export function talk(line: string): void {
  writeText(Deno.stderr, `${line}\n`);
}

async function writeResult(
  json: object,
  { directory, name }: { directory: string; name: string },
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const path = join(await Deno.realPath(directory), name);
  await Deno.writeTextFile(path, `${JSON.stringify(json, null, 2)}\n`);
  // As the project's formatter wants it, for whoever commits the file; it leaves alone what is ignored.
  const args = ["fmt", "--quiet", path];
  await new Deno.Command(Deno.execPath(), { args, cwd: BENCH_ROOT, stderr: "null" }).output();
  talk(`bench: wrote ${join(directory, name)}`);
}
