/**
 * Free space that is promised before a byte moves, so that two transfers cannot count on the same bytes.
 *
 * @module
 */

import { statfs } from "node:fs/promises";

/** What a file system says about its space, in blocks of `bsize` bytes. */
export interface SpaceFacts {
  readonly bsize: number;
  readonly blocks: number;
  /** Free for this user. */
  readonly bavail: number;
}

/** Settings of a {@linkcode DiskSpace}. */
export interface DiskSpaceOptions {
  /** A directory on the file system in question. */
  directory: string;
  /**
   * What stays free whatever is asked for, in bytes.
   * @default 1 % of the disk, at most 1 GiB
   */
  minFreeBytes?: number | undefined;
  /** @default the machine's own */
  statfs?: (directory: string) => Promise<SpaceFacts>;
}

/** Space that was promised. */
export interface Reservation extends Disposable {
  /** Takes `bytes` off the promise: they have been written, and the file system counts them now. */
  wrote(bytes: number): void;
}

/** Why no space was promised. */
export interface NoSpace {
  /** What could be promised, in bytes: free, less what is promised and what has to stay free. */
  readonly free: number;
  /** What was asked for, in bytes. */
  readonly needed: number;
  /** Why the free space could not be found out; `free` is 0 then. */
  readonly cause?: unknown;
}

/** Share of the disk that stays free by default. */
const MIN_FREE_SHARE = 0.01;
/** The most that stays free by default, in bytes. */
const MAX_DEFAULT_MIN_FREE = 1024 ** 3;

/** The space of one file system. */
export class DiskSpace {
  readonly #directory: string;
  readonly #minFree: number | undefined;
  readonly #statfs: (directory: string) => Promise<SpaceFacts>;
  /** While set nothing is promised, whatever is free: what is left is kept for something else. */
  isClosed = false;
  #promised = 0;
  /** Questions follow each other: each counts on what the one before was promised. */
  #last: Promise<unknown> = Promise.resolve();

  /** Touches nothing. */
  constructor({ directory, minFreeBytes, statfs: ask }: DiskSpaceOptions) {
    this.#directory = directory;
    this.#minFree = minFreeBytes;
    this.#statfs = ask ?? ((path) => statfs(path));
  }

  /** Promises `bytes` until the reservation is disposed of; what cannot be found out is refused. */
  async reserve(bytes: number): Promise<Reservation | NoSpace> {
    const asked = this.#last.then(() => this.#reserve(bytes));
    this.#last = asked;
    return await asked;
  }

  /** How many bytes could be promised now; rejects when the file system does not say. */
  async free(): Promise<number> {
    const { bsize, blocks, bavail } = await this.#statfs(this.#directory);
    const size = bsize * blocks;
    const minFree = this.#minFree ?? Math.min(size * MIN_FREE_SHARE, MAX_DEFAULT_MIN_FREE);
    const free = Math.floor(bsize * bavail - minFree - this.#promised);
    if (!Number.isSafeInteger(free)) {
      throw new RangeError(`Cannot count free space in "${this.#directory}": it is ${free} bytes`);
    }
    return Math.max(0, free);
  }

  async #reserve(needed: number): Promise<Reservation | NoSpace> {
    if (this.isClosed) return { free: 0, needed };
    try {
      const free = await this.free();
      return needed <= free ? this.#promise(needed) : { free, needed };
    } catch (cause) {
      return { free: 0, needed, cause };
    }
  }

  #promise(bytes: number): Reservation {
    let left = bytes;
    this.#promised += left;
    const take = (count: number) => {
      const taken = Math.min(left, count);
      left -= taken;
      this.#promised -= taken;
    };
    return { wrote: take, [Symbol.dispose]: () => take(left) };
  }
}

/** Whether space was refused. */
export function isNoSpace(answer: Reservation | NoSpace): answer is NoSpace {
  return "needed" in answer;
}
