/**
 * Gives finished files their final names: below a root, never through a link, never over anything; and finds
 * again those that got theirs before the program died.
 *
 * @module
 */

import { join } from "node:path";
import { DurableFileError, orDurableFileError, systemCode } from "./durable_file_error.ts";
import { failpoint } from "./failpoint.ts";
import { Folders } from "./folders.ts";
import { MAX_NAME_NUMBER, numberedName } from "./numbered_name.ts";
import type { FileOperations } from "./raw_file.ts";
import { readNote, removeQuietly, writeNote } from "./staging_note.ts";

/** The operations that placing needs. */
export interface PlacingFiles extends FileOperations {
  /** SHA-256 in hex of a regular file of exactly `bytes` bytes; undefined when it has more or fewer. */
  sha256(path: string, bytes: number): Promise<string | undefined>;
}

/** One file to place. */
export interface Placement {
  /** The finished staging file, flushed and closed. */
  from: string;
  /** Folders below the root, and the file's name. */
  segments: readonly string[];
  bytes: number;
  /** In lower-case hex. */
  sha256: string;
  /** Whether it cannot have got its final name already: its staging file has only just been created. */
  isNew?: boolean;
}

/** What has become of one file: the segments that it has got, or why it has got none. */
export type Placed = readonly string[] | DurableFileError;

/** Codes by which a file system says that it has no hard links (EISDIR, EINVAL: Windows on FAT). */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EINVAL"]);

/**
 * Gives files their final names and makes those durable. Every file ends by itself: with its segments, or with
 * an error, and then its final name is as it was before. A staging name remains where the file system has
 * hard links, so that the file can be recognised until that name is removed.
 */
export async function placeFiles(
  files: PlacingFiles,
  { root, items }: { root: string; items: readonly Placement[] },
): Promise<Placed[]> {
  const folders = new Folders(files, root);
  const names = new Names(files);
  const given: (GivenName | DurableFileError)[] = [];
  for (const item of items) {
    given.push(
      await orDurableFileError(
        "place file",
        async () => names.give(item, await folders.enter(item.segments)),
      ),
    );
  }
  await folders.confirm();
  const placed: Placed[] = [];
  for (const [index, name] of given.entries()) {
    const item = items[index];
    if (name instanceof DurableFileError || item === undefined) {
      placed.push(name as DurableFileError);
    } else placed.push(await settledName(files, { item, name, folders }));
  }
  failpoint("after_rename");
  return placed;
}

/** The same for a single file; rejects with {@linkcode DurableFileError}. */
export async function placeFile(
  files: PlacingFiles,
  { root, ...item }: Placement & { root: string },
): Promise<readonly string[]> {
  const [placed] = await placeFiles(files, { root, items: [item] });
  if (placed === undefined || placed instanceof DurableFileError) throw placed;
  return placed;
}

async function settledName(
  files: PlacingFiles,
  { item, name, folders }: { item: Placement; name: GivenName; folders: Folders },
): Promise<Placed> {
  const problem = folders.problem(name.directory);
  if (problem === undefined) return [...item.segments.slice(0, -1), name.name];
  await takeBack(files, { from: item.from, name });
  return problem;
}

/** A final name that a file has. */
interface GivenName {
  readonly directory: string;
  readonly name: string;
  /** What the file is, where that had to be asked. */
  readonly identity?: string | undefined;
}

/** Gives names; remembers whether the file system has hard links. */
class Names {
  readonly #files: PlacingFiles;
  #hasLinks: boolean | undefined;

  constructor(files: PlacingFiles) {
    this.#files = files;
  }

  /** Creates the first free name in `directory`, exclusively, or finds the one that the file has already. */
  async give(item: Placement, directory: string): Promise<GivenName> {
    if (this.#hasLinks !== false) {
      const linked = await this.#linkTo(item, directory);
      if (linked !== undefined) return { directory, name: linked };
      this.#hasLinks = false;
    }
    const { identity } = await this.#files.look(item.from);
    const name = await this.#found(item, directory) ?? await this.#move(item, directory);
    return { directory, name, identity };
  }

  /** Links the file; undefined where the system has no links, or none that could be recognised later. */
  async #linkTo(item: Placement, directory: string): Promise<string | undefined> {
    if (!item.isNew || this.#hasLinks === undefined) {
      const { identity, names } = await this.#files.look(item.from);
      if (identity === undefined) return undefined;
      const own = names > 1 ? await this.#linked(item, { directory, identity }) : undefined;
      if (own !== undefined) return own;
    }
    for (const candidate of candidates(item)) {
      try {
        await this.#files.link(item.from, join(directory, candidate));
        this.#hasLinks = true;
        failpoint("after_reservation");
        return candidate;
      } catch (error) {
        const code = systemCode(error);
        if (code === "EEXIST") continue;
        if (code !== undefined && !NO_LINKS.has(code)) throw error;
        return undefined;
      }
    }
    throw noNameLeft(item);
  }

  /** The name that the file got before the program died. */
  async #linked(
    item: Placement,
    { directory, identity }: { directory: string; identity: string },
  ): Promise<string | undefined> {
    const taken = new Set(await this.#files.list(directory));
    for (const candidate of candidates(item)) {
      if (!taken.has(candidate)) continue;
      if ((await this.#files.look(join(directory, candidate))).identity === identity) {
        return candidate;
      }
    }
    return undefined;
  }

  /** Without links: the noted name, when it holds this very file, or an empty one that is then replaced. */
  async #found(item: Placement, directory: string): Promise<string | undefined> {
    const { from, bytes, sha256 } = item;
    const { place } = await readNote(this.#files, from);
    if (place === undefined || place.bytes !== bytes || place.sha256 !== sha256) return undefined;
    if (place.directory !== await this.#files.realPath(directory)) return undefined;
    const path = join(directory, place.name);
    try {
      const { isFile, size } = await this.#files.look(path);
      if (!isFile) return undefined;
      if (size === 0 && bytes > 0) await this.#files.rename(from, path);
      else if (await this.#files.sha256(path, bytes) !== sha256) return undefined;
      return place.name;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Without links: an empty file reserves the name, then the whole file replaces it. */
  async #move(item: Placement, directory: string): Promise<string> {
    const { from, bytes, sha256 } = item;
    const real = await this.#files.realPath(directory);
    const { synced } = await readNote(this.#files, from);
    for (const name of candidates(item)) {
      const to = join(directory, name);
      if (await isTaken(this.#files, to)) continue;
      const place = { directory: real, name, bytes, sha256 };
      await writeNote(this.#files, { path: from, note: { synced, place } });
      try {
        await this.#files.writeNew(to, new Uint8Array());
      } catch (error) {
        if (systemCode(error) === "EEXIST") continue;
        throw error;
      }
      failpoint("after_reservation");
      try {
        await this.#files.rename(from, to);
        return name;
      } catch (error) {
        await removeQuietly(this.#files, to);
        throw error;
      }
    }
    throw noNameLeft(item);
  }
}

function* candidates({ segments }: Placement): Generator<string> {
  for (let number = 1; number <= MAX_NAME_NUMBER; number++) {
    yield numberedName(segments.at(-1) ?? "", number);
  }
}

function noNameLeft({ segments }: Placement): DurableFileError {
  return new DurableFileError(
    "denied",
    `Cannot place file as "${segments.at(-1)}": ${MAX_NAME_NUMBER} names are taken`,
  );
}

async function isTaken(files: FileOperations, path: string): Promise<boolean> {
  try {
    await files.look(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Takes a final name back, unless the folder has been swapped meanwhile and the name is another file's. A file
 * that has only that name returns to staging.
 */
async function takeBack(
  files: FileOperations,
  { from, name }: { from: string; name: GivenName },
): Promise<void> {
  const path = join(name.directory, name.name);
  try {
    const staged = await isTaken(files, from);
    const identity = staged ? (await files.look(from)).identity : name.identity;
    if ((await files.look(path)).identity !== identity) return;
    if (staged) await files.remove(path);
    else await files.rename(path, from);
  } catch {
    // The failure that led here is reported; what is left was never acknowledged.
  }
}
