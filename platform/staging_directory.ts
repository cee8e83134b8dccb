/**
 * The directory in which unfinished files lie: made so that nobody else can reach it, and cleared of what
 * nobody will ask for again.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { DurableFileError, durableFileError, systemCode } from "./durable_file_error.ts";
import { systemFiles } from "./file_system.ts";
import type { FileOperations, PathFacts } from "./raw_file.ts";
import {
  NOTE_ENDING,
  readNote,
  removeIfThere,
  removeNote,
  removePlaceholder,
  stagedName,
} from "./staging_note.ts";

/** Which partial. */
export interface PartialOptions {
  /** The directory in which it was staged. */
  stagingDirectory: string;
  /** The id under which it was staged. */
  id: string;
  /** @default the machine's files */
  files?: FileOperations;
}

/** What {@linkcode sweepStaging} removes. */
export interface SweepOptions {
  /** @default the machine's files */
  files?: FileOperations;
  /** Partials whose bytes and note last changed before this go; milliseconds since 1970-01-01 UTC. */
  olderThan: number;
  /**
   * Whether a file is recorded as stored, so that its staging name is of no more use. `directory` is the one,
   * below the staging directory, in which it lies; "" for the staging directory itself.
   */
  isStored?: (id: string, directory: string) => Promise<boolean>;
}

const STAGING_ID = /^[A-Za-z0-9_-]{1,64}$/;
const DIRECTORY_MODE = 0o700;
/** Paths of the staging files that this process has open: the sweep leaves them alone. */
const inUse = new Set<string>();

/** The path of a staging file; throws a TypeError where `id` is no plain id. */
export function stagingPath(stagingDirectory: string, id: string): string {
  if (STAGING_ID.test(id)) return join(stagingDirectory, id);
  throw new TypeError(`Cannot stage file as "${id}": it is no plain id`);
}

/** Claims a staging file for this process's caller, who disposes of the claim. */
export function claimStaging(path: string): Disposable {
  if (inUse.has(path)) {
    throw new DurableFileError("io", `Cannot open staging file "${path}": it is open already`);
  }
  inUse.add(path);
  return { [Symbol.dispose]: () => void inUse.delete(path) };
}

/**
 * Makes a staging directory, and `top` above it when that is missing, with mode 0700; refuses a link in the
 * place of either, as what is below it would not be ours.
 */
export async function prepareStaging(
  files: FileOperations,
  { path, top = path }: { path: string; top?: string | undefined },
): Promise<void> {
  if (top !== path) await prepareStaging(files, { path: top });
  try {
    await makeDirectory(files, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    requireDirectory(await files.look(path), path);
  }
}

/** Makes a directory; where the one above is missing too, that first. */
async function makeDirectory(files: FileOperations, path: string): Promise<void> {
  try {
    await files.makeDirectory(path, DIRECTORY_MODE);
  } catch (error) {
    if (systemCode(error) !== "ENOENT" || dirname(path) === path) throw error;
    await prepareStaging(files, { path: dirname(path) });
    await files.makeDirectory(path, DIRECTORY_MODE);
  }
}

/** Removes a partial with everything that belongs to it; whether there was one. */
export async function discardPartial(options: PartialOptions): Promise<boolean> {
  const { stagingDirectory, id, files = systemFiles } = options;
  const path = stagingPath(stagingDirectory, id);
  try {
    requireDirectory(await files.look(stagingDirectory), stagingDirectory);
    return await removeStaged(files, path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw durableFileError(`remove staging file "${path}"`, error);
  }
}

/** Removes a staging file, its note, and the empty file that reserves its final name. */
export async function removeStaged(files: FileOperations, path: string): Promise<boolean> {
  await removePlaceholder(files, path);
  const wasThere = await removeIfThere(files, path);
  await removeNote(files, path);
  return wasThere;
}

/**
 * Removes from a staging directory, and from the directories in it, what nobody will ask for again: expired
 * partials, what is recorded as stored, and the empty files that reserved a name when the program died. Leaves
 * what this process has open. Says how many files that were.
 */
export async function sweepStaging(
  stagingDirectory: string,
  { files = systemFiles, olderThan, isStored }: SweepOptions,
): Promise<number> {
  const sweep = { files, olderThan, isStored: isStored ?? (() => Promise.resolve(false)) };
  try {
    const removed = await sweepDirectory(sweep, { path: stagingDirectory, name: "" });
    return removed.reduce((sum, count) => sum + count, 0);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return 0;
    throw durableFileError(`sweep staging directory "${stagingDirectory}"`, error);
  }
}

async function sweepDirectory(
  sweep: Required<SweepOptions>,
  directory: { path: string; name: string },
): Promise<number[]> {
  const { files } = sweep;
  requireDirectory(await files.look(directory.path), directory.path);
  const removed: number[] = [];
  for (const name of new Set((await files.list(directory.path)).map(stagedName))) {
    const path = join(directory.path, name);
    const facts = await lookIfThere(files, path);
    if (facts?.isDirectory !== true) {
      removed.push(await sweepFile(sweep, { path, facts, directory: directory.name }) ? 1 : 0);
    } else if (directory.name === "") {
      removed.push(...await sweepDirectory(sweep, { path, name }));
    }
  }
  return removed;
}

/** Removes one staging file, if it is time; whether it was. */
async function sweepFile(
  { files, olderThan, isStored }: Required<SweepOptions>,
  { path, facts, directory }: { path: string; facts: PathFacts | undefined; directory: string },
): Promise<boolean> {
  if (inUse.has(path)) return false;
  const note = await lookIfThere(files, path + NOTE_ENDING);
  const changedAt = Math.max(facts?.modifiedAt ?? 0, note?.modifiedAt ?? 0);
  const id = path.slice(dirname(path).length + 1);
  const isOurs = STAGING_ID.test(id) && (facts === undefined || facts.isFile);
  const isUseless = facts === undefined && (await readNote(files, path)).place === undefined;
  if (!isOurs || isUseless || changedAt < olderThan || await isStored(id, directory)) {
    if (inUse.has(path)) return false;
    await removeStaged(files, path);
    return true;
  }
  if (facts !== undefined) await removePlaceholder(files, path);
  return false;
}

async function lookIfThere(files: FileOperations, path: string): Promise<PathFacts | undefined> {
  try {
    return await files.look(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Refuses anything but a real directory in the place of a staging directory. */
function requireDirectory({ isDirectory, isSymlink }: PathFacts, path: string): void {
  if (isDirectory && !isSymlink) return;
  throw new DurableFileError("denied", `Cannot stage files in "${path}": it is no directory`);
}
