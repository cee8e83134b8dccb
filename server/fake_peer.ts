/**
 * The client's end of a connection to a {@linkcode FakeServer}, for tests: speaks whatever the test says.
 *
 * @module
 */

import type { FakeDuplex } from "../protocol/fake_duplex.ts";
import {
  ClientGreeting,
  Connection,
  encodeFrame,
  type Fields,
  type Frame,
  type FrameOf,
  type KeyPair,
  type Role,
  type UnknownFrame,
  type Verb,
} from "../protocol/mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a client says of itself in {@linkcode FakePeer.greet}. */
export interface GreetOptions {
  serverId?: string;
  /** @default {"agent"} */
  role?: Role;
  /** @default {1} */
  epoch?: number;
  /** @default none, so that it proves its key */
  invite?: { id: string; secret: Uint8Array; name?: string };
}

/** One connected client. */
export class FakePeer {
  readonly connection: Connection;
  /** Resolves when the server has done with the connection. */
  readonly ended: Promise<void>;
  /** What the server said in ACK. */
  ack: Fields<"ACK"> | undefined;
  readonly #duplex: FakeDuplex;

  /** Made by `FakeServer.dial()`. */
  constructor(duplex: FakeDuplex, ended: Promise<void>) {
    this.#duplex = duplex;
    this.connection = new Connection(duplex);
    this.ended = ended;
  }

  /** Goes through the greeting; rejects with what the server refused it with. */
  async greet(
    identity: { keys: KeyPair; name?: string },
    options: GreetOptions = {},
  ): Promise<void> {
    const { serverId, role = "agent", epoch = 1, invite } = options;
    const greeting = new ClientGreeting(
      { role, epoch, app: "test", name: identity.name },
      { ...identity.keys, serverId, invite },
    );
    await this.raw(greeting.hello);
    while (this.ack === undefined) {
      const line = await this.connection.readLine();
      if (line === null) throw new Error("The server closed the connection");
      const step = await greeting.receive(line);
      if (step.kind === "done") this.ack = step.ack;
      else await this.raw(step.send);
    }
    this.connection.greeted();
  }

  /** Sends one frame. */
  send(frame: Frame): void {
    this.connection.send(frame);
  }

  /** Sends a frame whose fields nobody checks. */
  async sendUnchecked(verb: string, fields?: object): Promise<void> {
    await this.raw(encodeFrame(verb, fields));
  }

  /** Sends bytes as they are. */
  async raw(bytes: Uint8Array | string): Promise<void> {
    await this.connection.write(typeof bytes === "string" ? encoder.encode(bytes) : bytes);
  }

  /** The next frame, of which those of `skip` do not count; null at the end. */
  async next(skip: Verb[] = ["PING"]): Promise<Frame | UnknownFrame | null> {
    while (true) {
      const frame = await this.connection.readFrame();
      if (frame === null || frame.verb === "unknown" || !skip.includes(frame.verb)) return frame;
    }
  }

  /** The next frame, which must be of this verb. */
  async expect<V extends Verb>(verb: V): Promise<FrameOf<V>> {
    const frame = await this.next(verb === "PING" ? [] : ["PING"]);
    if (frame?.verb === verb) return frame as FrameOf<V>;
    throw new Error(`${verb} must come: ${JSON.stringify(frame)} came`);
  }

  /** Exactly as many bytes as `text` has, as text. */
  async text(length: number): Promise<string> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await this.connection.reader.read(bytes.subarray(at));
      if (count === null) return decoder.decode(bytes.subarray(0, at));
      at += count;
    }
    return decoder.decode(bytes);
  }

  /** Everything up to the end of the connection, as text. */
  async rest(): Promise<string> {
    const chunks: Uint8Array[] = [];
    while (true) {
      const chunk = new Uint8Array(4_096);
      const count = await this.connection.reader.read(chunk);
      if (count === null) return await new Blob(chunks as BlobPart[]).text();
      chunks.push(chunk.subarray(0, count));
    }
  }

  /** Ends this side's sending direction, as a FIN does. */
  async finish(): Promise<void> {
    await this.connection.flushed();
    this.#duplex.closeWrite();
  }

  /** Closes both directions and waits for the server's side. */
  async close(): Promise<void> {
    await this.connection.end();
    await this.ended;
  }
}
