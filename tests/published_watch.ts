/**
 * Looks at a folder of received files again and again while a test runs: what is there for a moment only counts
 * as published as well.
 *
 * @module
 */

import { join } from "node:path";
import { walk } from "./temporary_directory.ts";
import { pause, until } from "./until.ts";

/** Time between two looks, in milliseconds. */
const LOOK_MS = 10;
/** Time between two looks at the staging folder, in milliseconds: what arrives is there for a moment only. */
const STAGED_LOOK_MS = 5;

/** A watch over one folder; disposing of it ends it. */
export class PublishedWatch implements AsyncDisposable {
  /** Everything that was ever seen, as `path` for a folder and `path: bytes` for a file. */
  readonly seen = new Set<string>();
  readonly #folder: string;
  #ended = false;
  readonly #watching: Promise<void>;

  /** Watches a folder, which may not exist yet; folders whose name begins with a dot are left out. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#watching = this.#watch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#ended) {
      for (const entry of await published(this.#folder)) this.seen.add(entry);
      await pause(LOOK_MS);
    }
  }
}

/** What lies in a folder now, as {@linkcode PublishedWatch.seen} names it. */
export async function published(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      if (name.startsWith(".")) continue;
      found.push(isFile ? await withSize(folder, name) : name);
      if (!isDirectory) continue;
      for (const path of await walk(join(folder, name))) {
        found.push(await withSize(folder, join(name, path)));
      }
    }
  } catch (error) {
    // Gone between two steps, or not made yet: the next look sees what is there then.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** Files that wait in the staging folder of a folder of received files, complete or not. */
export async function staged(folder: string): Promise<string[]> {
  const staging = join(folder, ".staging");
  const found: string[] = [];
  try {
    for (const path of await walk(staging)) {
      if (await isFile(join(staging, path))) found.push(path);
    }
  } catch (error) {
    // Never made, or gone meanwhile: then nothing waits in it.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Bytes of the partials in the staging folder of a folder of received files, notes beside them left out. */
export async function stagedBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const path of await staged(folder)) {
    if (path.includes(".json")) continue;
    try {
      bytes += (await Deno.stat(join(folder, ".staging", path))).size;
    } catch (error) {
      // It has gone meanwhile: then there are no bytes of it either.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}

/** Resolves once so many bytes have reached the staging folder of a folder of received files. */
export async function untilStaged(folder: string, bytes: number): Promise<void> {
  await until(async () => await stagedBytes(folder) >= bytes, {
    what: `${bytes} bytes in staging`,
    everyMs: STAGED_LOOK_MS,
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isFile;
  } catch (error) {
    // Gone meanwhile: one file less, and no word about the others.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

async function withSize(folder: string, path: string): Promise<string> {
  const { isDirectory, size } = await Deno.lstat(join(folder, path));
  return isDirectory ? path : `${path}: ${size}`;
}
