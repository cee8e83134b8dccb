/**
 * `deno task bench messages`: the same messages to hb and to other servers, in turn, in one run. Prints a table
 * and writes `bench-messages.json`.
 *
 * @module
 */

import { describeMachine } from "./bench_machine.ts";
import { type BenchOutcome, runBench, scratchFolder, talk } from "./bench_run.ts";
import { hbBroker } from "./hb_publisher_bench.ts";
import { MESSAGE_CASES, MESSAGE_TEXT } from "./message_case.ts";
import { MessageLane } from "./message_lane.ts";
import { MESSAGES_USAGE, type MessagesOptions, parseMessagesOptions } from "./messages_options.ts";
import {
  medianRound,
  type MessagesReport,
  messagesText,
  messageTargets,
} from "./messages_report.ts";
import { mosquittoBroker } from "./mosquitto_bench.ts";
import { natsBroker } from "./nats_bench.ts";
import type { Broker } from "./publisher.ts";

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

async function measure(options: MessagesOptions, stopping: AbortSignal): Promise<BenchOutcome> {
  const { quick, rounds, seconds } = options;
  const [machine, loadAverage] = [await describeMachine(), Deno.loadavg()[0] ?? NaN];
  await using scratch = await scratchFolder(options.scratch);
  await using resources = new AsyncDisposableStack();
  const lanes: MessageLane[] = [];
  for (const broker of BROKERS.filter(({ name }) => options.contestants.includes(name))) {
    stopping.throwIfAborted();
    const lane = resources.use(await MessageLane.open(broker, scratch.path));
    if (lane.problem !== undefined) talk(`${broker.name}: ${lane.problem}`);
    lanes.push(lane);
  }
  const cases = MESSAGE_CASES.filter(({ name }) => options.cases.includes(name));
  for (let round = 1; round <= rounds; round++) {
    for (const one of cases) {
      for (const lane of lanes.filter(({ problem }) => problem === undefined)) {
        const told = await lane.run(one, options, stopping);
        talk(`${one.title}, round ${round}: ${lane.broker.name} ${told}`);
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
