/**
 * Fetches the files that the server pushes to this machine, one at a time, over a data connection of its own.
 * Which of them wait is `push_queue.ts`; one fetch is `download.ts`.
 *
 * @module
 */

import { type Clock, type Random, sleep } from "../platform/clock.ts";
import { DurableFileError } from "../platform/durable_file.ts";
import type { FrameOf } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import type { Dialled } from "./dial.ts";
import { Download, type DownloadEnd, type PushOffer } from "./download.ts";
import { DownloadConnection, DownloadLostError } from "./download_connection.ts";
import type { InboxFolder } from "./inbox_folder.ts";
import {
  MAX_DAMAGED_TRIES,
  type PushAnswer,
  PushQueue,
  type RefusedFile,
  type WaitingPush,
} from "./push_queue.ts";
import { reconnectDelay } from "./reconnect.ts";
import type { ClientStore, ReceivedFile } from "./store.ts";

/** What is told about pushed files. */
export interface ReceiveEvents {
  /** The bytes of a file begin to come, perhaps not with its first. */
  onFileComing?: (offer: PushOffer, offset: number) => void;
  /** A file of the server is on this machine's disk. */
  onFile?: (file: ReceivedFile) => void;
  /** A file of the server was not taken, or not yet. */
  onFileRefused?: (file: RefusedFile) => void;
  /** Something that a person should know. */
  onWarning?: (warning: string) => void;
}

/** What a {@linkcode Receiver} works with. */
export interface ReceiverPorts {
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Opens one connection of role `data`. */
  connect: (
    request: { onRead: () => void; signal: AbortSignal },
  ) => Promise<Pick<Dialled, "connection">>;
  /** Where files go; undefined when none are taken. */
  folder: InboxFolder | undefined;
  /** Remembers what was received. */
  store: Pick<ClientStore, "receivedFile" | "recordReceived">;
}

/** Longest wait before a lost connection is dialled again, in milliseconds. */
export const FETCH_RECONNECT_MAX_MS = 30_000;
/** How often what nobody will complete is removed, in milliseconds. */
export const SWEEP_MS = 24 * 3_600_000;
/** Shortest and longest pause before a busy server is asked again, in milliseconds. */
const BUSY_PAUSE_MS = [1_000, 5_000] as const;

/** Takes pushes and fetches their files, from `run()` to `stop()`. */
export class Receiver {
  readonly #ports: ReceiverPorts;
  readonly #events: ReceiveEvents;
  readonly #queue: PushQueue;
  readonly #stopping = new AbortController();
  #link: DownloadConnection | undefined;
  #current: { offer: PushOffer; written: number } | undefined;
  #nap: { canWake: boolean; end: () => void } | undefined;
  #failures = 0;
  #sweepAt: number;
  #running: Promise<void> = Promise.resolve();

  /** Does nothing before `run()`. */
  constructor(ports: ReceiverPorts, events: ReceiveEvents = {}) {
    this.#ports = ports;
    this.#events = events;
    this.#sweepAt = ports.clock.now();
    const { clock, folder } = ports;
    const { onFile, onFileRefused } = events;
    const recall = (id: string) => this.#recall(id);
    this.#queue = new PushQueue({ clock, folder, recall, onFile, onFileRefused });
  }

  /** The file under way, with how many of its bytes are here; undefined between files. */
  get current(): { name: string; bytes: number; size: number } | undefined {
    if (this.#current === undefined) return undefined;
    const { offer: { name, size }, written } = this.#current;
    return { name, bytes: written, size };
  }

  /** How many files wait, the one under way included. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Takes a push; `answer` reaches the server for as long as the connection lives that it came on. */
  take(push: FrameOf<"PUSH">, answer: PushAnswer): void {
    // What is announced again may be fetched at once, too: the server can be reached.
    if (this.#queue.take(push, answer) && this.#nap?.canWake === true) this.#nap.end();
  }

  /** Fetches what waits until `stop()`; never rejects for what the server, the network or the disk did. */
  run(): Promise<void> {
    return this.#running = this.#run();
  }

  /** Ends `run()`; what has come of a file is kept. Resolves when nothing moves any more. Safe to call again. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DownloadLostError("this program is ending"));
    this.#link?.[Symbol.dispose]();
    this.#nap?.end();
    await this.#running.catch(() => {}); // Told by `run()` itself.
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const { clock, folder } = this.#ports;
    if (folder === undefined) return;
    try {
      while (!this.#isStopped) {
        if (clock.now() >= this.#sweepAt) await this.#sweep(folder);
        const next = this.#queue.next();
        if (next === undefined) await this.#idle();
        else await this.#receive(next, folder);
      }
    } finally {
      this.#link?.[Symbol.dispose]();
    }
  }

  /** What the database cannot tell is not known: the file is then offered, and fetched, once more. */
  #recall(id: string): ReceivedFile | undefined {
    try {
      return this.#ports.store.receivedFile(id);
    } catch (error) {
      this.#warn("look up a file of the server", error);
      return undefined;
    }
  }

  #record(file: ReceivedFile): boolean {
    try {
      this.#ports.store.recordReceived(file);
      return true;
    } catch (error) {
      this.#warn(`record "${file.as}"`, error);
      return false;
    }
  }

  #warn(action: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#events.onWarning?.(`Cannot ${action}: ${reason}`);
  }

  /** Waits for the next push, the next try or the next sweep; nothing is fetched meanwhile. */
  async #idle(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    if (link !== undefined && !link.closed) await link.end();
    const { clock } = this.#ports;
    const next = Math.min(this.#sweepAt, this.#queue.nextAt);
    await this.#pause(next - clock.now(), { canWake: true });
  }

  async #receive(push: WaitingPush, folder: InboxFolder): Promise<void> {
    const { offer } = push;
    this.#current = { offer, written: 0 };
    try {
      this.#queue.conclude(push, await this.#download(push, folder));
    } catch (error) {
      if (error instanceof DownloadLostError) return await this.#backOff();
      if (!(error instanceof DurableFileError)) throw error;
      const { code, message } = error;
      this.#events.onWarning?.(message);
      const refusal = { code, reason: "The client cannot use its folder for received files" };
      this.#queue.answer(push, refusal);
      this.#queue.conclude(push, { kind: "refused", ...refusal });
    } finally {
      this.#current = undefined;
    }
  }

  async #download(push: WaitingPush, folder: InboxFolder): Promise<DownloadEnd> {
    const { offer } = push;
    await using staged = await folder.open(offer.id);
    const held = Math.min(offer.size, staged.proposals[0] ?? 0);
    const reservation = await folder.reserve(offer.size - held);
    if ("code" in reservation) {
      if (held === 0) await staged.discard();
      this.#queue.answer(push, reservation);
      return { kind: "refused", ...reservation };
    }
    using _reservation = reservation;
    const download = new Download(offer, {
      staged,
      publish: () => folder.publish(staged, offer),
      record: (file) => this.#record(file),
      onBegin: (offset) => this.#begin(push, offset),
      onWritten: (bytes) => {
        reservation.wrote(bytes);
        if (this.#current !== undefined) this.#current.written += bytes;
        this.#failures = 0;
      },
      mayRepeat: push.damaged + 1 < MAX_DAMAGED_TRIES,
    });
    await download.prepare();
    while (true) {
      const end = await download.run(await this.#connected());
      if (end.kind !== "busy") return end;
      await this.#pauseWhileBusy();
    }
  }

  #begin(push: WaitingPush, offset: number): void {
    if (this.#current !== undefined) this.#current.written = offset;
    if (push.hasBegun) return;
    push.hasBegun = true;
    this.#events.onFileComing?.(push.offer, offset);
  }

  /** The connection that is there, or a new one, for which is waited as long as it takes. */
  async #connected(): Promise<DownloadConnection> {
    const { clock, connect } = this.#ports;
    while (this.#link === undefined || this.#link.closed) {
      try {
        const { signal } = this.#stopping;
        const onRead = () => this.#link?.heard();
        const { connection } = await connect({ onRead, signal });
        this.#link = new DownloadConnection(connection, clock);
      } catch (error) {
        if (this.#isStopped) throw this.#stopping.signal.reason;
        if (!(error instanceof ClientError)) throw error;
        await this.#backOff();
      }
      if (this.#isStopped) throw this.#stopping.signal.reason;
    }
    return this.#link;
  }

  async #backOff(): Promise<void> {
    this.#link?.[Symbol.dispose]();
    this.#link = undefined;
    const { random } = this.#ports;
    const longestMs = FETCH_RECONNECT_MAX_MS;
    await this.#pause(reconnectDelay(this.#failures++, { random, longestMs }), { canWake: true });
  }

  async #pauseWhileBusy(): Promise<void> {
    const [shortest, longest] = BUSY_PAUSE_MS;
    const ms = shortest + this.#ports.random() * (longest - shortest);
    await this.#pause(ms, { canWake: false });
    if (this.#isStopped) throw this.#stopping.signal.reason;
  }

  /** Waits; ends early when stopped, and when woken if that is allowed. */
  async #pause(ms: number, { canWake }: { canWake: boolean }): Promise<void> {
    if (this.#isStopped) return;
    const nap = new AbortController();
    this.#nap = { canWake, end: () => nap.abort() };
    await sleep(this.#ports.clock, ms, nap.signal).catch(() => {}); // Ended early, as wanted.
    this.#nap = undefined;
  }

  async #sweep(folder: InboxFolder): Promise<void> {
    const { clock } = this.#ports;
    this.#sweepAt = clock.now() + SWEEP_MS;
    try {
      await folder.sweep({
        now: clock.wall(),
        isStored: (id) => Promise.resolve(this.#recall(id) !== undefined),
      });
    } catch (error) {
      if (!(error instanceof DurableFileError)) throw error;
      this.#events.onWarning?.(error.message); // Tomorrow is soon enough for another try.
    }
  }
}
