/**
 * `deno task bench stalls`: how late the server's main thread gets to what is due, at rest and while its store's
 * commits are slow, clients upload, heartbeats come and messages flow. Writes `bench-stalls.json`.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { uuidV7 } from "../../platform/random.ts";
import { Peer } from "../../tests/peer.ts";
import { RunningClient } from "../../tests/running_client.ts";
import { RunningProgram } from "../../tests/running_program.ts";
import { RunningServer } from "../../tests/running_server.ts";
import { pause } from "../../tests/until.ts";
import { describeMachine } from "./bench_machine.ts";
import { type Latency, latencyOf } from "./bench_result.ts";
import { type BenchOutcome, runBench, scratchFolder, talk, unlessAborted } from "./bench_run.ts";
import { secondsSince } from "./contestant.ts";
import { makePayload, type Payload, touchPayload } from "./files_case.ts";
import { sendCommandLine } from "./hb_bench.ts";
import { MeasuredCommand } from "./measured_command.ts";
import { MESSAGE_TEXT } from "./message_case.ts";
import { parseStallsOptions, STALLS_USAGE, type StallsOptions } from "./stalls_options.ts";
import { type StallsPhase, type StallsReport, stallsTargets, stallsText } from "./stalls_report.ts";

/** Clients that upload, one file after the other. */
const UPLOADERS = 4;
/** Size of each file, in bytes. */
const UPLOAD_BYTES = { full: 200_000_000, quick: 20_000_000 };
/** Clients that beat and send messages. */
const PEERS = 20;
const BEAT_MS = 1_000;
/** Time between two messages of one client, in milliseconds: together they send 50 a second. */
const MESSAGE_MS = 400;
/** What is not measured at the start of a phase, in milliseconds. */
const SETTLE_MS = 1_000;
const SERVER_SCRIPT = join(import.meta.dirname ?? ".", "stalls_server.ts");

/** A client that beats and, once asked, sends messages; disposing of it closes it. */
class Talker implements AsyncDisposable {
  readonly #peer: Peer;
  readonly #reading: Promise<void>;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #beatsAt = new Map<number, number>();
  readonly #messagesAt = new Map<string, number>();
  readonly beats: number[] = [];
  readonly messages: number[] = [];
  #seq = 0;
  #isLeaving = false;
  #problem: unknown;

  constructor(peer: Peer) {
    this.#peer = peer;
    this.#timers.push(setInterval(() => this.#beat(), BEAT_MS));
    this.#reading = this.#read().catch((error) => {
      if (!this.#isLeaving) this.#problem = error;
    });
  }

  startMessages(): void {
    this.#timers.push(setInterval(() => this.#message(), MESSAGE_MS));
  }

  /** Throws when its connection has ended. */
  check(): void {
    if (this.#problem !== undefined) throw this.#problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeaving = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#peer.connection.close();
    await this.#reading;
  }

  #beat(): void {
    const seq = this.#seq++;
    this.#beatsAt.set(seq, performance.now());
    this.#peer.send({ verb: "HEARTBEAT", seq, at: Date.now() });
  }

  #message(): void {
    const id = uuidV7(systemClock);
    this.#messagesAt.set(id, performance.now());
    this.#peer.send({ verb: "MESSAGE", id, at: Date.now(), text: MESSAGE_TEXT });
  }

  async #read(): Promise<void> {
    while (true) {
      const frame = await this.#peer.connection.readFrame();
      if (frame === null) throw new Error("Cannot read on: the server closed the connection");
      if (frame.verb === "PING") this.#peer.send({ verb: "PONG", n: frame.n });
      if (frame.verb === "BEAT") note(this.#beatsAt, { key: frame.seq, times: this.beats });
      if (frame.verb === "REFUSE") throw new Error(`Cannot send on: ${frame.reason}`);
      if (frame.verb !== "RECEIPT") continue;
      for (const id of frame.ids) note(this.#messagesAt, { key: id, times: this.messages });
    }
  }
}

function note<K>(sentAt: Map<K, number>, { key, times }: { key: K; times: number[] }): void {
  const at = sentAt.get(key);
  sentAt.delete(key);
  if (at !== undefined) times.push(performance.now() - at);
}

/** The server and the bystander, whose timers are compared. */
class Pair {
  readonly #programs: readonly RunningProgram[];

  constructor(programs: readonly RunningProgram[]) {
    this.#programs = programs;
  }

  /** Ends a phase: the lateness of both since the last one. */
  async phase(name: string): Promise<StallsPhase> {
    const [server, bystander] = await Promise.all(this.#programs.map(async (program) => {
      await program.type(name);
      const line = await program.line(new RegExp(`^\\{"phase":"${name}"`));
      const said: { lateness: Latency; own?: Latency } = JSON.parse(line);
      return said;
    }));
    if (server === undefined || bystander === undefined) throw new Error("Cannot see both timers");
    const { lateness, own } = server;
    return {
      server: lateness,
      bystander: bystander.lateness,
      ...(own === undefined ? {} : { serverOwn: own }),
    };
  }
}

async function startPair(
  { data, commitMs }: { data: string; commitMs: number },
  resources: AsyncDisposableStack,
): Promise<{ server: RunningServer; pair: Pair }> {
  const server = resources.use(
    await RunningServer.start({
      data,
      args: ["--interval", "1", "--commit-ms", String(commitMs)],
      wrap: wrapServer,
    }),
  );
  const bare = [Deno.execPath(), "run", "--no-prompt", SERVER_SCRIPT, "--bare"];
  const bystander = resources.use(new RunningProgram(bare));
  return { server, pair: new Pair([server.program, bystander]) };
}

/** The server's own flags, but for the script that it runs and what that wants to know of the system. */
function wrapServer(command: string[]): string[] {
  return command.filter((word) => !word.startsWith("--allow-"))
    .flatMap((word) => word.endsWith("server/main.ts") ? ["--allow-all", SERVER_SCRIPT] : [word]);
}

async function measure(options: StallsOptions, stopping: AbortSignal): Promise<BenchOutcome> {
  const { quick, seconds, commitMs } = options;
  const [machine, loadAverage] = [await describeMachine(), Deno.loadavg()[0] ?? NaN];
  await using scratch = await scratchFolder(options.scratch);
  await using resources = new AsyncDisposableStack();
  const data = join(scratch.path, "server");
  const { server, pair } = await startPair({ data, commitMs }, resources);
  const uploaders: Uploader[] = [];
  for (let number = 1; number <= UPLOADERS; number++) {
    const client = resources.use(await RunningClient.join(server, `uploader-${number}`));
    uploaders.push(await makeUploader(client, { scratch: scratch.path, quick }));
  }
  await pair.phase("start");
  await unlessAborted(pause(SETTLE_MS), stopping);
  await pair.phase("settled");
  talk(`at rest for ${seconds} s`);
  await unlessAborted(pause(seconds * 1_000), stopping);
  const idle = await pair.phase("idle");
  const talkers = await startTalkers(server, resources);
  await unlessAborted(pause(SETTLE_MS), stopping);
  await pair.phase("talking");
  talk(`under load for at least ${seconds} s`);
  const startedAt = performance.now();
  for (const talker of talkers) talker.startMessages();
  const done = () => secondsSince(startedAt) >= seconds;
  const uploading = Promise.all(uploaders.map((uploader) => uploadUntil(done, uploader)));
  const counts = await unlessAborted(uploading, stopping);
  const load = { seconds: secondsSince(startedAt), ...uploadsOf(counts, uploaders) };
  const busy = { ...await pair.phase("busy"), ...load, ...answersTo(talkers) };
  return outcome({ machine, loadAverage, quick, seconds, commitMs, idle, busy });
}

/** A client that uploads one file again and again. */
interface Uploader {
  /** The client's data directory. */
  readonly data: string;
  readonly payload: Payload;
  /** A folder for notes. */
  readonly scratch: string;
}

async function makeUploader(
  { name, data }: RunningClient,
  { scratch, quick }: { scratch: string; quick: boolean },
): Promise<Uploader> {
  const directory = join(scratch, `from-${name}`);
  await Deno.mkdir(directory);
  const fileBytes = quick ? UPLOAD_BYTES.quick : UPLOAD_BYTES.full;
  const file = { name: "one", title: "", files: 1, fileBytes } as const;
  return { data, payload: await makePayload(file, directory), scratch };
}

function uploadsOf(counts: readonly number[], uploaders: readonly Uploader[]) {
  const uploads = counts.reduce((sum, count) => sum + count, 0);
  return { uploads, uploadedBytes: uploads * (uploaders[0]?.payload.bytes ?? 0) };
}

/** How long answers took; throws when a talker has lost its connection. */
function answersTo(talkers: readonly Talker[]) {
  for (const talker of talkers) talker.check();
  return {
    messages: latencyOf(talkers.flatMap(({ messages }) => messages)),
    beats: latencyOf(talkers.flatMap(({ beats }) => beats)),
  };
}

async function startTalkers(
  server: RunningServer,
  resources: AsyncDisposableStack,
): Promise<Talker[]> {
  const join = await server.invite("--uses", String(PEERS));
  const talkers: Talker[] = [];
  for (let number = 0; number < PEERS; number++) {
    const peer = await Peer.connect(server, { join, name: `talker-${number}`, tls: true });
    talkers.push(resources.use(new Talker(peer)));
  }
  return talkers;
}

/** Sends the same file again and again, as new each time; the number of times. */
async function uploadUntil(
  done: () => boolean,
  { data, payload, scratch }: Uploader,
): Promise<number> {
  let count = 0;
  while (!done()) {
    await touchPayload(payload);
    await using command = new MeasuredCommand(sendCommandLine(data, payload.path), scratch);
    await command.success();
    count++;
  }
  return count;
}

function outcome(report: StallsReport): BenchOutcome {
  const json = { ...report, targets: stallsTargets(report) };
  return { text: stallsText(report), json, isWhole: true };
}

if (import.meta.main) {
  const code = await runBench({
    name: "stalls",
    usage: STALLS_USAGE,
    parse: parseStallsOptions,
    measure,
  }, Deno.args);
  MeasuredCommand.killAll();
  Deno.exit(code);
}
