/**
 * The files that the server pushes to this machine: checked, queued, and fetched one at a time over a data
 * connection of their own.
 *
 * The queue lives in memory only: the server keeps every push until it has an answer, and announces it again
 * after every greeting.
 *
 * @module
 */

import { type Clock, type Random, sleep } from "../platform/clock.ts";
import { DurableFileError } from "../platform/durable_file.ts";
import { type BadOffer, checkOffer, type FrameOf, type RejectCode } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import type { Dialled } from "./dial.ts";
import { Download, type DownloadEnd, type PushOffer } from "./download.ts";
import { DownloadConnection, DownloadLostError } from "./download_connection.ts";
import type { InboxFolder } from "./inbox_folder.ts";
import { reconnectDelay } from "./reconnect.ts";
import type { ClientStore, ReceivedFile } from "./store.ts";

/** A pushed file that is not stored. */
export interface RefusedFile {
  /** The push's UUID. */
  id: string;
  /** Its name as far as it can be shown; not checked. */
  name: string;
  /** Why, as on the wire; "withdrawn" when it was the server that changed its mind. */
  code: RejectCode | "withdrawn";
  /** The same for people. */
  reason: string;
  /** Whether it is tried again by itself. */
  retry: boolean;
}

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

/** Says something on the control connection that a push came on. */
export type PushAnswer = (frame: FrameOf<"REJECT"> | FrameOf<"STORED">) => void;

/** Pushes that may wait; the server announces further ones again after the next greeting. */
export const MAX_WAITING_PUSHES = 1_000;
/** Times that a file may arrive damaged before it is given up. */
export const MAX_DAMAGED_TRIES = 3;
/** Longest wait before a lost connection is dialled again, in milliseconds. */
export const FETCH_RECONNECT_MAX_MS = 30_000;
/** Pause after which a file is tried again that this machine's or the server's disk had no way for, in milliseconds. */
export const LATER_MS = 60_000;
/** How often what nobody will complete is removed, in milliseconds. */
export const SWEEP_MS = 24 * 3_600_000;
/** Shortest and longest pause before a busy server is asked again, in milliseconds. */
const BUSY_PAUSE_MS = [1_000, 5_000] as const;
/** Longest name that is shown of an offer with a bad one, in characters. */
const MAX_SHOWN_CHARS = 255;

/** One push that waits. */
interface Waiting {
  offer: PushOffer;
  answer: PushAnswer;
  /** Times that it has arrived damaged. */
  damaged: number;
  /** By the clock's `now()`. */
  notBefore: number;
  /** The refusal that was told last, so that it is told once. */
  told?: RejectCode | "withdrawn";
  hasBegun: boolean;
}

/** Takes pushes and fetches their files, from `run()` to `stop()`. */
export class Receiver {
  readonly #ports: ReceiverPorts;
  readonly #events: ReceiveEvents;
  readonly #waiting = new Map<string, Waiting>();
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
  }

  /** The file under way, with how many of its bytes are here; undefined between files. */
  get current(): { name: string; bytes: number; size: number } | undefined {
    if (this.#current === undefined) return undefined;
    const { offer: { name, size }, written } = this.#current;
    return { name, bytes: written, size };
  }

  /** How many files wait, the one under way included. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a push; `answer` reaches the server for as long as the connection lives that it came on. */
  take({ id, path, size, sha256 }: FrameOf<"PUSH">, answer: PushAnswer): void {
    const stored = this.#recall(id);
    if (stored !== undefined) {
      const { as, bytes, sha256 } = stored;
      return answer({ verb: "STORED", id, as, bytes, sha256 });
    }
    const known = this.#waiting.get(id);
    if (known !== undefined) {
      known.answer = answer;
      return this.#wake(); // The server can be reached again.
    }
    const offer = this.#check({ id, path, size, sha256 });
    if ("code" in offer) {
      const { code, reason } = offer;
      return this.#refuse({ id, name: shownName(path), answer, code, reason });
    }
    const fresh = { offer, answer, damaged: 0, notBefore: 0, hasBegun: false };
    this.#waiting.set(id, fresh);
    this.#wake();
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
        const next = this.#next();
        if (next === undefined) await this.#idle();
        else await this.#receive(next, folder);
      }
    } finally {
      this.#link?.[Symbol.dispose]();
    }
  }

  #check({ id, path, size, sha256 }: Omit<FrameOf<"PUSH">, "verb">): PushOffer | BadOffer {
    const { folder } = this.#ports;
    const offer = checkOffer(path, size);
    if ("code" in offer) return offer;
    const [name, ...more] = offer.path;
    if (name === undefined || more.length > 0) {
      return { code: "bad_name", reason: "A file of the server has one name and no folders" };
    }
    if (folder === undefined) {
      return { code: "denied", reason: "This machine takes no files (--no-push)" };
    }
    if (this.#waiting.size >= MAX_WAITING_PUSHES) {
      return { code: "busy", reason: `${MAX_WAITING_PUSHES} files wait for this machine already` };
    }
    return folder.refusal(offer.size) ?? { id, name, size: offer.size, sha256 };
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

  #next(): Waiting | undefined {
    const now = this.#ports.clock.now();
    return this.#waiting.values().find(({ notBefore }) => notBefore <= now);
  }

  /** Waits for the next push, the next try or the next sweep; nothing is fetched meanwhile. */
  async #idle(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    if (link !== undefined && !link.closed) await link.end();
    const { clock } = this.#ports;
    const next = Math.min(
      this.#sweepAt,
      ...this.#waiting.values().map(({ notBefore }) => notBefore),
    );
    await this.#pause(next - clock.now(), { canWake: true });
  }

  async #receive(waiting: Waiting, folder: InboxFolder): Promise<void> {
    const { offer } = waiting;
    this.#current = { offer, written: 0 };
    try {
      this.#conclude(waiting, await this.#download(waiting, folder));
    } catch (error) {
      if (error instanceof DownloadLostError) return await this.#backOff();
      if (!(error instanceof DurableFileError)) throw error;
      const { code, message } = error;
      this.#events.onWarning?.(message);
      const refusal = { code, reason: "The client cannot use its folder for received files" };
      this.#answerOnce(waiting, refusal);
      this.#afterRefusal(waiting, refusal);
    } finally {
      this.#current = undefined;
    }
  }

  async #download(waiting: Waiting, folder: InboxFolder): Promise<DownloadEnd> {
    const { offer } = waiting;
    await using staged = await folder.open(offer.id);
    const held = Math.min(offer.size, staged.proposals[0] ?? 0);
    const reservation = await folder.reserve(offer.size - held);
    if ("code" in reservation) {
      if (held === 0) await staged.discard();
      this.#answerOnce(waiting, reservation);
      return { kind: "refused", ...reservation };
    }
    using _reservation = reservation;
    const download = new Download(offer, {
      staged,
      publish: () => folder.publish(staged, offer),
      record: (file) => this.#record(file),
      onBegin: (offset) => this.#begin(waiting, offset),
      onWritten: (bytes) => {
        reservation.wrote(bytes);
        if (this.#current !== undefined) this.#current.written += bytes;
        this.#failures = 0;
      },
      mayRepeat: waiting.damaged + 1 < MAX_DAMAGED_TRIES,
    });
    await download.prepare();
    while (true) {
      const end = await download.run(await this.#connected());
      if (end.kind !== "busy") return end;
      await this.#pauseWhileBusy();
    }
  }

  #begin(waiting: Waiting, offset: number): void {
    if (this.#current !== undefined) this.#current.written = offset;
    if (waiting.hasBegun) return;
    waiting.hasBegun = true;
    this.#events.onFileComing?.(waiting.offer, offset);
  }

  #conclude(waiting: Waiting, end: DownloadEnd): void {
    const { id, name } = waiting.offer;
    switch (end.kind) {
      case "busy":
        return; // Asked again before it gets here.
      case "stored":
        this.#failures = 0;
        this.#waiting.delete(id);
        return this.#events.onFile?.(end.file);
      case "withheld": {
        const { reason, retry } = end;
        if (retry) waiting.notBefore = this.#ports.clock.now() + LATER_MS;
        else this.#waiting.delete(id);
        return this.#tell(waiting, { id, name, code: "withdrawn", reason, retry });
      }
      case "refused":
        return this.#afterRefusal(waiting, end);
    }
  }

  #afterRefusal(waiting: Waiting, end: { code: RejectCode; reason: string }): void {
    const { id, name } = waiting.offer;
    const { code, reason } = end;
    if (code === "hash") waiting.damaged++;
    const isLater = code === "no_space" || code === "io";
    const retry = isLater || (code === "hash" && waiting.damaged < MAX_DAMAGED_TRIES);
    if (isLater) waiting.notBefore = this.#ports.clock.now() + LATER_MS;
    if (!retry) this.#waiting.delete(id);
    this.#tell(waiting, { id, name, code, reason, retry });
  }

  /** Refuses on the control connection what cannot be fetched for now. */
  #answerOnce(waiting: Waiting, { code, reason }: BadOffer): void {
    const { offer: { id }, answer } = waiting;
    const retry = code === "no_space" || code === "io";
    if (waiting.told !== code) answer({ verb: "REJECT", id, code, reason, retry });
  }

  #refuse({ id, name, answer, code, reason }: {
    id: string;
    name: string;
    answer: PushAnswer;
    code: RejectCode;
    reason: string;
  }): void {
    const retry = code === "busy";
    answer({ verb: "REJECT", id, code, reason, retry });
    this.#events.onFileRefused?.({ id, name, code, reason, retry });
  }

  #tell(waiting: Waiting, refused: RefusedFile): void {
    if (refused.retry && waiting.told === refused.code) return;
    waiting.told = refused.code;
    this.#events.onFileRefused?.(refused);
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

  #wake(): void {
    if (this.#nap?.canWake === true) this.#nap.end();
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

/** What people may be shown of a name that the gate has refused. */
function shownName(path: unknown): string {
  const name = Array.isArray(path) ? path.join("/") : String(path);
  return name.slice(0, MAX_SHOWN_CHARS);
}
