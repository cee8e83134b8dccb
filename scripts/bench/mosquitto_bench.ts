/**
 * The contestant mosquitto in the message benchmark: persistent, QoS 1, with a subscriber that is away, so that
 * every message has to be kept.
 *
 * @module
 */

import { join } from "node:path";
import { RunningProgram } from "../../tests/running_program.ts";
import { findProgram, freePort } from "./contestant.ts";
import {
  connectPacket,
  disconnectPacket,
  MAX_PACKET_ID,
  MQTT,
  MqttDecoder,
  type MqttPacket,
  pubackId,
  publishPacket,
  returnCode,
  subscribePacket,
} from "./mqtt_packet.ts";
import type { Broker, Publisher, ReadyBroker } from "./publisher.ts";
import { PublisherSocket } from "./publisher_socket.ts";

const PROGRAM = "mosquitto";
const TOPIC = "bench";
/** The subscriber that is away. */
const KEEPER = "keeper";
const QOS_1 = 1;

/** The contestant. */
export const mosquittoBroker: Broker = {
  name: "mosquitto",
  about: "mosquitto, MQTT 3.1.1, QoS 1, persistence true, plaintext, one subscriber away",
  acknowledged:
    "PUBACK: the message is in memory; all are written, with fsync, every 30 min and at exit",
  missing: () =>
    Promise.resolve(findProgram(PROGRAM) === undefined ? "mosquitto is not installed" : undefined),
  async open(directory) {
    const port = freePort();
    const settings = join(directory, "mosquitto.conf");
    await Deno.writeTextFile(settings, settingsText({ port, directory }));
    const command = [findProgram(PROGRAM) ?? PROGRAM, "-c", settings];
    await using stack = new AsyncDisposableStack();
    const program = stack.use(new RunningProgram(command));
    await program.line(/mosquitto version \S+ running/);
    stack.move();
    return {
      pid: program.pid,
      connect: (count) => connect(port, count),
      [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
    } satisfies ReadyBroker;
  },
};

function settingsText({ port, directory }: { port: number; directory: string }): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    // Without effect unless root runs it: then it would change to a user that may not write here.
    "user root",
    "persistence true",
    `persistence_location ${directory}/`,
    "max_queued_messages 0",
    "max_queued_bytes 0",
    "max_inflight_messages 0",
    "set_tcp_nodelay true",
    "log_dest stderr",
    "connection_messages false",
  ];
  return `${lines.join("\n")}\n`;
}

async function connect(port: number, count: number): Promise<Publisher[]> {
  await renewKeeper(port);
  await using opened = new AsyncDisposableStack();
  const publishers: Publisher[] = [];
  for (let number = 0; number < count; number++) {
    const publisher = await MqttPublisher.connect(port, {
      client: `sender-${number}`,
      clean: true,
    });
    publishers.push(opened.use(publisher));
  }
  opened.move();
  return publishers;
}

/** Lets the subscriber's queue of earlier measurements go, subscribes it again, and lets it leave. */
async function renewKeeper(port: number): Promise<void> {
  await using _cleared = await MqttPublisher.connect(port, { client: KEEPER, clean: true });
  await using keeper = await MqttPublisher.connect(port, { client: KEEPER, clean: false });
  await keeper.subscribe(TOPIC);
}

class MqttPublisher implements Publisher {
  readonly #socket: PublisherSocket;
  readonly #decoder: MqttDecoder;
  readonly #underWay = new Map<number, () => void>();
  readonly #encoder = new TextEncoder();
  #answer = Promise.withResolvers<MqttPacket>();
  #lastId = 0;

  private constructor(socket: PublisherSocket, decoder: MqttDecoder) {
    this.#socket = socket;
    this.#decoder = decoder;
  }

  static async connect(
    port: number,
    session: { client: string; clean: boolean },
  ): Promise<MqttPublisher> {
    const decoder = new MqttDecoder();
    const socket = await PublisherSocket.connect(port, (bytes) => publisher.#take(bytes));
    const publisher = new MqttPublisher(socket, decoder);
    await publisher.#ask(connectPacket(session), { what: "connect", code: 0 });
    return publisher;
  }

  get failed(): Promise<never> {
    return this.#socket.failed;
  }

  publish(text: string, acknowledged: () => void): void {
    const id = this.#nextId();
    this.#underWay.set(id, acknowledged);
    this.#socket.send(publishPacket({ topic: TOPIC, id, payload: this.#encoder.encode(text) }));
  }

  async subscribe(topic: string): Promise<void> {
    const packet = subscribePacket({ topic, id: this.#nextId() });
    await this.#ask(packet, { what: "subscribe", code: QOS_1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.send(disconnectPacket());
    await this.#socket[Symbol.asyncDispose]();
  }

  async #ask(packet: Uint8Array, { what, code }: { what: string; code: number }): Promise<void> {
    this.#answer = Promise.withResolvers();
    this.#socket.send(packet);
    const answer = await Promise.race([this.#answer.promise, this.failed]);
    const said = returnCode(answer);
    if (said !== code) throw new Error(`Cannot ${what}: mosquitto answers ${said}`);
  }

  #nextId(): number {
    this.#lastId = this.#lastId % MAX_PACKET_ID + 1;
    return this.#lastId;
  }

  #take(bytes: Uint8Array): void {
    for (const packet of this.#decoder.push(bytes)) {
      if (packet.type !== MQTT.puback) {
        this.#answer.resolve(packet);
        continue;
      }
      const id = pubackId(packet);
      const acknowledged = this.#underWay.get(id);
      this.#underWay.delete(id);
      acknowledged?.();
    }
  }
}
