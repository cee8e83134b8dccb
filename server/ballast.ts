/**
 * A file that does nothing but take up space, so that there is something to give back when the disk is full.
 *
 * @module
 */

import { join } from "node:path";
import { systemRandomBytes } from "../platform/random.ts";

/** Size of a whole ballast, in bytes: room for tens of thousands of changes of state. */
export const BALLAST_BYTES = 16 * 1024 * 1024;
/** A smaller one than this is not worth a file, in bytes. */
export const MIN_BALLAST_BYTES = 1024 * 1024;
/** A ballast takes at most this share of what is free. */
const MAX_SHARE = 1 / 4;
/** Bytes of one write; also the most that the source of chance gives at a time. */
const CHUNK_BYTES = 65_536;

/** The ballast of one disk. */
export interface Ballast {
  /**
   * Makes it, or a larger one than is there, for a disk with so many bytes free; its size in bytes, 0 when the disk is
   * too small for one. Rejects, and leaves nothing behind, when it does not fit after all.
   */
  make(free: number): Promise<number>;
  /** Gives its space back; how many bytes that were. */
  remove(): Promise<number>;
}

/** How large a ballast may be where so many bytes are free. */
export function ballastBytes(free: number): number {
  const bytes = Math.min(BALLAST_BYTES, Math.floor(free * MAX_SHARE));
  return bytes < MIN_BALLAST_BYTES ? 0 : bytes;
}

/** The ballast of the disk on which a data directory lies: the file `ballast` in it. */
export function ballastFile(directory: string): Ballast {
  const path = join(directory, "ballast");
  return {
    make: async (free) => {
      const size = await sizeOf(path);
      const bytes = ballastBytes(free + size);
      // Not for every byte that comes free.
      if (size >= bytes / 2) return size;
      await remove(path);
      await write(path, bytes);
      return bytes;
    },
    remove: async () => {
      const size = await sizeOf(path);
      await remove(path);
      return size;
    },
  };
}

/** Of chance, as a file system that compresses would keep no room for anything else. */
async function write(path: string, bytes: number): Promise<void> {
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    let left = bytes;
    while (left > 0) left -= await file.write(systemRandomBytes(Math.min(left, CHUNK_BYTES)));
  } catch (error) {
    await remove(path);
    throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.lstat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
