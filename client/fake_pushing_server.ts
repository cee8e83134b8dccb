/**
 * The server's end of a data connection on which files are fetched, for tests.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Connection, type Frame, type FrameOf } from "../protocol/mod.ts";
import { type FakeDuplex, fakeDuplexPair } from "../protocol/fake_duplex.ts";

/** SHA-256 in lower-case hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** One served connection. */
export class PushingSide {
  readonly connection: Connection;
  /** Offsets of the FETCH and READY frames that came, in order. */
  readonly offsets: number[] = [];
  /** Bytes of files that were sent. */
  sent = 0;

  /** Takes one end of a pair. */
  constructor(readonly duplex: FakeDuplex) {
    this.connection = new Connection(duplex);
    this.connection.greeted();
  }

  /** The next frame, which must be of one verb. */
  async frame<V extends Frame["verb"]>(verb: V): Promise<FrameOf<V>> {
    const frame = await this.connection.readFrame();
    if (frame?.verb !== verb) throw new Error(`Expected ${verb}, got ${JSON.stringify(frame)}`);
    return frame as FrameOf<V>;
  }

  /** Takes FETCH and agrees on an offset as a good server does; sends READY. */
  async agree(content: Uint8Array): Promise<{ id: string; offset: number }> {
    const { id, offset: proposed } = await this.frame("FETCH");
    this.offsets.push(proposed);
    let offset = proposed;
    while (offset > 0) {
      const sha256 = sha256Of(content.subarray(0, offset));
      this.connection.send({ verb: "PREFIX", id, offset, sha256 });
      const answer = await this.frame("READY");
      this.offsets.push(answer.offset);
      if (answer.offset === offset) break;
      offset = answer.offset;
    }
    this.connection.send({ verb: "READY", id, offset });
    return { id, offset };
  }

  /** Sends raw bytes. */
  async send(bytes: Uint8Array): Promise<void> {
    await this.connection.write(bytes);
    this.sent += bytes.length;
  }

  /** Serves one file whole and takes the answer. */
  async give(content: Uint8Array): Promise<FrameOf<"STORED"> | FrameOf<"REJECT">> {
    const { id, offset } = await this.agree(content);
    await this.send(content.subarray(offset));
    this.sum(id, content);
    const answer = await this.connection.readFrame();
    if (answer?.verb === "STORED" || answer?.verb === "REJECT") return answer;
    throw new Error(`Expected an answer, got ${JSON.stringify(answer)}`);
  }

  /** Sends SUM for a content. */
  sum(id: string, content: Uint8Array): void {
    const { length: bytes } = content;
    this.connection.send({ verb: "SUM", id, bytes, sha256: sha256Of(content) });
  }
}

/** Serves one connection. */
export type ServePushes = (side: PushingSide) => Promise<void>;

/** A server whose connections are served, in order, by the given functions. */
export class FakePushingServer {
  /** Every connection, the newest last. */
  readonly sides: PushingSide[] = [];
  /** What the next tries to connect fail with, in order. */
  failures: Error[] = [];
  /** Tries to connect. */
  tries = 0;
  readonly #serves: ServePushes[];
  readonly #served: Promise<void>[] = [];

  /** Serves nobody beyond the given functions. */
  constructor(...serves: ServePushes[]) {
    this.#serves = serves;
  }

  /** Opens one connection. */
  connect({ onRead }: { onRead: () => void }): Promise<{ connection: Connection }> {
    this.tries++;
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    const serve = this.#serves[this.sides.length];
    if (serve === undefined) throw new Error("Nobody serves this connection");
    const [client, server] = fakeDuplexPair();
    const connection = new Connection(client, { onRead });
    connection.greeted();
    const side = new PushingSide(server);
    this.sides.push(side);
    const served = serve(side).finally(() => side.connection.close());
    served.catch(() => {}); // Looked at by `done()`.
    this.#served.push(served);
    return Promise.resolve({ connection });
  }

  /** Resolves when all are served; rejects with what a served function complained of. */
  async done(): Promise<void> {
    await Promise.all(this.#served);
  }
}
