/**
 * `deno task simulate`: plays many seeds on all threads and says whether the invariants hold in each; with `--seed`
 * one of them, with its trace.
 *
 * @module
 */

import { judge } from "./invariants.ts";
import { type SeedResult, SeedTotal } from "./seed_result.ts";
import { play } from "./simulation.ts";
import { tellStory } from "./story.ts";
import { parseSimulateOptions, SIMULATE_USAGE, type SimulateOptions } from "./simulate_options.ts";
import { breachLines, seedLine, summaryLines, traceLines } from "./simulate_report.ts";
import { writeText } from "../../scripts/write_text.ts";

/** Time between two lines on how far it is, in milliseconds. */
const PROGRESS_MS = 10_000;
const WORKER = new URL("./seed_worker.ts", import.meta.url);

/** Runs the command line `args`: 0 when all invariants hold, 1 when one does not, 2 when it was asked in a wrong way. */
export async function simulate(
  args: readonly string[],
  ports: { say: (line: string) => void; warn: (line: string) => void },
): Promise<number> {
  let options: SimulateOptions;
  try {
    options = parseSimulateOptions(args);
  } catch (error) {
    ports.warn(error instanceof Error ? error.message : String(error));
    return 2;
  }
  if (options.help) {
    ports.say(SIMULATE_USAGE.trimEnd());
    return 0;
  }
  if (options.seed !== undefined) return replay(options.seed, options, ports.say);
  const { total, seconds } = await playAll(options, ports.say);
  for (const line of breachLines(total.breaches, options)) ports.say(line);
  for (const line of summaryLines(total, { ...options, seconds })) ports.say(line);
  return total.breaches.length === 0 ? 0 : 1;
}

function replay(seed: number, size: SimulateOptions, say: (line: string) => void): number {
  const trace = play(tellStory({ seed, hours: size.hours, clients: size.clients }));
  for (const line of traceLines(trace)) say(line);
  const { breaches } = judge(trace);
  for (const line of breachLines(breaches, size)) say(line);
  say(`seed ${seed}  ${trace.hash}  ${breaches.length} breaches`);
  return breaches.length === 0 ? 0 : 1;
}

async function playAll(
  { seeds, first, hours, clients, jobs, verbose }: SimulateOptions,
  say: (line: string) => void,
): Promise<{ total: SeedTotal; seconds: number }> {
  const total = new SeedTotal();
  const began = performance.now();
  let told = began;
  let next = first;
  const end = first + seeds;
  const onResult = (result: SeedResult) => {
    total.add(result);
    if (verbose) say(seedLine(result));
    const now = performance.now();
    if (verbose || now - told < PROGRESS_MS) return;
    told = now;
    say(`${total.seeds} of ${seeds} seeds, ${total.breaches.length} breaches`);
  };
  const work = async () => {
    const thread = new Worker(WORKER, { type: "module" });
    try {
      while (next < end) {
        onResult(await ask(thread, { seed: next++, hours, clients }));
      }
    } finally {
      thread.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, work));
  return { total, seconds: (performance.now() - began) / 1000 };
}

function ask(thread: Worker, question: object): Promise<SeedResult> {
  return new Promise((resolve, reject) => {
    thread.onmessage = ({ data }) => resolve(data as SeedResult);
    thread.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot play a seed: ${event.message}`));
    };
    thread.postMessage(question);
  });
}

if (import.meta.main) {
  const say = (line: string) => writeText(Deno.stdout, `${line}\n`);
  const warn = (line: string) => writeText(Deno.stderr, `${line}\n`);
  Deno.exit(await simulate(Deno.args, { say, warn }));
}
