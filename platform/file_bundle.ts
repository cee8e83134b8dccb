/**
 * Stores many small files at once: checked, written, synced and named together, which is what makes ten
 * thousand of them cheap. Each file ends by itself; one that is bad spoils no other.
 *
 * @module
 */

import { hash } from "node:crypto";
import type { Clock } from "./clock.ts";
import {
  type DurableFileCode,
  DurableFileError,
  durableFileError,
  orDurableFileError,
  systemCode,
} from "./durable_file_error.ts";
import { failpoint } from "./failpoint.ts";
import { fileSha256, writeAll } from "./hashed_file.ts";
import { placeFiles, type Placement } from "./place_file.ts";
import type { RawFile, RawFileSystem } from "./raw_file.ts";
import { prepareStaging, stagingPath } from "./staging_directory.ts";
import { removeIfThere, removeNote, removeQuietly } from "./staging_note.ts";

/** One file of a bundle. */
export interface BundleItem {
  /** Under which it is staged; the same whenever the same file is offered again. */
  readonly id: string;
  /** The path below the root, already checked by the gate for names: folders and the file's name. */
  readonly segments: readonly string[];
  /** How many of the bundle's bytes are its own. */
  readonly bytes: number;
  /** In lower-case hex. */
  readonly sha256: string;
}

/** A bundle to store. */
export interface BundleRequest {
  /** A directory of our own, made with mode 0700; on the file system where the files shall end up. */
  stagingDirectory: string;
  /** The directory above it, where that is our own as well and shall be no link either. */
  stagingTop?: string | undefined;
  /** The directory that must hold the files; made if missing. A link in its place is refused. */
  root: string;
  items: readonly BundleItem[];
  /** The bytes of all items, in their order. */
  data: Uint8Array<ArrayBuffer>;
}

/** What has become of one file: the path below the root that it has got, or why it was not stored. */
export type BundleItemResult =
  | { readonly id: string; readonly as: readonly string[] }
  | { readonly id: string; readonly code: DurableFileCode; readonly reason: string };

/**
 * A sync that takes longer than this, in milliseconds, is left to the background, many at a time: on an SSD
 * 0.24 ms for each file instead of 0.57 ms.
 */
const SLOW_SYNC_MS = 0.1;
/** Syncs at a time, and so files that one bundle has open. */
const MAX_SYNCS = 64;

/**
 * Stores the files of a bundle. When it resolves, each file that has got a path is whole, of mode 0600, and
 * survives a power cut; its staging name stays until {@linkcode settleBundle}. Rejects with
 * {@linkcode DurableFileError} when nothing at all could be done.
 */
export async function storeBundle(
  files: RawFileSystem,
  { items, data, root, stagingDirectory, stagingTop }: BundleRequest,
  clock: Pick<Clock, "now">,
): Promise<BundleItemResult[]> {
  if (items.reduce((sum, { bytes }) => sum + bytes, 0) !== data.length) {
    throw new TypeError("Cannot store bundle: its items are not its bytes");
  }
  failpoint("after_last_byte");
  try {
    await prepareStaging(files, { path: stagingDirectory, top: stagingTop });
  } catch (error) {
    throw durableFileError(`stage files in "${stagingDirectory}"`, error);
  }
  const staging = new BundleStaging(files, clock);
  let at = 0;
  for (const item of items) {
    const bytes = data.subarray(at, at += item.bytes);
    await staging.add({ item, bytes, from: stagingPath(stagingDirectory, item.id) });
  }
  failpoint("after_hash");
  await staging.sync();
  failpoint("after_fsync");
  return await nameAll(files, { root, staged: staging.staged });
}

/** Removes the staging names of files that are recorded; what cannot be removed is swept later. */
export async function settleBundle(
  files: RawFileSystem,
  { stagingDirectory, ids }: { stagingDirectory: string; ids: readonly string[] },
): Promise<void> {
  for (const id of ids) {
    const path = stagingPath(stagingDirectory, id);
    // Without hard links it is the file itself that has left, and a note that remains.
    await orDurableFileError("remove staging file", async () => {
      if (!await removeIfThere(files, path)) await removeNote(files, path);
    });
  }
}

/** One file on its way, and why it will not get there. */
interface StagedItem {
  readonly id: string;
  readonly placement: Placement;
  problem: DurableFileError | undefined;
}

async function nameAll(
  files: RawFileSystem,
  { root, staged }: { root: string; staged: readonly StagedItem[] },
): Promise<BundleItemResult[]> {
  const sound = staged.filter(({ problem }) => problem === undefined);
  const placing = {
    ...files,
    sha256: (path: string, bytes: number) => fileSha256(files, { path, bytes }),
  };
  const items = sound.map(({ placement }) => placement);
  const placed = await placeFiles(placing, { root, items });
  const as = new Map(sound.map((item, index) => [item, placed[index]]));
  return staged.map((item) => {
    const end = item.problem ?? as.get(item);
    if (end !== undefined && !(end instanceof DurableFileError)) return { id: item.id, as: end };
    const problem = end ?? new DurableFileError("io", "Cannot place file: it got no name");
    return { id: item.id, code: problem.code, reason: problem.message };
  });
}

/** The staging files of one bundle. */
class BundleStaging {
  /** In the order of the bundle. */
  readonly staged: StagedItem[] = [];
  readonly #files: RawFileSystem;
  readonly #clock: Pick<Clock, "now">;
  readonly #unsynced: { file: RawFile; staged: StagedItem }[] = [];
  #isSlow = false;

  constructor(files: RawFileSystem, clock: Pick<Clock, "now">) {
    this.#files = files;
    this.#clock = clock;
  }

  /** Checks and writes one file; a failure is noted with it. */
  async add(
    { item, bytes, from }: { item: BundleItem; bytes: Uint8Array; from: string },
  ): Promise<void> {
    const { id, segments, sha256 } = item;
    const placement = { from, segments, bytes: item.bytes, sha256, isNew: true };
    const staged: StagedItem = { id, placement, problem: undefined };
    this.staged.push(staged);
    try {
      const actual = hash("sha256", bytes, "hex");
      if (actual !== sha256) throw wrongDigest(actual, sha256);
      await this.#stage(staged, bytes);
    } catch (error) {
      staged.problem = durableFileError("stage file", error);
    }
  }

  /** Syncs what has not been synced yet. */
  async sync(): Promise<void> {
    await Promise.all(
      this.#unsynced.splice(0).map(async ({ file, staged }) => {
        try {
          await file.sync();
        } catch (error) {
          await this.#giveUp(staged, error);
        } finally {
          this.#close(file, staged);
        }
      }),
    );
  }

  async #stage(staged: StagedItem, bytes: Uint8Array): Promise<void> {
    const file = await this.#open(staged, bytes.length);
    let isKept = false;
    try {
      if (staged.placement.isNew === true) await writeAll(file, bytes);
      if (!this.#isSlow) this.#syncNow(file);
      else isKept = true;
    } catch (error) {
      await this.#giveUp(staged, error);
    }
    if (!isKept) return this.#close(file, staged);
    this.#unsynced.push({ file, staged });
    if (this.#unsynced.length === MAX_SYNCS) await this.sync();
  }

  /** A new staging file; or the one that an earlier run has left, when it is this very file. */
  async #open(staged: StagedItem, bytes: number): Promise<RawFile> {
    const { from: path, sha256 } = staged.placement;
    try {
      return await this.#files.create(path);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    const { isFile } = await this.#files.look(path);
    if (!isFile) {
      throw new DurableFileError("denied", `Cannot stage file as "${path}": it is no regular file`);
    }
    if (await fileSha256(this.#files, { path, bytes }) === sha256) {
      staged.placement.isNew = false;
      return await this.#files.reopen(path);
    }
    // Never written over: the file may have its final name already, and then that is somebody's.
    await this.#files.remove(path);
    return await this.#files.create(path);
  }

  #syncNow(file: RawFile): void {
    const begun = this.#clock.now();
    file.syncNow();
    this.#isSlow = this.#clock.now() - begun > SLOW_SYNC_MS;
  }

  #close(file: RawFile, staged: StagedItem): void {
    try {
      file.close();
    } catch (error) {
      staged.problem ??= durableFileError("close file", error);
    }
  }

  /** Notes the failure; what was written must not be taken for the file later. */
  async #giveUp(staged: StagedItem, error: unknown): Promise<void> {
    staged.problem = durableFileError("write file", error);
    await removeQuietly(this.#files, staged.placement.from);
  }
}

function wrongDigest(actual: string, announced: string): DurableFileError {
  return new DurableFileError(
    "hash",
    `Cannot store file: its SHA-256 is ${actual}, ${announced} was announced`,
  );
}
