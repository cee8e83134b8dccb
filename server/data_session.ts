/**
 * One session of role `data`: whose turn it is, what its frames mean, and when it is over. What files are made of
 * is in `receive_file.ts`, `receive_manifest.ts` and `push_session.ts`.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import { FrameReader } from "../platform/frame_reader.ts";
import {
  type Connection,
  encodeFrame,
  type Frame,
  type FrameOf,
  MAX_REASON_CHARS,
  type OutgoingFrame,
  ProtocolError,
  SLOWEST_PREFIX_BYTES_PER_MS,
  TRANSFER_STALL_MS,
  type UnknownFrame,
  WRITE_STALL_MS,
} from "../protocol/mod.ts";
import { ackFrame } from "./ack.ts";
import { AnswerQueue } from "./answer_queue.ts";
import type { Guest } from "./control_session.ts";
import type { DataPort } from "./data_port.ts";
import { farewell } from "./farewell.ts";
import type { ServerParts } from "./parts.ts";
import { type FetchContext, serveFetch } from "./push_session.ts";
import { type Continuation, FileReceiver } from "./receive_file.ts";
import { ManifestReceiver } from "./receive_manifest.ts";
import type { Link, Member } from "./roster.ts";
import { busy, TransferError } from "./transfer_error.ts";

/** Time in which a sender can read why its file was refused in the middle, in milliseconds. */
const DRAIN_MS = 5_000;
/** Bytes read at once meanwhile. */
const DRAIN_BYTES = 64 * 1024;
/** Files and bundles of one connection that are being made durable at once: 4 MiB of bundles. */
const MAX_OPEN_ANSWERS = 4;

/** Serves the session to its end; rejects only with what broke the connection. */
export async function runDataSession(guest: Guest, parts: ServerParts): Promise<void> {
  const member = parts.roster.admit(guest.record);
  using session = parts.roster.enterDataSession(member);
  if (session === undefined) {
    const reason = "This machine has too many data connections. Try again in a moment";
    const bytes = encodeFrame("REFUSE", { code: "full", reason });
    return await farewell(guest.connection, { clock: parts.clock, bytes });
  }
  await new DataSession(guest, { parts, member }).run();
}

class DataSession implements Link, DataPort {
  readonly epoch: number;
  readonly connection: Connection;
  readonly frames: FrameReader;
  readonly member: Member;
  readonly parts: ServerParts;
  readonly answers: AnswerQueue;
  #guest: Guest;
  #files: FileReceiver;
  #manifests: ManifestReceiver;
  #place: Disposable | undefined;
  /** The transfer whose bytes this session waits for, and the manifest. */
  #receiving = new Set<string>();
  /** Transfers that this session has, and that a newer connection wants. */
  #wanted = new Set<string>();
  /** Resolves once this session has been told to go, and must wait for nobody. */
  #over = Promise.withResolvers<void>();
  /** Pieces of work under way that the peer waits for. */
  #working = 0;
  #progressAt = 0;
  /** Time without a byte that checking what is here may take, on top of the limit, in milliseconds. */
  #checkingMs = 0;
  /** Whether bytes of a file are leaving, so that no frame can. */
  #isSending = false;
  #stallTimer: Timer | undefined;

  constructor(guest: Guest, server: { parts: ServerParts; member: Member }) {
    this.#guest = guest;
    this.connection = guest.connection;
    this.frames = new FrameReader(guest.connection);
    this.parts = server.parts;
    this.member = server.member;
    this.epoch = guest.admitted.epoch;
    this.answers = new AnswerQueue(MAX_OPEN_ANSWERS, (frame) => this.send(frame));
    this.#files = new FileReceiver(this);
    this.#manifests = new ManifestReceiver(this);
  }

  async run(): Promise<void> {
    const { clock, watch } = this.parts;
    this.member.others.add(this);
    this.#guest.setOnBytes(() => {
      this.#progressAt = clock.now();
      watch.heard(this.member.record.id);
    });
    this.#progressAt = clock.now();
    this.#watchProgress();
    try {
      const { version } = this.#guest.admitted;
      this.send(ackFrame(this.parts, { version, name: this.member.record.name }));
      await this.#serve();
      await this.#manifests.end();
      await this.answers.drained();
      await this.#flush();
    } catch (error) {
      await this.#explain(error);
      throw error;
    } finally {
      await this.#end();
    }
  }

  ping(): void {} // The agent's connection is the one that is asked.

  deliver(): void {} // Messages travel on the agent's connection.

  async end(why: "shutdown" | "replaced" | "revoked"): Promise<void> {
    this.#over.resolve();
    if (this.#isSending) return this.connection.close();
    this.send({ verb: "BYE", reason: why === "replaced" ? "replaced" : "shutdown" });
    await farewell(this.connection, { clock: this.parts.clock });
  }

  takePlace(): boolean {
    this.#place ??= this.parts.roster.takeDataConnection(this.member);
    return this.#place !== undefined;
  }

  async lock(id: string): Promise<Disposable> {
    if (this.#receiving.has(id)) {
      throw new ProtocolError("unexpected", `Cannot take ${id} again while it is open`);
    }
    const { id: client } = this.member.record;
    const interrupt = () => this.#letGo(id);
    using _working = this.working();
    const over = this.#over.promise;
    const lock = await this.parts.locks.take({ client, id }, { interrupt, over });
    if (lock === undefined) throw busy();
    const stack = new DisposableStack();
    stack.defer(() => void this.#wanted.delete(id));
    stack.use(lock);
    return stack;
  }

  receiving(id: string): Disposable {
    this.#receiving.add(id);
    if (this.#wanted.delete(id)) this.#letGo(id);
    return { [Symbol.dispose]: () => void this.#receiving.delete(id) };
  }

  checking(bytes: number): Disposable {
    this.#checkingMs = bytes / SLOWEST_PREFIX_BYTES_PER_MS;
    return {
      [Symbol.dispose]: () => {
        this.#checkingMs = 0;
        this.#progressAt = this.parts.clock.now();
      },
    };
  }

  working(): Disposable {
    this.#working++;
    const stack = new DisposableStack();
    stack.defer(() => {
      this.#working--;
      this.#progressAt = this.parts.clock.now();
    });
    return stack;
  }

  send(frame: OutgoingFrame): void {
    this.connection.send(frame);
  }

  rejection(id: string, why: TransferError, offset?: number): FrameOf<"REJECT"> {
    const { code } = why;
    const reason = why.message.slice(0, MAX_REASON_CHARS);
    const retry = code === "busy" || code === "no_space" || code === "io";
    const { id: client, name } = this.member.record;
    if (code === "busy") this.parts.log.debug("{name}: {reason}", { name, reason });
    else void this.parts.timeline.audit("file_rejected", { client, code, reason });
    return { verb: "REJECT", id, code, reason, retry, ...(offset === undefined ? {} : { offset }) };
  }

  reject(id: string, why: TransferError, kept?: { offset: number }): void {
    this.send(this.rejection(id, why, kept?.offset));
  }

  /** Closing with unread bytes would reset the connection and lose the REJECT: read on for a moment. */
  async drainAndClose(): Promise<void> {
    const { clock } = this.parts;
    const timer = clock.after(DRAIN_MS, () => this.connection.close());
    const scrap = new Uint8Array(DRAIN_BYTES);
    try {
      await this.connection.flushed();
      while (await this.connection.reader.read(scrap) !== null);
    } catch {
      // Closed by the timer or by the peer: either way there is nothing left to wait for.
    } finally {
      timer.cancel();
      this.connection.close();
    }
  }

  async #serve(): Promise<void> {
    while (!this.connection.closed) {
      const frame = await this.frames.next();
      if (frame === null || frame.verb === "END" || frame.verb === "BYE") return;
      if (await this.#handle(frame) === "over") return;
    }
  }

  async #handle(frame: Frame | UnknownFrame): Promise<Continuation> {
    switch (frame.verb) {
      case "FILE":
        return await this.#files.receive(frame, this.#manifests.accepted);
      case "MANIFEST":
        await this.#manifests.onManifest(frame);
        return "next";
      case "BUNDLE":
        await this.#manifests.onBundle(frame);
        return "next";
      case "FETCH":
        return await this.#onFetch(frame);
      case "CANCEL":
        await this.#onCancel(frame);
        return "next";
      case "unknown":
        return "next";
      default:
        throw new ProtocolError("unexpected", `Cannot take ${frame.verb} while no file is open`);
    }
  }

  async #onFetch(frame: FrameOf<"FETCH">): Promise<Continuation> {
    if (!this.takePlace()) {
      this.reject(frame.id, busy());
      return "next";
    }
    return await serveFetch(frame, this.#fetchContext()) ? "next" : "over";
  }

  /** Gives a transfer up: what there is of it is deleted (HB-115). */
  async #onCancel({ id }: FrameOf<"CANCEL">): Promise<void> {
    const { log, vault } = this.parts;
    if (this.#manifests.accepted?.id === id) return await this.#manifests.end();
    try {
      using _lock = await this.lock(id);
      await vault.discard(this.member.record, id);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      const { name } = this.member.record;
      log.warn("{name}: cannot delete what is here of a cancelled file: {error}", {
        name,
        error: String(error.cause ?? error),
      });
    }
  }

  #fetchContext(): FetchContext {
    const progressed = () => {
      this.#progressAt = this.parts.clock.now();
    };
    const { connection, frames, member, parts } = this;
    return {
      connection,
      frames,
      member,
      parts,
      progressed,
      sending: (isSending) => {
        this.#isSending = isSending;
      },
    };
  }

  /** A newer connection wants a transfer: ends this one when it waits for its bytes (HB-114). */
  #letGo(id: string): void {
    if (!this.#receiving.has(id)) return void this.#wanted.add(id);
    if (this.connection.closed) return;
    this.#over.resolve();
    this.#receiving.clear(); // Once is enough.
    this.reject(id, new TransferError("busy", "A newer connection sends this file now"));
    void farewell(this.connection, { clock: this.parts.clock });
  }

  /** The last answers, as long as the peer reads. */
  async #flush(): Promise<void> {
    using _limit = this.parts.clock.after(WRITE_STALL_MS, () => this.connection.close());
    await this.connection.flushed();
  }

  /** Work that is open ends by itself, whatever has become of the connection. */
  async #end(): Promise<void> {
    this.#stallTimer?.cancel();
    this.#over.resolve();
    this.connection.close();
    try {
      // First, as its lock must go whatever the answers have come to.
      await this.#manifests.end();
      await this.answers.drained();
    } catch (error) {
      const { name } = this.member.record;
      this.parts.log.error("{name}: {error}", { name, error: String(error) });
    } finally {
      this.member.others.delete(this);
      this.#place?.[Symbol.dispose]();
    }
  }

  async #explain(error: unknown): Promise<void> {
    if (!(error instanceof ProtocolError) || this.connection.closed) return;
    const { log, timeline, clock } = this.parts;
    const { id: client, name } = this.member.record;
    if (error.code === "truncated") {
      // A lost connection is nobody's fault; a peer that only ended its side can still read why.
      log.info("{name}: a transfer was cut off; what has come of it is kept", { name });
    } else {
      const { address } = this.#guest;
      await timeline.audit("protocol_error", { client, address, reason: error.message });
    }
    const bytes = encodeFrame("REFUSE", { code: "bad_frame", reason: error.message });
    await farewell(this.connection, { clock, bytes });
  }

  /** Without a byte for a minute the transfer is given up, or the idle connection closed. */
  #watchProgress(): void {
    const { clock, log } = this.parts;
    const limit = TRANSFER_STALL_MS + this.#checkingMs;
    const left = Math.max(0, this.#progressAt + limit - clock.now());
    this.#stallTimer = clock.after(left, () => {
      // While files are being made durable, it is not the peer that is slow.
      if (this.answers.isBusy || this.#working > 0) this.#progressAt = clock.now();
      if (clock.now() - this.#progressAt < TRANSFER_STALL_MS + this.#checkingMs) {
        return this.#watchProgress();
      }
      const { name } = this.member.record;
      log.warn("{name}: gave a transfer up after {ms} ms without a byte", {
        name,
        ms: TRANSFER_STALL_MS,
      });
      this.connection.close();
    });
  }
}
