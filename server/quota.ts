/**
 * What each client's files take, so that it does not exceed its share.
 *
 * Counted by walking its folders when it first matters, kept up to date while files come, and counted again
 * before anything is refused: what the operator has deleted counts no more.
 *
 * @module
 */

import { join } from "node:path";
import { formatSize } from "../platform/quantity.ts";
import type { Owner, Room } from "./room.ts";
import { TransferError } from "./transfer_error.ts";

interface Share {
  /** Bytes on disk when they were last counted, and those written since. */
  used: number;
  /** Bytes that may still come. */
  promised: number;
  isCounted: boolean;
  /** Bytes ever written, so that what comes while counting is not missed. */
  written: number;
  /** How often it was to be counted anew. */
  forgotten: number;
}

/** The shares of all clients. */
export class Quota {
  readonly #limit: number | undefined;
  readonly #foldersOf: (owner: Owner) => string[];
  readonly #shares = new Map<string, Share>();

  /** Takes the limit in bytes, or undefined for none, and where a client's files lie. */
  constructor(limit: number | undefined, foldersOf: (owner: Owner) => string[]) {
    this.#limit = limit;
    this.#foldersOf = foldersOf;
  }

  /** Promises `bytes` more; rejects with `quota` when that would exceed the limit. */
  async reserve(owner: Owner, bytes: number): Promise<Room> {
    const limit = this.#limit;
    if (limit === undefined) return { wrote: () => {}, [Symbol.dispose]: () => {} };
    const share = this.#shareOf(owner);
    if (!share.isCounted) await this.#count(owner, share);
    if (share.used + share.promised + bytes > limit) await this.#count(owner, share);
    const taken = share.used + share.promised;
    if (taken + bytes > limit) {
      const reason = `This machine's files take ${formatSize(taken)} of the ${formatSize(limit)} ` +
        `that the server allows, and this needs ${formatSize(bytes)}`;
      throw new TransferError("quota", reason);
    }
    return promise(share, bytes);
  }

  /** Counts a client's files anew the next time. */
  forget(owner: Owner): void {
    const share = this.#shares.get(owner.id);
    if (share === undefined) return;
    share.isCounted = false;
    share.forgotten++;
  }

  #shareOf({ id }: Owner): Share {
    let share = this.#shares.get(id);
    if (share === undefined) {
      share = { used: 0, promised: 0, isCounted: false, written: 0, forgotten: 0 };
      this.#shares.set(id, share);
    }
    return share;
  }

  async #count(owner: Owner, share: Share): Promise<void> {
    let used = 0;
    const { written, forgotten } = share;
    const seen = new Set<string>();
    try {
      for (const folder of this.#foldersOf(owner)) used += await bytesBelow(folder, seen);
    } catch (cause) {
      throw new TransferError("quota", "The server cannot count this machine's files", { cause });
    }
    // What came meanwhile may be counted twice, never missed; the next time it is counted again.
    const meanwhile = share.written - written;
    share.used = used + meanwhile;
    share.isCounted = meanwhile === 0 && share.forgotten === forgotten;
  }
}

function promise(share: Share, bytes: number): Room {
  let left = bytes;
  share.promised += bytes;
  const take = (count: number) => {
    const taken = Math.min(left, count);
    left -= taken;
    share.promised -= taken;
    return taken;
  };
  return {
    wrote: (count) => {
      const taken = take(count);
      share.used += taken;
      share.written += taken;
    },
    [Symbol.dispose]: () => void take(left),
  };
}

/**
 * Bytes of all regular files below a folder, links not followed; 0 where there is none. A file of several names,
 * as one that is published but not settled, counts once in all calls with the same `seen`.
 */
async function bytesBelow(folder: string, seen: Set<string>): Promise<number> {
  let bytes = 0;
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      for await (const { name, isDirectory, isFile } of Deno.readDir(next)) {
        const path = join(next, name);
        if (isDirectory) waiting.push(path);
        else if (isFile) bytes += bytesOnce(await Deno.lstat(path), seen);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // Deleted meanwhile.
    }
  }
  return bytes;
}

function bytesOnce({ size, dev, ino, nlink }: Deno.FileInfo, seen: Set<string>): number {
  if (ino === null || nlink === null || nlink < 2) return size;
  const file = `${dev} ${ino}`;
  if (seen.has(file)) return 0;
  seen.add(file);
  return size;
}
