/**
 * The contestant `hbserver` in the message benchmark: a real process, and enrolled peers that speak HB/1 without
 * the rest of hbclient.
 *
 * @module
 */

import { systemClock } from "../../platform/clock.ts";
import { uuidV7 } from "../../platform/random.ts";
import { generateKeyPair, type KeyPair } from "../../protocol/mod.ts";
import { Peer } from "../../tests/peer.ts";
import { RunningServer } from "../../tests/running_server.ts";
import type { Broker, Publisher, ReadyBroker } from "./publisher.ts";

/** The contestant, over plaintext when asked. */
export function hbBroker(name: string, { plaintext }: { plaintext: boolean }): Broker {
  return {
    name,
    about: `hbserver, enrolled clients, ${plaintext ? "plaintext" : "TLS"}`,
    acknowledged:
      "RECEIPT: the message is committed and synced; an fsync for each group, before its receipts",
    missing: () => Promise.resolve(undefined),
    async open(directory) {
      const args = plaintext ? ["--plaintext"] : [];
      return new HbBroker(await RunningServer.start({ data: directory, args }), !plaintext);
    },
  };
}

class HbBroker implements ReadyBroker {
  readonly #server: RunningServer;
  readonly #tls: boolean;
  /** Key pairs of those that are enrolled. */
  readonly #keys: KeyPair[] = [];

  constructor(server: RunningServer, tls: boolean) {
    this.#server = server;
    this.#tls = tls;
  }

  get pid(): number {
    return this.#server.program.pid;
  }

  async connect(count: number): Promise<Publisher[]> {
    const lacking = count - this.#keys.length;
    const join = lacking > 0 ? await this.#server.invite("--uses", String(lacking)) : undefined;
    await using opened = new AsyncDisposableStack();
    const publishers: Publisher[] = [];
    for (let number = 0; number < count; number++) {
      publishers.push(opened.use(new HbPublisher(await this.#connect(number, join))));
    }
    opened.move();
    return publishers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #connect(number: number, join: string | undefined): Promise<Peer> {
    const [name, tls] = [`sender-${number}`, this.#tls];
    const keys = this.#keys[number];
    if (keys !== undefined) return await Peer.connect(this.#server, { name, keys, tls });
    const made = await generateKeyPair();
    const enrol = join === undefined ? {} : { join };
    const peer = await Peer.connect(this.#server, { name, keys: made, tls, ...enrol });
    this.#keys[number] = made;
    return peer;
  }
}

class HbPublisher implements Publisher {
  readonly failed: Promise<never>;
  readonly #peer: Peer;
  readonly #reading: Promise<void>;
  readonly #underWay = new Map<string, () => void>();
  #isLeaving = false;

  constructor(peer: Peer) {
    this.#peer = peer;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {
      // Whoever races it hears of it; without anybody it must not end the program.
    });
    this.#reading = this.#read().catch((error) => {
      if (!this.#isLeaving) reject(error);
    });
  }

  publish(text: string, acknowledged: () => void): void {
    const id = uuidV7(systemClock);
    this.#underWay.set(id, acknowledged);
    this.#peer.send({ verb: "MESSAGE", id, at: systemClock.wall(), text });
  }

  /** Says goodbye, so that nobody is missed while others are measured. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeaving = true;
    this.#peer.send({ verb: "BYE", reason: "stop" });
    await this.#peer.connection.end();
    await this.#reading;
  }

  async #read(): Promise<void> {
    while (true) {
      const frame = await this.#peer.connection.readFrame();
      if (frame === null) throw new Error("Cannot read on: the server closed the connection");
      if (frame.verb === "PING") this.#peer.send({ verb: "PONG", n: frame.n });
      if (frame.verb === "REFUSE") throw new Error(`Cannot send on: ${frame.reason}`);
      if (frame.verb !== "RECEIPT") continue;
      for (const id of frame.ids) {
        const acknowledged = this.#underWay.get(id);
        this.#underWay.delete(id);
        acknowledged?.();
      }
    }
  }
}
