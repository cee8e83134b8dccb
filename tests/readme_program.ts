/**
 * Runs the README's commands as they stand there: `hbserver …`, `hbclient …` and `deno task …`, with the data
 * directory and the ports of the test in the environment instead of on the command line.
 *
 * @module
 */

import { join } from "node:path";
// @ts-types="../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import { type BuildConfig, permissionFlags, PROGRAMS } from "../scripts/build_plan.ts";

/** Longest wait for anything, in milliseconds; a busy machine type-checks nothing but starts slowly. */
const LIMIT_MS = 30_000;

const ROOT = join(import.meta.dirname ?? ".", "..");

/** Where a command runs. */
export interface ReadmeStage {
  /** Working directory of `hbserver` and `hbclient`. */
  directory: string;
  /** Variables that take the place of options which the README leaves to their defaults. */
  env: Record<string, string>;
}

/** What a finished command printed. */
export interface ReadmeResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The words of a command line, quotes taken off. */
export function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
}

/** Runs a command to its end. */
export async function runReadme(command: string, stage: ReadmeStage): Promise<ReadmeResult> {
  const { code, stdout, stderr } = await prepare(command, { stage, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A command that goes on until it is told to stop. */
export class RunningCommand implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #lines: string[] = [];
  #reading: Promise<unknown>;
  #wake = Promise.withResolvers<void>();
  #ended = false;

  /** Starts it. */
  constructor(command: string, stage: ReadmeStage) {
    this.#child = prepare(command, { stage, stdin: "piped" }).spawn();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    void this.#child.status.then(() => {
      this.#ended = true;
      this.#wake.resolve();
    });
  }

  /** Resolves with the first line that matches. */
  async line(matches: RegExp): Promise<string> {
    const deadline = performance.now() + LIMIT_MS;
    while (true) {
      const found = this.#lines.find((line) => matches.test(line));
      if (found !== undefined) return found;
      if (performance.now() > deadline || this.#ended) {
        throw new Error(`Cannot see ${matches} in:\n${this.#lines.join("\n")}`);
      }
      this.#wake = Promise.withResolvers();
      const timer = setTimeout(this.#wake.resolve, 500);
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  /** Asks it to end as a service manager would, and resolves with its exit code. */
  async stop(): Promise<number> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    await this.#child.stdin.close().catch(() => {
      // The pipe went with the process.
    });
    await this.#reading;
    return code;
  }

  /** Ends it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const text = stream.pipeThrough(new TextDecoderStream());
    for await (const line of text.pipeThrough(new TextLineStream())) {
      this.#lines.push(line);
      this.#wake.resolve();
    }
  }
}

function prepare(
  line: string,
  { stage, stdin }: { stage: ReadmeStage; stdin: "null" | "piped" },
): Deno.Command {
  const [name = "", ...args] = wordsOf(line);
  const program = PROGRAMS.find((one) => one.name === name);
  const config: BuildConfig = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  return new Deno.Command(Deno.execPath(), {
    // A task only runs in the project; the programs run wherever their user is.
    args: program === undefined
      ? args
      : ["run", ...permissionFlags(config, program), join(ROOT, program.main), ...args],
    cwd: program === undefined ? ROOT : stage.directory,
    env: { NO_COLOR: "1", ...stage.env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}
