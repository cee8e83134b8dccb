/**
 * The case of heartbeats beside uploads: how long an idle client waits for its BEAT while four others send a
 * file each, and whether the server thought ill of anybody.
 *
 * @module
 */

import { RunningClient } from "../../tests/running_client.ts";
import { RunningServer } from "../../tests/running_server.ts";
import { Peer } from "../../tests/peer.ts";
import { type HeartbeatResult, latencyOf } from "./bench_result.ts";
import { type Arena, secondsSince } from "./contestant.ts";
import type { Payload } from "./files_case.ts";
import { sendCommandLine } from "./hb_bench.ts";
import { MeasuredCommand } from "./measured_command.ts";
import { watchProcess } from "./process_usage.ts";

/** Uploads at the same time. */
export const PARALLEL_UPLOADS = 4;
/** Time between two heartbeats of the probe, in milliseconds. */
const PROBE_MS = 50;
/** Time of the measurement before the uploads, in milliseconds. */
const IDLE_MS = 3_000;
/** Longest wait for the last answers, in milliseconds. */
const LAST_ANSWERS_MS = 5_000;

/** A client that does nothing but heartbeats and measures their round trips; disposing of it closes it. */
class Probe implements AsyncDisposable {
  readonly #peer: Peer;
  readonly #reading: Promise<void>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #sentAt = new Map<number, number>();
  #times: number[] = [];
  #lateness: number[] = [];
  #firedAt = performance.now();
  #seq = 0;
  #ended: string | undefined;

  constructor(peer: Peer) {
    this.#peer = peer;
    this.#reading = this.#read();
    this.#timer = setInterval(() => this.#beat(), PROBE_MS);
  }

  /** Round trips since the last call, those still under way by their age, and how late its timer was; in ms. */
  async take(): Promise<{ times: number[]; lateness: number[] }> {
    const last = this.#seq - 1;
    const deadline = performance.now() + LAST_ANSWERS_MS;
    while (this.#isWaitingFor(last) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
    if (this.#ended !== undefined) throw new Error(`Cannot measure heartbeats: ${this.#ended}`);
    const overdue = [...this.#sentAt].filter(([seq]) => seq <= last)
      .map(([, at]) => performance.now() - at);
    const taken = { times: [...this.#times, ...overdue], lateness: this.#lateness };
    this.#times = [];
    this.#lateness = [];
    return taken;
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#peer.connection.close();
    await this.#reading;
  }

  #isWaitingFor(last: number): boolean {
    return this.#ended === undefined && [...this.#sentAt.keys()].some((seq) => seq <= last);
  }

  #beat(): void {
    const seq = this.#seq++;
    const now = performance.now();
    this.#lateness.push(Math.max(0, now - this.#firedAt - PROBE_MS));
    this.#firedAt = now;
    this.#sentAt.set(seq, now);
    this.#peer.send({ verb: "HEARTBEAT", seq, at: Date.now() });
  }

  async #read(): Promise<void> {
    try {
      while (true) {
        const frame = await this.#peer.connection.readFrame();
        if (frame === null) break;
        if (frame.verb === "PING") this.#peer.send({ verb: "PONG", n: frame.n });
        if (frame.verb !== "BEAT") continue;
        const sentAt = this.#sentAt.get(frame.seq);
        this.#sentAt.delete(frame.seq);
        if (sentAt !== undefined) this.#times.push(performance.now() - sentAt);
      }
      this.#ended = "the server closed the connection";
    } catch (error) {
      this.#ended = String(error);
    }
  }
}

/** Runs the case over TLS; `payload` is what each of the uploads sends. */
export async function measureHeartbeats(
  { directory, scratch }: Arena,
  { payload, title }: { payload: Payload; title: string },
): Promise<HeartbeatResult> {
  await using server = await RunningServer.start({
    data: `${directory}/server`,
    args: ["--interval", "1"],
  });
  await using clients = new AsyncDisposableStack();
  const senders: RunningClient[] = [];
  for (let number = 1; number <= PARALLEL_UPLOADS; number++) {
    senders.push(clients.use(await RunningClient.start(server, `sender-${number}`)));
  }
  const join = await server.invite("--name", "probe");
  await using probe = new Probe(await Peer.connect(server, { join, tls: true }));
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const idle = latencyOf((await probe.take()).times);
  const upload = async ({ data }: RunningClient) => {
    await using command = new MeasuredCommand(sendCommandLine(data, payload.path), scratch);
    await command.success();
  };
  const startedAt = performance.now();
  const { usage } = await watchProcess(
    server.program.pid,
    () => Promise.all(senders.map(upload)),
  );
  const seconds = secondsSince(startedAt);
  const taken = await probe.take();
  const [busy, lateness] = [latencyOf(taken.times), latencyOf(taken.lateness)];
  const states = (await server.log("state")).filter(({ state }) => state !== "UP")
    .map(({ client, state }) => `${client} ${state}`);
  const growth = usage?.growthBytes;
  return {
    ...{ title, idle, busy, lateness, seconds, states },
    ...(growth === undefined ? {} : { growthPerUploadBytes: growth / PARALLEL_UPLOADS }),
  };
}
