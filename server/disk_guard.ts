/**
 * Watches the disk of the data directory: gives the ballast back when it is full, so that states, alerts and receipts
 * can still be written, and tells the operator when that begins, gets worse and is over.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../platform/clock.ts";
import { quoted } from "../platform/option_value.ts";
import { formatSize } from "../platform/quantity.ts";
import type { Announcement } from "./alarm.ts";
import { type Ballast, BALLAST_BYTES } from "./ballast.ts";

/** How often the disk is looked at, in milliseconds. */
export const DISK_CHECK_MS = 5_000;
/** With less than this free the disk is full, in bytes; files leave as much free by default on 400 MiB and more. */
export const LOW_BYTES = 4 * 1024 * 1024;
/** With less than this free the reserve is used up as well, in bytes: a commit may not fit. */
export const SPENT_BYTES = 1024 * 1024;

/** How a disk is: well, full with a reserve, or full without one. */
export type DiskCondition = "well" | "full" | "spent";

/** What a {@linkcode DiskGuard} needs. */
export interface DiskGuardOptions {
  /** The directory, for people. */
  directory: string;
  clock: Clock;
  log: Logger;
  ballast: Ballast;
  /** What is free on its disk, in bytes; rejects when that cannot be found out. */
  freeBytes: () => Promise<number>;
}

/** How a disk has changed. */
export interface DiskChange {
  condition: DiskCondition;
  /** What is free, in bytes. */
  free: number;
  /** For the operator. */
  notice: Announcement;
}

/** Whoever wants to know of changes. */
type Subscriber = (change: DiskChange) => Promise<void>;

/** Guards one disk. */
export class DiskGuard implements AsyncDisposable {
  readonly #options: DiskGuardOptions;
  readonly #subscribers: Subscriber[] = [];
  #lastChange: DiskChange | undefined;
  #condition: DiskCondition = "well";
  /** Bytes of the ballast that was given back, or that is there. */
  #reserve = 0;
  #failed = false;
  #isBlind = false;
  #closed = false;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  /** Touches nothing before {@linkcode DiskGuard.start}. */
  constructor(options: DiskGuardOptions) {
    this.#options = options;
  }

  /** How the disk was when it was last looked at. */
  get condition(): DiskCondition {
    return this.#condition;
  }

  /**
   * Calls `subscriber` for each change, after the ballast has been given back or made again; and now when the disk has
   * been full before anybody could know.
   */
  subscribe(subscriber: Subscriber): void {
    this.#subscribers.push(subscriber);
    if (this.#lastChange !== undefined) void this.#tell(subscriber, this.#lastChange);
  }

  /**
   * Gives the ballast back when the disk is full already, and looks again every {@linkcode DISK_CHECK_MS}. A ballast is
   * made then and not now, so that no start waits for it.
   */
  async start(): Promise<void> {
    await this.#look({ isStart: true });
  }

  /** Takes note that something could not be written because the disk is full, and looks at once. */
  noteFull(): void {
    if (this.#condition === "spent") return;
    this.#failed = true;
    void this.#look();
  }

  /** Looks no more; the ballast stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  /** Never rejects. */
  async #look({ isStart = false } = {}): Promise<void> {
    if (this.#closed) return;
    this.#looking ??= this.#check(isStart).finally(() => {
      this.#looking = undefined;
      this.#timer?.cancel();
      if (this.#closed) return;
      this.#timer = this.#options.clock.after(DISK_CHECK_MS, () => void this.#look());
    });
    await this.#looking;
  }

  async #check(isStart: boolean): Promise<void> {
    const { directory, freeBytes, log } = this.#options;
    try {
      if (this.#condition !== "well") await this.#recover(await freeBytes());
      else if (this.#failed || await freeBytes() < LOW_BYTES) await this.#giveBack();
      else if (!isStart) await this.#makeBallast();
      this.#isBlind = false;
    } catch (error) {
      const words = "Cannot look after the disk of {directory}: {error}";
      if (!this.#isBlind) log.error(words, { directory, error: String(error) });
      this.#isBlind = true;
    }
  }

  async #giveBack(): Promise<void> {
    const { ballast, freeBytes } = this.#options;
    this.#reserve = await ballast.remove();
    const free = await freeBytes();
    this.#become(free < SPENT_BYTES ? "spent" : "full", free);
  }

  /** Well again is a disk that is not full at once when the ballast is back. */
  async #recover(free: number): Promise<void> {
    if (free >= this.#reserve + 2 * LOW_BYTES) {
      await this.#makeBallast();
      this.#failed = false;
      this.#become("well", free);
    } else if (free < SPENT_BYTES && this.#condition === "full") this.#become("spent", free);
  }

  async #makeBallast(): Promise<void> {
    const { ballast, directory, freeBytes, log } = this.#options;
    const before = this.#reserve;
    this.#reserve = await ballast.make(await freeBytes());
    if (this.#reserve === before || this.#reserve === BALLAST_BYTES) return;
    log.warn("The disk of {directory} is small: {size} are kept in reserve instead of {whole}", {
      directory,
      size: formatSize(this.#reserve),
      whole: formatSize(BALLAST_BYTES),
    });
  }

  #become(condition: DiskCondition, free: number): void {
    this.#condition = condition;
    const { log } = this.#options;
    const text = this.#describe(condition, free);
    if (condition === "well") log.warn("{text}", { text });
    else log.error("{text}", { text });
    const kind = condition === "well" ? "relief" : "trouble";
    const title = condition === "well"
      ? "The server's disk has room again"
      : "The server's disk is full";
    const change = { condition, free, notice: { kind, title, text } as const };
    this.#lastChange = change;
    for (const subscriber of this.#subscribers) void this.#tell(subscriber, change);
  }

  async #tell(subscriber: Subscriber, change: DiskChange): Promise<void> {
    try {
      await subscriber(change);
    } catch (error) {
      this.#options.log.error("Cannot act upon a full disk: {error}", { error: String(error) });
    }
  }

  #describe(condition: DiskCondition, free: number): string {
    const disk = `the disk of ${quoted(this.#options.directory)}`;
    const room = `${formatSize(free)} free`;
    switch (condition) {
      case "full":
        return `ALERT ${disk} is full (${room}): clients are watched and alerts told as ever, and recorded while ` +
          "the reserve lasts; files are refused. Make room there; everything goes on by itself then";
      case "spent":
        return `ALERT ${disk} is full and its reserve used up (${room}): clients are watched and alerts told from ` +
          "memory; messages and files are refused. Make room there before this server is stopped";
      case "well":
        return `RECOVERED ${disk} has room again (${room}): everything is recorded and taken again`;
    }
  }
}
