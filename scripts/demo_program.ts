/**
 * One of the two programs as a child process of the demo: its output line by line, its input, its end.
 *
 * @module
 */

// @ts-types="../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import { type BuildConfig, permissionFlags, type Program, PROGRAMS } from "./build_plan.ts";

/** Lines that are remembered per process; a demo prints far fewer. */
const MAX_LINES = 10_000;

/** What the demo runs programs with. */
export interface DemoStage {
  /** The project's root. */
  root: string;
  config: BuildConfig;
}

/** A program that runs beside the demo. */
export class DemoProgram implements AsyncDisposable {
  /** What it has printed on stdout and stderr, in order of arrival. */
  readonly lines: string[] = [];
  #child: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #reading: Promise<unknown>;
  #waiting = new Set<() => void>();
  #ended = false;

  /** Starts `hbserver` or `hbclient` from source with the permissions of its task. */
  constructor(stage: DemoStage, name: Program["name"], args: readonly string[]) {
    this.#child = command(stage, name, args, "piped").spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    void this.#child.status.then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Resolves with the first line, new or old, that `matches`; rejects after `limitMs` or at its end. */
  async line(matches: RegExp, limitMs: number): Promise<string> {
    const deadline = performance.now() + limitMs;
    while (true) {
      const found = this.lines.find((line) => matches.test(line));
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0 || this.#ended) {
        const why = this.#ended ? "it has ended" : `${limitMs} ms passed`;
        throw new Error(`Cannot see ${matches}: ${why}\n${this.lines.slice(-20).join("\n")}`);
      }
      await this.#nextChange(left);
    }
  }

  /** Ends it without warning, as a power cut would. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#finish();
  }

  /** Asks it to end, and waits for its exit code. */
  async stop(): Promise<number> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    return await this.#finish();
  }

  /** Ends it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #finish(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#input.close().catch(() => {
      // Its end of the pipe is gone with the process.
    });
    await this.#reading;
    return code;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const text = stream.pipeThrough(new TextDecoderStream());
    for await (const line of text.pipeThrough(new TextLineStream())) {
      this.lines.push(line);
      this.lines.splice(0, this.lines.length - MAX_LINES);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #nextChange(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}

/** Runs a program to its end; its stdout, or an error with its stderr when it failed. */
export async function runProgram(
  stage: DemoStage,
  name: Program["name"],
  args: readonly string[],
): Promise<string> {
  const { success, stdout, stderr } = await command(stage, name, args, "null").output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot run ${name} ${args[0]}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

function command(
  { root, config }: DemoStage,
  name: Program["name"],
  args: readonly string[],
  stdin: "piped" | "null",
): Deno.Command {
  const program = PROGRAMS.find((one) => one.name === name);
  if (program === undefined) throw new TypeError(`Cannot run "${name}": it is no program of ours`);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionFlags(config, program), program.main, ...args],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}
