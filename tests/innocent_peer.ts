/**
 * A client that does everything right while others misbehave, and that notices whether it is served as ever.
 *
 * @module
 */

import { assertEquals, assertLess } from "@std/assert";
import { Peer, type PeerOptions } from "./peer.ts";
import type { LogLine, RunningServer } from "./running_server.ts";
import { until } from "./until.ts";

/** Time between its heartbeats, in milliseconds: a busy test may hold four of them up before it is LATE. */
const BEAT_MS = 250;
/** Longest time that an answer may take, in milliseconds. */
const ANSWER_LIMIT_MS = 1_000;

/** A client under watch; disposing of it closes its connection. */
export class InnocentPeer implements AsyncDisposable {
  readonly #server: RunningServer;
  readonly #peer: Peer;
  readonly #serving: Promise<void>;
  #timer: ReturnType<typeof setInterval>;
  #sentAt = new Map<number, number>();
  #seq = 0;
  #slowest = 0;
  #answers = 0;
  #beatAt = performance.now();
  #longestPause = 0;
  #ended: string | undefined;

  private constructor(server: RunningServer, peer: Peer) {
    this.#server = server;
    this.#peer = peer;
    this.#serving = this.#serve();
    this.#beat();
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  /** Connects to a server that runs with `--interval 1` or more. */
  static async connect(server: RunningServer, options: PeerOptions = {}): Promise<InnocentPeer> {
    return new InnocentPeer(server, await Peer.connect(server, { name: "innocent", ...options }));
  }

  /**
   * Fails unless every heartbeat was answered within a second and the server never thought ill of it. On a busy
   * machine this process may itself have paused so long that, with the longest way of a heartbeat, it was late.
   */
  async assertUnharmed(): Promise<void> {
    // It goes on beating while the server is asked: a pause of its own would make it LATE.
    const states: LogLine[] = await this.#server.log("state,alert", this.#peer.ack.name);
    const sent = this.#seq;
    await until(() => this.#answers >= sent || this.#ended !== undefined, {
      what: "the last BEAT",
      timeoutMs: ANSWER_LIMIT_MS,
      everyMs: 10,
    });
    assertEquals(this.#ended, undefined, "the innocent client lost its connection");
    assertLess(this.#slowest, ANSWER_LIMIT_MS, "the innocent client waited for its BEAT");
    const shown = states.map(({ state }) => state);
    const { late } = this.#peer.ack;
    if (this.#longestPause + this.#slowest < late) assertEquals(shown, ["UP"]);
    else assertEquals(shown.at(-1), "UP", `its own pause was ${this.#longestPause} ms`);
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#peer.connection.close();
    await this.#serving;
  }

  #beat(): void {
    const now = performance.now();
    this.#longestPause = Math.max(this.#longestPause, now - this.#beatAt);
    this.#beatAt = now;
    const seq = this.#seq++;
    this.#sentAt.set(seq, now);
    this.#peer.send({ verb: "HEARTBEAT", seq, at: Date.now() });
  }

  async #serve(): Promise<void> {
    try {
      while (true) {
        const frame = await this.#peer.connection.readFrame();
        if (frame === null) break;
        if (frame.verb === "PING") this.#peer.send({ verb: "PONG", n: frame.n });
        if (frame.verb !== "BEAT") continue;
        this.#answers++;
        const took = performance.now() - (this.#sentAt.get(frame.seq) ?? 0);
        this.#slowest = Math.max(this.#slowest, took);
      }
      this.#ended = "the server closed it";
    } catch (error) {
      this.#ended = String(error);
    }
  }
}
