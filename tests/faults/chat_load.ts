/**
 * Both sides of a chat at a set rate, whatever happens to the programs: the client types, the server's operator
 * posts; now and then each sends a small file. What it cannot get rid of because a program is dead counts as
 * sent with an unknown outcome, and nothing is sent twice.
 *
 * @module
 */

import { join } from "node:path";
import { sampleBytes, sha256 } from "../sample_file.ts";
import { pause } from "../until.ts";
import { type ChatRecord, type DirectionRecord, textOf } from "./chat_record.ts";

/** Messages between two files of the same side. */
const MESSAGES_PER_FILE = 20;
/** Size of a file, in bytes. */
const FILE_BYTES = 20_000;

/** What a {@linkcode ChatLoad} drives. */
export interface ChatLoadPorts {
  /** Types a line at the client that is alive, or at the next one; rejects when it dies over it. */
  type: (line: string) => Promise<void>;
  /** Asks the server that is alive, or the next one; rejects when it dies over it. */
  post: (path: string, body: object) => Promise<Response>;
  /** The client's name. */
  name: string;
  record: ChatRecord;
  /** Folder for the files that are sent. */
  folder: string;
  /** Messages a second of each side. */
  rate: number;
}

/** A chat under way; `stop()` ends it. */
export class ChatLoad {
  readonly #ports: ChatLoadPorts;
  readonly #running: Promise<unknown>;
  #stopped = false;

  /** Begins at once. */
  constructor(ports: ChatLoadPorts) {
    this.#ports = ports;
    const { client, server } = ports.record;
    this.#running = Promise.all([
      this.#run("client", client, (text) => this.#type(text)),
      this.#run("server", server, (text) => this.#post(text)),
    ]);
  }

  /** Ends it after the message that is being sent; rejects with what broke the load itself. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(
    sender: "client" | "server",
    record: DirectionRecord,
    send: (text: string) => Promise<void>,
  ): Promise<void> {
    const gapMs = 1000 / this.#ports.rate;
    let due = performance.now();
    for (let number = 1; !this.#stopped; number++) {
      const text = textOf(sender, number);
      record.sent.push(text);
      await send(text);
      if (number % MESSAGES_PER_FILE === 0) await this.#sendFile(sender, record, number);
      // Time in which the other side was dead is not made up for.
      due = Math.max(due + gapMs, performance.now() - gapMs);
      await pause(Math.max(0, due - performance.now()));
    }
  }

  async #type(line: string): Promise<void> {
    try {
      await this.#ports.type(line);
    } catch (error) {
      if (!isDeath(error)) throw error;
    }
  }

  async #post(text: string): Promise<void> {
    const { name, record } = this.#ports;
    const status = await this.#ask("/api/messages", { who: name, text });
    if (status === 200) record.server.acknowledged.set(text, "queued");
    else if (status !== undefined) record.server.refused.add(text);
  }

  async #sendFile(
    sender: "client" | "server",
    { files }: DirectionRecord,
    number: number,
  ): Promise<void> {
    const { name: who, folder } = this.#ports;
    const name = `${sender}-${number}.bin`;
    const path = join(folder, name);
    const bytes = sampleBytes(FILE_BYTES);
    const digest = sha256(bytes);
    await Deno.writeFile(path, bytes);
    files.sent.add(digest);
    if (sender === "client") return await this.#type(`/send ${path}`);
    const status = await this.#ask("/api/pushes", { who, files: [path] });
    if (status === 200) files.acknowledged.push({ name, sha256: digest });
  }

  /** The answer's status; undefined when the server died over it. */
  async #ask(path: string, body: object): Promise<number | undefined> {
    const { post, record } = this.#ports;
    try {
      const response = await post(path, body);
      const text = await response.text();
      if (!response.ok) record.complaints.push(`server: ${path}: ${response.status} ${text}`);
      return response.status;
    } catch (error) {
      if (!isDeath(error)) throw error;
      return undefined;
    }
  }
}

/** Whether an error of a pipe or a request only says that the program at its other end has died. */
function isDeath(error: unknown): boolean {
  // What `fetch()` throws has no class of its own; a server that stops takes the file away that leads to it.
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource ||
    error instanceof TypeError;
}
