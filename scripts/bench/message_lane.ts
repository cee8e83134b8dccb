/**
 * One contestant's way through the message benchmark: it is started once, measured in turn with the others, and its
 * first problem is kept instead of ending everybody's run.
 *
 * @module
 */

import { join } from "node:path";
import { latencyOf } from "./bench_result.ts";
import { BENCH_ROOT, unlessAborted } from "./bench_run.ts";
import { MESSAGE_TEXT, type MessageCase } from "./message_case.ts";
import type { MessagesOptions } from "./messages_options.ts";
import type { MessageEntry, MessageRound } from "./messages_report.ts";
import { problemText } from "./problem_text.ts";
import { cpuSecondsNow } from "./process_usage.ts";
import type { Broker, ReadyBroker } from "./publisher.ts";
import { publishLoad } from "./publish_load.ts";

/** Time before each measurement, in milliseconds. */
const WARM_UP_MS = { full: 1_000, quick: 200 };

/** A lane; disposing of it ends its server. */
export class MessageLane implements AsyncDisposable {
  /** The contestant. */
  readonly broker: Broker;
  readonly #directory: string;
  readonly #rounds = new Map<string, MessageRound[]>();
  #ready: ReadyBroker | undefined;
  #problem: string | undefined;

  private constructor(broker: Broker, directory: string) {
    this.broker = broker;
    this.#directory = directory;
  }

  /** Starts the contestant, or notes why it cannot be started. */
  static async open(broker: Broker, scratch: string): Promise<MessageLane> {
    const lane = new MessageLane(broker, join(scratch, broker.name));
    const missing = await broker.missing();
    if (missing === undefined) await lane.#attempt(() => lane.#open());
    else lane.#problem = `missing: ${missing}`;
    return lane;
  }

  /** Why it is out, if so: `missing: …` or `failed: …`. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** What it came to in a case. */
  entry(caseName: string): MessageEntry {
    const rounds = this.#rounds.get(caseName) ?? [];
    const problem = this.#problem;
    return { contestant: this.broker.name, rounds, ...(problem === undefined ? {} : { problem }) };
  }

  /** One measurement; what it came to, for people. */
  async run(one: MessageCase, options: MessagesOptions, stopping: AbortSignal): Promise<string> {
    await this.#attempt(async () => {
      if (this.#ready === undefined) return;
      const round = await unlessAborted(measureRound(this.#ready, one, options), stopping);
      this.#rounds.set(one.name, [...this.#rounds.get(one.name) ?? [], round]);
    });
    stopping.throwIfAborted();
    const last = this.#rounds.get(one.name)?.at(-1);
    if (this.#problem !== undefined || last === undefined) return `${this.#problem}`;
    const { perSecond, latency: { p50, p99 } } = last;
    return `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(1)} ms`;
  }

  /** Ends its server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ready?.[Symbol.asyncDispose]();
    this.#ready = undefined;
  }

  async #open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true });
    this.#ready = await this.broker.open(this.#directory);
  }

  /** Runs `work`; a failure becomes this lane's problem and ends its server. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.#problem !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.#problem = `failed: ${problemText(error, [this.#directory, BENCH_ROOT])}`;
      await this[Symbol.asyncDispose]();
    }
  }
}

async function measureRound(
  ready: ReadyBroker,
  { senders, window }: MessageCase,
  { quick, seconds }: MessagesOptions,
): Promise<MessageRound> {
  const pids = [ready.pid, Deno.pid];
  const spent = () => Promise.all(pids.map((pid) => cpuSecondsNow(pid)));
  let before: (number | undefined)[] = [];
  let after: (number | undefined)[] = [];
  const publishers = await ready.connect(senders);
  await using _publishers = closeAll(publishers);
  const { seconds: took, acknowledged, times } = await publishLoad(publishers, {
    ...{ text: MESSAGE_TEXT, window, measureMs: seconds * 1_000 },
    warmUpMs: quick ? WARM_UP_MS.quick : WARM_UP_MS.full,
    onMeasure: async () => {
      before = await spent();
    },
    onMeasured: async () => {
      after = await spent();
    },
  });
  const [serverCpu, loadCpu] = pids.map((_, at) => {
    const [start, end] = [before[at], after[at]];
    return start === undefined || end === undefined ? undefined : (end - start) / took;
  });
  return {
    perSecond: acknowledged / took,
    latency: latencyOf(times),
    ...(serverCpu === undefined ? {} : { serverCpu }),
    ...(loadCpu === undefined ? {} : { loadCpu }),
  };
}

function closeAll(publishers: readonly AsyncDisposable[]): AsyncDisposable {
  const close = () => Promise.all(publishers.map((one) => one[Symbol.asyncDispose]()));
  return { [Symbol.asyncDispose]: () => close().then(() => {}) };
}
