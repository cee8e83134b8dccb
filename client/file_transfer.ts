/**
 * One file over one connection: offer, agree on what the server holds already, send the rest, and wait until it is
 * stored. Knows nothing of other connections.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { type Clock, type Random, sleep } from "../platform/clock.ts";
import {
  byteStream,
  type FrameOf,
  ProtocolError,
  pumpBytes,
  SLOWEST_PREFIX_BYTES_PER_MS,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import type { DataConnection } from "./data_connection.ts";
import { EXIT } from "./exit_code.ts";
import { busyPause } from "./patience.ts";
import type { SourceFile } from "./source_file.ts";
import {
  changed,
  notSame,
  outOfPlace,
  rejected,
  rejectedLate,
  TransferError,
} from "./transfer_error.ts";
import type { StoredFile, UploadPhase, UploadProgress } from "./upload_progress.ts";

/** A file to be offered. */
export interface FileOffer {
  /** The path as the person named it. */
  path: string;
  /** The transfer's id. */
  id: string;
  /** Its name or path for the server. */
  name: readonly string[];
  /** The manifest that announced it. */
  manifest?: string;
  /** The open file. */
  source: SourceFile;
}

/** What a {@linkcode FileTransfer} works with. */
export interface FileTransferPorts {
  /** Where it is sent. */
  connection: DataConnection;
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Ends a wait for a busy server. */
  signal: AbortSignal | undefined;
  /** Called when there is something to say besides. */
  onNotice: (notice: string) => void;
  /** Called whenever another phase begins. */
  onPhase: () => void;
  /** Called when the server holds, or has taken, more than ever before of this file: with the bytes. */
  onHeld: (bytes: number) => void;
}

/** Longest time from the last byte to STORED, in milliseconds: what buffers on the way still hold must arrive,
 * and the server syncs the whole file to its disk. */
export const VERIFY_LIMIT_MS = 300_000;
/** Bytes that must leave in one go until they count as progress: more than buffers on the way swallow. */
const PROGRESS_BYTES = 16 * 1024 * 1024;

/** The server holds other bytes under this id than the file has: it must be sent under another. */
export class OtherFileError extends Error {
  override readonly name = "OtherFileError";
}

/** One file's way over one connection. */
export class FileTransfer implements Disposable {
  readonly #offer: FileOffer;
  readonly #ports: FileTransferPorts;
  readonly #expecting: Disposable;
  #phase: UploadPhase = "waiting";
  #sentBefore = 0;
  #writtenBefore = Infinity;
  #sha256 = "";
  #early: FrameOf<"STORED"> | undefined;
  /** Whether it compares bytes on this side, so that none need move. */
  isHashing = false;
  /** Bytes of the prefix that the server is comparing, too. */
  comparing = 0;

  /** Sends nothing before `send()`. */
  constructor(offer: FileOffer, ports: FileTransferPorts) {
    this.#offer = offer;
    this.#ports = ports;
    this.#expecting = ports.connection.expect(offer.id);
  }

  /** How far it is. */
  get progress(): UploadProgress {
    const { id, path, source: { size } } = this.#offer;
    const written = Math.max(0, this.#ports.connection.bytesWritten - this.#writtenBefore);
    return { id, path, phase: this.#phase, sent: Math.min(size, this.#sentBefore + written), size };
  }

  /** Stops listening to answers about this file. */
  [Symbol.dispose](): void {
    this.#expecting[Symbol.dispose]();
  }

  /** Resolves when everything is sent, SUM included, or the server has said that it has stored this file before. */
  async send(): Promise<void> {
    const { source, path, id } = this.#offer;
    const { connection } = this.#ports;
    const answer = await this.#offered();
    if (answer.verb === "STORED") {
      this.#sha256 = await this.#digestOf(source.size);
      this.#early = answer;
      return;
    }
    const { hash, offset } = await this.#agree(answer);
    this.#sha256 = await this.#sendBytes(hash, offset);
    const { size, mtime } = await source.file.stat();
    if (size !== source.size || mtime?.getTime() !== source.mtime) {
      connection.send({ verb: "CANCEL", id });
      throw changed(path, { keepsConnection: true });
    }
    this.#enter("verifying");
    connection.send({ verb: "SUM", id, bytes: size, sha256: this.#sha256 });
  }

  /** Resolves once the server has stored what `send()` has sent. */
  async stored(): Promise<StoredFile> {
    const { path, id, source: { size } } = this.#offer;
    const answer = this.#early ?? await this.#ports.connection.answer(id);
    if (answer.verb === "REJECT") throw rejectedLate(path, answer, { keepsConnection: true });
    if (answer.verb !== "STORED") throw outOfPlace(path, answer);
    if (answer.sha256 !== this.#sha256 || answer.bytes !== size) {
      if (this.#early !== undefined) throw new OtherFileError("The server stored another file");
      throw notSame(path);
    }
    const file: StoredFile = { id, path, as: answer.as, bytes: size, sha256: this.#sha256 };
    return this.#early === undefined ? file : { ...file, already: true };
  }

  /** Offers the file until the server is not busy. */
  async #offered(): Promise<FrameOf<"READY"> | FrameOf<"STORED">> {
    const { path, id, name, manifest, source: { size, mtime } } = this.#offer;
    const { connection, clock, random, signal, onNotice } = this.#ports;
    let isFirst = true;
    while (true) {
      connection.send({
        verb: "FILE",
        id,
        path: [...name],
        size,
        // The protocol has no times before 1970.
        ...(mtime === undefined || mtime < 0 ? {} : { mtime: Math.trunc(mtime) }),
        ...(manifest === undefined ? {} : { manifest }),
      });
      const answer = await connection.answer(id);
      if (answer.verb === "READY" || answer.verb === "STORED") return answer;
      if (answer.verb !== "REJECT") throw outOfPlace(path, answer);
      if (answer.code !== "busy") throw rejected(path, answer, { midway: false });
      this.#enter("waiting");
      if (isFirst) onNotice("The server is busy with other transfers; waiting");
      isFirst = false;
      await sleep(clock, busyPause(random), signal);
    }
  }

  /** Finds out from where on to send: what the server holds is compared before a byte moves. */
  async #agree(first: FrameOf<"READY">): Promise<{ hash: Hash; offset: number }> {
    const { path, id, source: { size } } = this.#offer;
    const { connection, onNotice, onHeld } = this.#ports;
    let { offset } = first;
    let proposed = Infinity;
    while (offset > 0) {
      if (offset > size || offset >= proposed) throw outOfPlace(path, first);
      proposed = offset;
      this.comparing = offset;
      const hash = await this.#hashOf(offset);
      connection.send({ verb: "PREFIX", id, offset, sha256: hash.copy().digest("hex") });
      const answer = await connection.answer(id);
      if (answer.verb === "REJECT") throw rejected(path, answer, { midway: false });
      if (answer.verb !== "READY") throw outOfPlace(path, answer);
      if (answer.offset === offset) {
        onHeld(offset);
        return { hash, offset };
      }
      offset = answer.offset;
      if (offset === 0) {
        onNotice(
          `What the server holds of ${path} is not the beginning of this file; starting over`,
        );
      }
    }
    return { hash: createHash("sha256"), offset: 0 };
  }

  async #digestOf(bytes: number): Promise<string> {
    return (await this.#hashOf(bytes)).digest("hex");
  }

  /** The hash of the file's first bytes; leaves it positioned behind them. */
  async #hashOf(bytes: number): Promise<Hash> {
    const { connection, signal } = this.#ports;
    this.#enter("checking");
    this.#writtenBefore = Infinity;
    this.#sentBefore = 0;
    const hash = createHash("sha256");
    this.isHashing = true;
    await this.#read({ from: 0, bytes }, (chunk) => {
      signal?.throwIfAborted();
      if (connection.ending !== undefined) throw connection.ending;
      hash.update(chunk);
      this.#sentBefore += chunk.length;
      return Promise.resolve();
    });
    this.isHashing = false;
    return hash;
  }

  /** Sends the bytes from `offset` on and resolves with the SHA-256 of the whole file in hex. */
  async #sendBytes(hash: Hash, offset: number): Promise<string> {
    const { path, id, source: { size } } = this.#offer;
    const { connection, onHeld } = this.#ports;
    this.#sentBefore = offset;
    this.#writtenBefore = connection.bytesWritten;
    this.#enter("sending");
    using _raw = connection.raw();
    let sent = 0;
    await this.#read({ from: offset, bytes: size - offset }, async (chunk) => {
      const writing = connection.write(chunk, id);
      // The network gets its bytes first, so that hashing overlaps with it.
      for (let turn = 0; turn < WRITE_TURNS; turn++) await Promise.resolve();
      hash.update(chunk);
      const answer = await writing;
      if (answer?.verb === "REJECT") throw rejectedLate(path, answer, { keepsConnection: false });
      if (answer !== undefined) throw outOfPlace(path, answer);
      sent += chunk.length;
      if (sent >= PROGRESS_BYTES) onHeld(offset + sent);
    });
    return hash.digest("hex");
  }

  /** Reads exactly `bytes` from `from` on, in chunks that are reused. */
  async #read(
    { from, bytes }: { from: number; bytes: number },
    take: (chunk: Uint8Array<ArrayBuffer>) => Promise<void>,
  ): Promise<void> {
    const { path, source: { file } } = this.#offer;
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
    await file.seek(from, Deno.SeekMode.Start);
    try {
      await pumpBytes(byteStream({ read }, { length: bytes }), take);
    } catch (error) {
      // The file has become shorter: the bytes that the server waits for do not exist.
      if (error instanceof ProtocolError && error.code === "truncated") {
        throw changed(path, { keepsConnection: false });
      }
      throw error;
    }
  }

  #enter(phase: UploadPhase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#ports.onPhase();
  }
}

/** Turns of the microtask queue until a write that was queued has been handed to the system. */
const WRITE_TURNS = 3;

/** Time without a byte after which a connection has stalled, in milliseconds. */
export function limitOf(transfer: FileTransfer): number {
  if (transfer.isHashing) return Infinity;
  const { phase } = transfer.progress;
  if (phase === "checking") {
    return VERIFY_LIMIT_MS + transfer.comparing / SLOWEST_PREFIX_BYTES_PER_MS;
  }
  return phase === "verifying" ? VERIFY_LIMIT_MS : TRANSFER_STALL_MS;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
