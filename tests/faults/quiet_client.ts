/**
 * A client with little to say, of which one process can hold hundreds: it beats, answers, and sends a message now
 * and then.
 *
 * @module
 */

import { Peer, type PeerOptions, type PeerTarget } from "../peer.ts";

/** When a {@linkcode QuietClient} does what. */
export interface QuietClientOptions extends PeerOptions {
  name: string;
  /** Time between two messages, in milliseconds. */
  messageMs: number;
  /** What share of an interval it is ahead of the others, from 0 to 1. */
  offset: number;
}

/** One quiet client; disposing of it closes its connection without a goodbye. */
export class QuietClient implements AsyncDisposable {
  /** Messages of the server that it has received. */
  received = 0;
  /** Messages of its own that the server has stored. */
  stored = 0;
  /** Messages that it has sent. */
  sent = 0;
  /** Why it is not connected any more; undefined while it is. */
  ended: string | undefined;
  readonly #peer: Peer;
  readonly #name: string;
  readonly #serving: Promise<void>;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #seq = 0;

  private constructor(peer: Peer, { name, messageMs, offset }: QuietClientOptions) {
    this.#peer = peer;
    this.#name = name;
    this.#serving = this.#serve();
    this.#beat();
    this.#every(peer.ack.interval, offset, () => this.#beat());
    this.#every(messageMs, offset, () => this.#say());
  }

  /** Connects. */
  static async connect(target: PeerTarget, options: QuietClientOptions): Promise<QuietClient> {
    return new QuietClient(await Peer.connect(target, options), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#peer.connection.close();
    await this.#serving;
  }

  /** Begins within a first period, so that many do not act at the same moment. */
  #every(ms: number, offset: number, run: () => void): void {
    const slot = this.#timers.length;
    const start = () => {
      run();
      this.#timers[slot] = setInterval(run, ms);
    };
    this.#timers.push(setTimeout(start, ms * offset));
  }

  #beat(): void {
    this.#peer.send({ verb: "HEARTBEAT", seq: this.#seq++, at: Date.now() });
  }

  #say(): void {
    const text = `${this.#name} says ${++this.sent}`;
    const id = crypto.randomUUID();
    this.#peer.send({ verb: "MESSAGE", id, at: Date.now(), to: "server", text });
  }

  async #serve(): Promise<void> {
    try {
      while (true) {
        const frame = await this.#peer.connection.readFrame();
        if (frame === null) break;
        if (frame.verb === "PING") this.#peer.send({ verb: "PONG", n: frame.n });
        if (frame.verb === "RECEIPT") this.stored += frame.ids.length;
        if (frame.verb !== "MESSAGE") continue;
        this.received++;
        this.#peer.send({ verb: "RECEIPT", ids: [frame.id], state: "stored" });
      }
      this.ended = "the server closed the connection";
    } catch (error) {
      this.ended = String(error);
    }
  }
}
