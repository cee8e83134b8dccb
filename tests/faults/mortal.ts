/**
 * A program that is killed and started again, over and over: one life after the other, each with the failpoint
 * at which it is to die, and how long each took until it was ready.
 *
 * @module
 */

import { RunningProgram, type RunningProgramOptions } from "../running_program.ts";
import { pause } from "../until.ts";
import type { Kill, Victim } from "./kill_plan.ts";

/** What a program ends with at an armed failpoint. */
const DIED = 137;
/** Longest time that a failpoint has, from its turn on, to be passed often enough, in milliseconds. */
const FAILPOINT_LIMIT_MS = 1_000;
/** Longer than any of these stories, in milliseconds; a timer holds no more than 2^31. */
const NEVER_MS = 24 * 3_600_000;
const NS_PER_MS = 1e6;

/** How long a program took from its start until it was ready, in milliseconds. */
export interface ReadyTime {
  ms: number;
  /** How much of that its main thread waited for a processor, which others had; 0 where that is not told. */
  waitedMs: number;
}

/** One run of a program, from its start to its end. */
export interface Life {
  readonly program: RunningProgram;
  /** When it was started, by `performance.now()`. */
  readonly startedAt: number;
  /** When it was ready; undefined until then. */
  readyAt: number | undefined;
  /** Whether it has ended. */
  hasEnded: boolean;
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
}

/** How a life ended. */
export interface Death {
  kill: Kill;
  /** Whether it died at its failpoint, by itself. */
  atFailpoint: boolean;
  /** What was wrong with how it ended; undefined for nothing. */
  wrong?: string;
}

/** What a {@linkcode Mortal} is. */
export interface MortalOptions {
  victim: Victim;
  /** Starts the program. */
  start: (options: RunningProgramOptions) => RunningProgram;
  /** Whether a line says that it is ready. */
  isReady: (line: string) => boolean;
  /** Takes every line, after `isReady`. */
  onLine: (line: string) => void;
}

/** One of the two programs over all of its lives; disposing of it kills it. */
export class Mortal implements AsyncDisposable {
  readonly victim: Victim;
  readonly #options: MortalOptions;
  #life: Life | undefined;
  #born = Promise.withResolvers<void>();

  constructor(options: MortalOptions) {
    this.victim = options.victim;
    this.#options = options;
  }

  /** The life under way; undefined while it is dead. */
  get life(): Life | undefined {
    return this.#life?.hasEnded === false ? this.#life : undefined;
  }

  /** Resolves with the life under way or the next one. */
  async alive(): Promise<Life> {
    while (this.life === undefined) await this.#born.promise;
    return this.life;
  }

  /** Starts it; it is to die at the failpoint of `kill`, if that names one. */
  start(kill?: Kill): Life {
    const { start, isReady, onLine } = this.#options;
    const spec = kill?.failpoint && `${kill.failpoint.name}:${kill.failpoint.passage}`;
    const startedAt = performance.now();
    const program = start({
      ...(spec === undefined ? {} : { env: { HB_FAILPOINT: spec } }),
      onLine: (line) => {
        if (life.readyAt === undefined && isReady(line)) life.readyAt = performance.now();
        onLine(line);
      },
    });
    const ended = program.exitCode(NEVER_MS).finally(() => life.hasEnded = true);
    const life: Life = { program, startedAt, readyAt: undefined, hasEnded: false, ended };
    this.#life = life;
    this.#born.resolve();
    this.#born = Promise.withResolvers();
    return life;
  }

  /** Sees to it that a life ends as `kill` wants it; `turn` resolves when its moment has come. */
  async die(life: Life, { kill, turn }: { kill: Kill; turn: Promise<void> }): Promise<Death> {
    await Promise.race([life.ended, turn]);
    if (kill.failpoint !== undefined && !life.hasEnded) {
      await Promise.race([life.ended, pause(FAILPOINT_LIMIT_MS)]);
    }
    const byItself = life.hasEnded;
    life.program.signal(kill.signal);
    const code = await life.ended;
    await life.program[Symbol.asyncDispose]();
    if (!byItself) return { kill, atFailpoint: false, ...this.#stopped(kill, code) };
    const atFailpoint = kill.failpoint !== undefined && code === DIED;
    if (atFailpoint) return { kill, atFailpoint };
    const wrong = `the ${this.victim} ended by itself with ${code}: ${
      life.program.said.slice(-500)
    }`;
    return { kill, atFailpoint, wrong };
  }

  /** What is wrong with the end of a life that was asked to stop. */
  #stopped({ signal }: Kill, code: number): { wrong?: string } {
    if (signal === "SIGKILL" || code === 0) return {};
    return { wrong: `the ${this.victim} ended with ${code} when it was asked to stop` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life?.program[Symbol.asyncDispose]();
  }
}

/** How long a life took until it was ready; call it right then. */
export async function readyTime({ program, startedAt, readyAt = NaN }: Life): Promise<ReadyTime> {
  return { ms: readyAt - startedAt, waitedMs: await processorWaitMs(program.pid) };
}

/** Time that the main thread of a process could have run and did not, in milliseconds. */
async function processorWaitMs(pid: number): Promise<number> {
  try {
    const [, waitedNs] = (await Deno.readTextFile(`/proc/${pid}/schedstat`)).split(" ");
    return Number(waitedNs ?? 0) / NS_PER_MS;
  } catch {
    return 0; // It has ended meanwhile, or this is no Linux: then nothing is taken off.
  }
}
