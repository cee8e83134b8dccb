/**
 * A process that goes on until the test is done with it, its output line by line.
 *
 * @module
 */

// @ts-types="../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import { cleanEnvironment, type ProgramPlace } from "./program.ts";
import { PATIENCE_MS, within } from "./until.ts";

/** Where and how a {@linkcode RunningProgram} runs. */
export interface RunningProgramOptions extends ProgramPlace {
  /** Called with each line of stdout or stderr, as it comes. */
  onLine?: (line: string) => void;
}

/** A running process; disposing of it kills it if it still runs. */
export class RunningProgram implements AsyncDisposable {
  /** Lines of stdout so far. */
  readonly stdout: string[] = [];
  /** Lines of stderr so far. */
  readonly stderr: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<unknown>;
  readonly #onLine: ((line: string) => void) | undefined;
  #wake = Promise.withResolvers<void>();
  #ended = false;

  /** Starts a command, the program first. */
  constructor([command = "", ...args]: string[], options: RunningProgramOptions = {}) {
    const { cwd, env } = options;
    this.#onLine = options.onLine;
    this.#child = new Deno.Command(command, {
      args,
      ...(cwd === undefined ? {} : { cwd }),
      clearEnv: true,
      env: cleanEnvironment(env),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    const read = [
      this.#read(this.#child.stdout, this.stdout),
      this.#read(this.#child.stderr, this.stderr),
    ];
    this.#reading = Promise.all(read).finally(() => {
      this.#ended = true;
      this.#wake.resolve();
    });
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Everything that it said on stderr and stdout, for errors. */
  get said(): string {
    return [...this.stderr, ...this.stdout].join("\n");
  }

  /** Resolves with the first line, of stdout or stderr, that matches. */
  async line(matches: RegExp, timeoutMs = PATIENCE_MS): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const found = this.stderr.find((line) => matches.test(line)) ??
        this.stdout.find((line) => matches.test(line));
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (this.#ended || left <= 0) throw new Error(`Cannot see ${matches} in:\n${this.said}`);
      this.#wake = Promise.withResolvers();
      const timer = setTimeout(this.#wake.resolve, left);
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Sends it a signal; nothing happens when it has ended. */
  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Its exit code, once it ends. */
  async exitCode(timeoutMs = PATIENCE_MS): Promise<number> {
    const what = `the end of process ${this.pid}`;
    const { code } = await within(this.#child.status, { what, timeoutMs });
    await this.#reading;
    return code;
  }

  /** Kills it if it still runs, and lets go of its pipes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
    await this.#reading;
    await this.#stdin.close().catch(() => {
      // The pipe went with the process.
    });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, lines: string[]): Promise<void> {
    const text = stream.pipeThrough(new TextDecoderStream());
    for await (const line of text.pipeThrough(new TextLineStream())) {
      lines.push(line);
      this.#onLine?.(line);
      this.#wake.resolve();
    }
  }
}
