/**
 * `deno task bench messages`: the same messages to hb and to other servers, in turn, in one run. Prints a table
 * and writes `bench-messages.json`.
 *
 * @module
 */

import { join } from "node:path";
import { ROOT } from "../../tests/program.ts";
import { describeMachine } from "./bench_machine.ts";
import { latencyOf } from "./bench_result.ts";
import { type BenchOutcome, runBench, scratchFolder, talk, unlessAborted } from "./bench_run.ts";
import { hbBroker } from "./hb_publisher_bench.ts";
import { MESSAGE_CASES, MESSAGE_TEXT, type MessageCase } from "./message_case.ts";
import { MESSAGES_USAGE, type MessagesOptions, parseMessagesOptions } from "./messages_options.ts";
import {
  medianRound,
  type MessageEntry,
  type MessageRound,
  type MessagesReport,
  messagesText,
  messageTargets,
} from "./messages_report.ts";
import { mosquittoBroker } from "./mosquitto_bench.ts";
import { natsBroker } from "./nats_bench.ts";
import { problemText } from "./problem_text.ts";
import { cpuSecondsNow } from "./process_usage.ts";
import type { Broker, ReadyBroker } from "./publisher.ts";
import { publishLoad } from "./publish_load.ts";

/** Everybody, in the order of the table and of each round. */
const BROKERS: readonly Broker[] = [
  hbBroker("hb-plain", { plaintext: true }),
  hbBroker("hb-tls", { plaintext: false }),
  mosquittoBroker,
  natsBroker("nats", {
    syncAlways: false,
    acknowledged: "PubAck: the message is written to a file and not synced; fsync every 2 min",
  }),
  natsBroker("nats-sync", {
    syncAlways: true,
    acknowledged: "PubAck: the message is written and synced",
  }),
];

/** Time before each measurement, in milliseconds. */
const WARM_UP_MS = { full: 1_000, quick: 200 };

/** One contestant's way through the run; disposing of it ends its server. */
class Lane implements AsyncDisposable {
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
  static async open(broker: Broker, scratch: string): Promise<Lane> {
    const lane = new Lane(broker, join(scratch, broker.name));
    const missing = await broker.missing();
    if (missing === undefined) await lane.#attempt(() => lane.#open());
    else lane.#problem = `missing: ${missing}`;
    return lane;
  }

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
      this.#problem = `failed: ${problemText(error, [this.#directory, ROOT])}`;
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

async function measure(options: MessagesOptions, stopping: AbortSignal) {
  const { quick, rounds, seconds } = options;
  const [machine, loadAverage] = [await describeMachine(), Deno.loadavg()[0] ?? NaN];
  await using scratch = await scratchFolder(options.scratch);
  await using resources = new AsyncDisposableStack();
  const lanes: Lane[] = [];
  for (const broker of BROKERS.filter(({ name }) => options.contestants.includes(name))) {
    stopping.throwIfAborted();
    const lane = resources.use(await Lane.open(broker, scratch.path));
    if (lane.problem !== undefined) talk(`${broker.name}: ${lane.problem}`);
    lanes.push(lane);
  }
  const cases = MESSAGE_CASES.filter(({ name }) => options.cases.includes(name));
  for (let round = 1; round <= rounds; round++) {
    for (const one of cases) {
      for (const lane of lanes.filter(({ problem }) => problem === undefined)) {
        const outcome = await lane.run(one, options, stopping);
        talk(`${one.title}, round ${round}: ${lane.broker.name} ${outcome}`);
      }
    }
  }
  const results = cases.map((one) => ({
    ...one,
    entries: lanes.map((lane) => lane.entry(one.name)),
  }));
  const contestants = lanes.map(({ broker: { name, about, acknowledged } }) => (
    { name, about, acknowledged }
  ));
  const textBytes = MESSAGE_TEXT.length;
  return outcome({
    machine,
    loadAverage,
    quick,
    rounds,
    seconds,
    textBytes,
    contestants,
    cases: results,
  });
}

function outcome(report: MessagesReport): BenchOutcome {
  const cases = report.cases.map((one) => ({
    ...one,
    entries: one.entries.map((entry) => ({ ...entry, median: medianRound(entry.rounds) })),
  }));
  return {
    text: messagesText(report),
    json: { ...report, cases, targets: messageTargets(report) },
    isWhole: report.cases.every(({ entries }) =>
      entries.every(({ problem }) => !problem?.startsWith("failed"))
    ),
  };
}

if (import.meta.main) {
  const code = await runBench({
    name: "messages",
    usage: MESSAGES_USAGE,
    parse: (args) => parseMessagesOptions(args, BROKERS.map(({ name }) => name)),
    measure,
  }, Deno.args);
  Deno.exit(code);
}
