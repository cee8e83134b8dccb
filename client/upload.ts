/**
 * Sends files over one data connection after another, as many as it takes, and says of each what became of it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type Clock, type Random, sleep } from "../platform/clock.ts";
import { uuidV7 } from "../platform/random.ts";
import { byteStream, ProtocolError, pumpBytes, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import { ClientError, RefusedError } from "./client_error.ts";
import { ConnectionEndedError, DataConnection, type TransferAnswer } from "./data_connection.ts";
import type { Dialled } from "./dial.ts";
import { EXIT } from "./exit_code.ts";
import { openSource, type SourceFile } from "./source_file.ts";
import { changed, cutOff, rejected, TransferError } from "./transfer_error.ts";

/** How far one file is. */
export interface UploadProgress {
  /** The path as the person named it. */
  path: string;
  /** What is being done. */
  phase: "sending" | "verifying";
  /** Bytes handed to the network. */
  sent: number;
  /** Bytes of the file. */
  size: number;
}

/** A file that the server has stored. */
export interface StoredFile {
  /** The transfer's id. */
  id: string;
  /** The path as the person named it. */
  path: string;
  /** Its name on the server. */
  as: string;
  /** Its size. */
  bytes: number;
  /** SHA-256 of its bytes in hex, the same on both sides. */
  sha256: string;
}

/** What an {@linkcode Uploader} works with. */
export interface UploadPorts {
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Opens one connection of role `data`. */
  connect: () => Promise<Pick<Dialled, "connection">>;
  /** Called when there is something to say besides. */
  onNotice?: (notice: string) => void;
  /** Ends a wait for a busy server. */
  signal?: AbortSignal;
}

/** Longest wait while the server has too many data connections, in milliseconds. */
export const BUSY_LIMIT_MS = 60_000;
/** Longest time from the last byte to STORED, in milliseconds: what buffers on the way still hold must arrive,
 * and the server syncs the whole file to its disk. */
export const VERIFY_LIMIT_MS = 300_000;
/** Shortest and longest pause before a busy server is asked again, in milliseconds. */
const BUSY_PAUSE_MS = [1_000, 5_000] as const;
/** Time for END to leave, in milliseconds. */
const END_LIMIT_MS = 2_000;

/** One file that is being sent. */
interface Source extends SourceFile {
  path: string;
  id: string;
}

/** Sends files one after the other; closes its connection when disposed of. */
export class Uploader implements AsyncDisposable {
  readonly #ports: UploadPorts;
  #connection: DataConnection | undefined;
  #current: { source: Source; phase: UploadProgress["phase"]; writtenBefore: number } | undefined;

  /** Connects when the first file is sent. */
  constructor(ports: UploadPorts) {
    this.#ports = ports;
  }

  /** How far the file is that is being sent; undefined between files. */
  get progress(): UploadProgress | undefined {
    if (this.#current === undefined) return undefined;
    const { source: { path, size }, phase, writtenBefore } = this.#current;
    const written = (this.#connection?.bytesWritten ?? 0) - writtenBefore;
    return { path, phase, sent: Math.min(size, Math.max(0, written)), size };
  }

  /** Sends one file under a new `id` and resolves once the server has stored it; rejects with a `ClientError`. */
  async send(path: string, id: string = uuidV7(this.#ports.clock)): Promise<StoredFile> {
    const { file, size, mtime } = await openSource(path);
    using _file = file;
    const source = { path, id, file, size, mtime };
    const connection = await this.#connected();
    this.#current = { source, phase: "sending", writtenBefore: Infinity };
    try {
      return await this.#transfer(source, connection);
    } catch (error) {
      const explained = this.#explain(error, source);
      if (!(explained instanceof TransferError && explained.keepsConnection)) this.#drop();
      throw explained;
    } finally {
      this.#current = undefined;
    }
  }

  /** Tells the server that no more files come, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined || connection.ending !== undefined) return;
    connection.send({ verb: "END" });
    await connection.finish(END_LIMIT_MS);
  }

  /** Closes at once, for a person who does not want to wait. */
  abort(): void {
    this.#drop();
  }

  #drop(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }

  async #connected(): Promise<DataConnection> {
    if (this.#connection !== undefined && this.#connection.ending === undefined) {
      return this.#connection;
    }
    const { clock } = this.#ports;
    const { connection } = await this.#connectPatiently();
    return this.#connection = new DataConnection(connection, clock);
  }

  /** Waits while the server has as many data connections of this client as it allows. */
  async #connectPatiently(): Promise<Pick<Dialled, "connection">> {
    const { clock, random, connect, onNotice, signal } = this.#ports;
    const deadline = clock.now() + BUSY_LIMIT_MS;
    let isFirst = true;
    while (true) {
      try {
        return await connect();
      } catch (error) {
        if (!(error instanceof RefusedError) || error.code !== "full") throw error;
        const [shortest, longest] = BUSY_PAUSE_MS;
        const pause = shortest + random() * (longest - shortest);
        if (clock.now() + pause > deadline) {
          throw new ClientError(error.message, {
            exitCode: EXIT.timeout,
            code: "full",
            hint: "Try again later",
            cause: error,
          });
        }
        if (isFirst) onNotice?.("The server is busy with other files of this machine; waiting");
        isFirst = false;
        await sleep(clock, pause, signal);
      }
    }
  }

  async #transfer(source: Source, connection: DataConnection): Promise<StoredFile> {
    const { path, id, size, mtime } = source;
    let sha256: string;
    {
      using _watch = connection.watchProgress(TRANSFER_STALL_MS);
      connection.offer({
        verb: "FILE",
        id,
        path: [basename(path)],
        size,
        // The protocol has no times before 1970.
        ...(mtime === undefined || mtime < 0 ? {} : { mtime }),
      });
      requireReady(await connection.answer(), source);
      const writtenBefore = connection.bytesWritten;
      this.#current = { source, phase: "sending", writtenBefore };
      sha256 = await this.#sendBytes(source, connection);
    }
    await this.#requireUnchanged(source, connection);
    if (this.#current !== undefined) this.#current.phase = "verifying";
    using _watch = connection.watchProgress(VERIFY_LIMIT_MS);
    connection.send({ verb: "SUM", id, bytes: size, sha256 });
    const answer = await connection.answer();
    if (answer.verb === "REJECT") throw rejected(path, answer, { midway: false });
    if (answer.verb !== "STORED" || answer.sha256 !== sha256 || answer.bytes !== size) {
      throw new TransferError(path, "the server says it stored other bytes than were sent", {
        exitCode: EXIT.integrity,
        code: "integrity",
        hint: "Delete it on the server and send it again",
      });
    }
    return { id, path, as: answer.as, bytes: size, sha256 };
  }

  /** Sends exactly the announced bytes and resolves with their SHA-256 in hex. */
  async #sendBytes(source: Source, connection: DataConnection): Promise<string> {
    const { path, file, size } = source;
    const hash = createHash("sha256");
    const read = async (into: Uint8Array) => {
      try {
        return await file.read(into);
      } catch (cause) {
        throw new TransferError(path, `it cannot be read: ${wordsOf(cause)}`, {
          exitCode: EXIT.source,
          code: "unreadable",
          cause,
        });
      }
    };
    await pumpBytes(byteStream({ read }, { length: size }), async (chunk) => {
      hash.update(chunk);
      const answer = await connection.write(chunk);
      if (answer?.verb === "REJECT") throw rejected(path, answer, { midway: true });
      if (answer !== undefined) throw outOfPlace(answer, source);
    });
    return hash.digest("hex");
  }

  async #requireUnchanged(source: Source, connection: DataConnection): Promise<void> {
    const { size, mtime } = await source.file.stat();
    if (size === source.size && mtime?.getTime() === source.mtime) return;
    connection.send({ verb: "CANCEL", id: source.id });
    throw changed(source.path, { keepsConnection: true });
  }

  #explain(error: unknown, { path, size }: Source): unknown {
    if (error instanceof ConnectionEndedError) {
      const { code, message: reason } = error;
      const sent = this.progress?.sent ?? 0;
      return cutOff(path, { reason, code, sent, size, cause: error });
    }
    // The file has become shorter: the bytes that the server waits for do not exist.
    if (error instanceof ProtocolError && error.code === "truncated") {
      return changed(path, { keepsConnection: false });
    }
    return error;
  }
}

function requireReady(answer: TransferAnswer, source: Source): void {
  if (answer.verb === "REJECT") throw rejected(source.path, answer, { midway: false });
  if (answer.verb !== "READY" || answer.offset !== 0) throw outOfPlace(answer, source);
}

function outOfPlace(answer: TransferAnswer, { path }: Source): TransferError {
  return new TransferError(path, `the server broke the protocol with ${answer.verb}`, {
    code: "protocol",
  });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
