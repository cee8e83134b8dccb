/**
 * The contestant NATS JetStream in the message benchmark, with a stream in files.
 *
 * @module
 */

import { join } from "node:path";
import { runToEnd } from "../../tests/program.ts";
import { RunningProgram } from "../../tests/running_program.ts";
import { findProgram, freePort } from "./contestant.ts";
import {
  connectLine,
  jetStreamProblem,
  NatsDecoder,
  type NatsEvent,
  PING_LINE,
  PONG_LINE,
  publishLine,
  subscribeLine,
} from "./nats_line.ts";
import type { Broker, Publisher, ReadyBroker } from "./publisher.ts";
import { PublisherSocket } from "./publisher_socket.ts";

const PROGRAM = "nats-server";
const STREAM = "BENCH";
const SUBJECT = "bench";

/** The contestant; with `syncAlways` it syncs before it acknowledges, where its version can. */
export function natsBroker(
  name: string,
  { syncAlways, acknowledged }: { syncAlways: boolean; acknowledged: string },
): Broker {
  return {
    name,
    about: `nats-server, JetStream, file storage, plaintext, ${
      syncAlways ? "sync_interval always" : "its default sync_interval"
    }`,
    acknowledged,
    missing: () => whyMissing(syncAlways),
    open: (directory) => open({ directory, syncAlways }),
  };
}

async function whyMissing(syncAlways: boolean): Promise<string | undefined> {
  const program = findProgram(PROGRAM);
  if (program === undefined) return "nats-server is not installed";
  if (!syncAlways) return undefined;
  const settings = await Deno.makeTempFile({ prefix: "hb-bench-", suffix: ".conf" });
  try {
    await Deno.writeTextFile(settings, settingsText({ port: 0, directory: "unused", syncAlways }));
    const { code } = await runToEnd([program, "-t", "-c", settings]);
    if (code === 0) return undefined;
    const { stdout } = await runToEnd([program, "--version"]);
    return `${stdout.trim()} does not know sync_interval`;
  } finally {
    await Deno.remove(settings);
  }
}

function settingsText(
  { port, directory, syncAlways }: { port: number; directory: string; syncAlways: boolean },
): string {
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    "jetstream {",
    `  store_dir: ${JSON.stringify(directory)}`,
    ...(syncAlways ? ["  sync_interval: always"] : []),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

async function open(
  { directory, syncAlways }: { directory: string; syncAlways: boolean },
): Promise<ReadyBroker> {
  const port = freePort();
  const settings = join(directory, "nats.conf");
  await Deno.writeTextFile(settings, settingsText({ port, directory, syncAlways }));
  await using stack = new AsyncDisposableStack();
  const command = [findProgram(PROGRAM) ?? PROGRAM, "-c", settings];
  const program = stack.use(new RunningProgram(command));
  await program.line(/Server is ready/);
  await using maker = await NatsPublisher.connect(port);
  const stream = { name: STREAM, subjects: [SUBJECT], storage: "file", num_replicas: 1 };
  await maker.ask(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(stream));
  stack.move();
  return {
    pid: program.pid,
    connect: (count) => connect(port, count),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

async function connect(port: number, count: number): Promise<Publisher[]> {
  await using opened = new AsyncDisposableStack();
  const publishers: Publisher[] = [];
  for (let number = 0; number < count; number++) {
    publishers.push(opened.use(await NatsPublisher.connect(port)));
  }
  opened.move();
  return publishers;
}

class NatsPublisher implements Publisher {
  readonly failed: Promise<never>;
  readonly #socket: PublisherSocket;
  readonly #decoder = new NatsDecoder();
  readonly #inbox = `_INBOX.${crypto.randomUUID()}`;
  readonly #underWay = new Map<string, () => void>();
  readonly #refuse: (reason: Error) => void;
  #onPong = () => {};
  #count = 0;

  private constructor(socket: PublisherSocket) {
    this.#socket = socket;
    const { promise, reject } = Promise.withResolvers<never>();
    this.#refuse = reject;
    this.failed = Promise.race([socket.failed, promise]);
    this.failed.catch(() => {
      // Whoever races it hears of it; without anybody it must not end the program.
    });
  }

  /** Connects and subscribes to its own inbox; resolves when the server has taken both. */
  static async connect(port: number): Promise<NatsPublisher> {
    const socket = await PublisherSocket.connect(port, (bytes) => publisher.#take(bytes));
    const publisher = new NatsPublisher(socket);
    const ready = new Promise<void>((resolve) => {
      publisher.#onPong = resolve;
    });
    socket.send(connectLine("hb bench"));
    socket.send(subscribeLine({ subject: `${publisher.#inbox}.*`, id: 1 }));
    socket.send(PING_LINE);
    await Promise.race([ready, publisher.failed]);
    return publisher;
  }

  publish(text: string, acknowledged: () => void): void {
    this.#send(SUBJECT, { payload: text, answered: acknowledged });
  }

  /** Asks JetStream for something; rejects where it refuses. */
  async ask(subject: string, payload: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#send(subject, { payload, answered: resolve });
    await Promise.race([promise, this.failed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket[Symbol.asyncDispose]();
  }

  #send(subject: string, { payload, answered }: { payload: string; answered: () => void }): void {
    const reply = `${this.#inbox}.${this.#count++}`;
    this.#underWay.set(reply, answered);
    this.#socket.send(publishLine({ subject, reply, payload }));
  }

  #take(bytes: Uint8Array): void {
    for (const event of this.#decoder.push(bytes)) this.#on(event);
  }

  #on(event: NatsEvent): void {
    switch (event.kind) {
      case "ping":
        return this.#socket.send(PONG_LINE);
      case "pong":
        return this.#onPong();
      case "error":
        return this.#refuse(new Error(`Cannot go on: nats-server says ${event.text}`));
      case "message": {
        const problem = jetStreamProblem(event.payload);
        if (problem !== undefined) {
          this.#refuse(new Error(`Cannot store: JetStream says ${problem}`));
        }
        const answered = this.#underWay.get(event.subject);
        this.#underWay.delete(event.subject);
        if (problem === undefined) answered?.();
        return;
      }
    }
  }
}
