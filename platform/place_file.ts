/**
 * Gives a finished file its final name: below a root, never through a link, never over anything.
 *
 * @module
 */

import { dirname, join, sep } from "node:path";
import { DurableFileError, systemCode } from "./durable_file_error.ts";
import type { FileSystem } from "./file_system.ts";
import { MAX_NAME_NUMBER, numberedName } from "./numbered_name.ts";

/** What to place and where. */
export interface Placement {
  /** The finished file, flushed and closed. */
  from: string;
  /** The directory that must hold it. */
  root: string;
  /** Folders below the root, and the file's name. */
  segments: readonly string[];
}

/** Codes by which a file system says that it has no hard links (EISDIR, EINVAL: Windows on FAT). */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EINVAL"]);
const DIRECTORY_MODE = 0o755;

/**
 * Moves a file to its place and flushes the names that changed. Resolves with the segments that it has got;
 * rejects with the system's error or a `DurableFileError`, and then the final name is as it was before.
 */
export async function placeFile(
  files: FileSystem,
  { from, root, segments }: Placement,
): Promise<string[]> {
  checkSegments(segments);
  const folders = segments.slice(0, -1);
  const changed = new Set<string>();
  await ensureRoot(files, { root, changed });
  let directory = root;
  for (const folder of folders) {
    directory = join(directory, folder);
    await ensureDirectory(files, { path: directory, changed });
  }
  await requireInside(files, { root, directory });
  const { identity } = await files.look(from);
  const name = await giveName(files, { from, directory, name: segments.at(-1) ?? "" });
  changed.add(directory);
  try {
    // Again, now that nothing can change any more where the file lies.
    await requireInside(files, { root, directory });
    for (const path of changed) await files.syncDirectory(path);
  } catch (error) {
    await removeOwn(files, { path: join(directory, name), identity });
    throw error;
  }
  await removeQuietly(files, from);
  return [...folders, name];
}

/** The caller has checked every name; this is the second look, at what would leave the root. */
function checkSegments(segments: readonly string[]): void {
  const isPlain = (segment: string) =>
    segment !== "" && segment !== "." && segment !== ".." && !/[/\\\0]/.test(segment);
  if (segments.length === 0 || !segments.every(isPlain)) {
    throw new DurableFileError("denied", "Cannot place file: its path would leave the folder");
  }
}

/** Makes the root with the directories above it that are missing; above the root, links are the owner's own. */
async function ensureRoot(
  files: FileSystem,
  { root, changed }: { root: string; changed: Set<string> },
): Promise<void> {
  try {
    await ensureDirectory(files, { path: root, changed });
  } catch (error) {
    const parent = dirname(root);
    if (systemCode(error) !== "ENOENT" || parent === root) throw error;
    await ensureRoot(files, { root: parent, changed });
    await ensureDirectory(files, { path: root, changed });
  }
}

/** Makes one directory, or accepts a real one that is there. */
async function ensureDirectory(
  files: FileSystem,
  { path, changed }: { path: string; changed: Set<string> },
): Promise<void> {
  try {
    await files.makeDirectory(path, DIRECTORY_MODE);
    changed.add(dirname(path));
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    const { isDirectory, isSymlink } = await files.look(path);
    if (isDirectory && !isSymlink) return;
    throw new DurableFileError(
      "denied",
      `Cannot place file below "${path}": it is ${isSymlink ? "a link" : "no directory"}`,
      { cause: error },
    );
  }
}

async function requireInside(
  files: FileSystem,
  { root, directory }: { root: string; directory: string },
): Promise<void> {
  const top = await files.realPath(root);
  const place = await files.realPath(directory);
  if (place === top || place.startsWith(top.endsWith(sep) ? top : top + sep)) return;
  throw new DurableFileError("denied", `Cannot place file in "${directory}": it leads elsewhere`);
}

/** Creates the first free name, exclusively; on a file system that ignores case it is the system that says so. */
async function giveName(
  files: FileSystem,
  { from, directory, name }: { from: string; directory: string; name: string },
): Promise<string> {
  for (let number = 1; number <= MAX_NAME_NUMBER; number++) {
    const candidate = numberedName(name, number);
    const to = join(directory, candidate);
    if (await linkOrMove(files, { from, to })) return candidate;
  }
  throw new DurableFileError(
    "denied",
    `Cannot place file as "${name}": ${MAX_NAME_NUMBER} names are taken`,
  );
}

/** Gives the file the name `to`, or returns false when that is taken. */
async function linkOrMove(
  files: FileSystem,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  try {
    await files.link(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST") return false;
    if (code !== undefined && !NO_LINKS.has(code)) throw error;
  }
  return await reserveAndMove(files, { from, to });
}

/**
 * Without hard links: an empty file reserves the name, then the whole file replaces it. A power cut between
 * the two leaves the empty file, which was never acknowledged.
 */
async function reserveAndMove(
  files: FileSystem,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  try {
    (await files.create(to)).close();
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
  try {
    await files.rename(from, to);
    return true;
  } catch (error) {
    await removeQuietly(files, to);
    throw error;
  }
}

/** Takes a final name back, unless the folder has been swapped meanwhile and the name is another file's. */
async function removeOwn(
  files: FileSystem,
  { path, identity }: { path: string; identity: string | undefined },
): Promise<void> {
  try {
    if ((await files.look(path)).identity === identity) await files.remove(path);
  } catch {
    // The failure that led here is reported; what is left was never acknowledged.
  }
}

async function removeQuietly(files: FileSystem, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch {
    // After a failure that one is reported; after success the staging name is gone (moved), or swept later.
  }
}
