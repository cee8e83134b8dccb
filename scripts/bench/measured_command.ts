/**
 * A command as a process group of its own, with its processor time and peak memory by GNU time where that is
 * installed.
 *
 * @module
 */

import { join } from "node:path";
// @ts-types="../../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import type { Usage } from "./bench_result.ts";
import { problemText } from "./problem_text.ts";
import { childrenOf } from "./process_usage.ts";

/** Longest time that one command may take, in milliseconds. */
const LIMIT_MS = 15 * 60_000;
/** Longest wait for a daemon to say that it is ready, or for its last children, in milliseconds. */
const PATIENCE_MS = 10_000;
/** Time between two looks at something waited for, in milliseconds. */
const POLL_MS = 10;
/** Lines of stderr that are remembered. */
const MAX_LINES = 200;
const KIB = 1024;

/** What a finished command came to. */
export interface CommandEnd {
  readonly code: number;
  /** Absent where GNU time is not installed or the command was killed. */
  readonly usage?: Usage;
}

/** Whether GNU time is installed. */
export const hasGnuTime: () => boolean = once(() => {
  try {
    const args = ["-f", "%U %S %M", "true"];
    const { stderr } = new Deno.Command("time", { args, stdout: "null" }).outputSync();
    return /^[\d.]+ [\d.]+ \d+\n$/.test(new TextDecoder().decode(stderr));
  } catch {
    return false; // Not installed.
  }
});

/** A running command; disposing of it kills its whole group. */
export class MeasuredCommand implements AsyncDisposable {
  static readonly #running = new Set<MeasuredCommand>();

  /** Kills every one that runs: for a benchmark that has to end. */
  static killAll(): void {
    for (const command of MeasuredCommand.#running) command.#kill("SIGKILL");
  }

  /** The last lines of stderr. */
  readonly stderr: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #usageFile: string | undefined;
  #ended = false;
  #silent = false;

  /** Starts it; `scratch` is a folder for files of its own. */
  constructor(command: readonly string[], scratch: string) {
    this.#usageFile = hasGnuTime() ? join(scratch, `usage-${crypto.randomUUID()}`) : undefined;
    const timed = this.#usageFile === undefined
      ? command
      : ["time", "-f", "%U %S %M", "-o", this.#usageFile, ...command];
    const [program = "", ...args] = timed;
    this.#child = new Deno.Command(program, {
      args,
      env: { NO_COLOR: "1", LC_ALL: "C.UTF-8" },
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#reading = this.#read();
    MeasuredCommand.#running.add(this);
  }

  /** Its exit code and usage, once it ends; one that goes on for too long is killed. */
  async end(): Promise<CommandEnd> {
    const timer = setTimeout(() => this.#kill("SIGKILL"), LIMIT_MS);
    const { code } = await this.#child.status.finally(() => clearTimeout(timer));
    this.#ended = true;
    MeasuredCommand.#running.delete(this);
    await this.#reading;
    const usage = await this.#usage();
    return usage === undefined ? { code } : { code, usage };
  }

  /** As {@linkcode end}, but rejects with what the command said when it failed. */
  async success(): Promise<CommandEnd> {
    const end = await this.end();
    if (end.code === 0) return end;
    throw new Error(problemText(this.stderr.join("\n") || `exit code ${end.code}`));
  }

  /** Ends a daemon as Ctrl-C would, which GNU time survives, once its children have been waited for. */
  async interrupt(): Promise<CommandEnd> {
    const daemon = hasGnuTime() ? (await childrenOf(this.#child.pid))[0] : this.#child.pid;
    await this.#wait(async () => daemon === undefined || (await childrenOf(daemon)).length === 0);
    this.#kill("SIGINT");
    return await this.end();
  }

  /** Resolves once stderr has such a line; rejects when it does not come. */
  async line(matches: RegExp): Promise<void> {
    await this.#wait(() => this.#silent || this.stderr.some((line) => matches.test(line)));
    if (this.stderr.some((line) => matches.test(line))) return;
    throw new Error(this.stderr.at(-1) ?? `Cannot see ${matches}: nothing was said`);
  }

  /** Kills the whole group if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGKILL");
    await this.end();
  }

  #kill(signal: Deno.Signal): void {
    if (this.#ended) return;
    try {
      Deno.kill(-this.#child.pid, signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
  }

  async #wait(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!await condition() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #usage(): Promise<Usage | undefined> {
    if (this.#usageFile === undefined) return undefined;
    const text = await Deno.readTextFile(this.#usageFile).catch(() => ""); // Killed: none was written.
    const found = /^([\d.]+) ([\d.]+) (\d+)$/m.exec(text);
    if (found === null) return undefined;
    const [user, system, peak] = found.slice(1).map(Number);
    return { cpuSeconds: (user ?? NaN) + (system ?? NaN), peakBytes: (peak ?? NaN) * KIB };
  }

  async #read(): Promise<void> {
    const text = this.#child.stderr.pipeThrough(new TextDecoderStream());
    for await (const line of text.pipeThrough(new TextLineStream())) {
      this.stderr.push(line);
      this.stderr.splice(0, this.stderr.length - MAX_LINES);
    }
    this.#silent = true;
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
