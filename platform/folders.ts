/**
 * The folders that received files need: below a root, never through a link, made where they are missing, and
 * their names on disk before anybody relies on them.
 *
 * @module
 */

import { dirname, join, sep } from "node:path";
import { DurableFileError, orDurableFileError, systemCode } from "./durable_file_error.ts";
import type { FileOperations } from "./raw_file.ts";

const DIRECTORY_MODE = 0o755;
/** Directories that are synced at the same time. */
const MAX_SYNCS = 64;

/** The folders below one root that some files need; each is made, checked and synced once. */
export class Folders {
  readonly #files: FileOperations;
  readonly #root: string;
  readonly #entered = new Map<string, DurableFileError | undefined>();
  /** Those that hold files, not only folders. */
  readonly #used = new Set<string>();
  /** Those in which names have been made. */
  readonly #changed = new Set<string>();
  /** The root's real path, as it was at first. */
  #top: string | undefined;

  /** Touches nothing. */
  constructor(files: FileOperations, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /** Makes the folder of a file, and those above it, and returns its path. */
  async enter(segments: readonly string[]): Promise<string> {
    checkSegments(segments);
    let path = this.#root;
    await this.#once(path, () => this.#ensureRoot(path));
    for (const folder of segments.slice(0, -1)) {
      path = join(path, folder);
      await this.#once(path, () => this.#ensure(path));
    }
    this.#used.add(path);
    return path;
  }

  /** Why files in a folder that was entered cannot stay there. */
  problem(directory: string): DurableFileError | undefined {
    return this.#entered.get(directory);
  }

  /** Looks again, now that nothing can change any more where the files lie, and makes the names durable. */
  async confirm(): Promise<void> {
    for (const directory of this.#used) {
      if (this.#entered.get(directory) !== undefined) continue;
      await this.#note(directory, () => this.#requireInside(directory));
    }
    const changed = [...new Set([...this.#changed, ...this.#used])];
    while (changed.length > 0) {
      await Promise.all(changed.splice(0, MAX_SYNCS).map((path) => this.#sync(path)));
    }
  }

  async #sync(path: string): Promise<void> {
    const problem = await orDurableFileError("place file", () => this.#files.syncDirectory(path));
    if (!(problem instanceof DurableFileError)) return;
    for (const directory of this.#entered.keys()) {
      if (isWithin(directory, path)) this.#entered.set(directory, problem);
    }
  }

  async #once(path: string, make: () => Promise<void>): Promise<void> {
    if (!this.#entered.has(path)) {
      await this.#note(path, async () => {
        await make();
        await this.#requireInside(path);
      });
    }
    const problem = this.#entered.get(path);
    if (problem !== undefined) throw problem;
  }

  async #note(path: string, check: () => Promise<void>): Promise<void> {
    const problem = await orDurableFileError("place file", check);
    this.#entered.set(path, problem instanceof DurableFileError ? problem : undefined);
  }

  /** Makes the root with the directories above it that are missing; above the root, links are the owner's own. */
  async #ensureRoot(path: string): Promise<void> {
    try {
      await this.#ensure(path);
    } catch (error) {
      const parent = dirname(path);
      if (systemCode(error) !== "ENOENT" || parent === path) throw error;
      await this.#ensureRoot(parent);
      await this.#ensure(path);
    }
  }

  /** Makes one directory, or accepts a real one that is there. */
  async #ensure(path: string): Promise<void> {
    // Most are there; asking costs a tenth of failing to make them.
    if (await this.#isThere(path)) return;
    try {
      await this.#files.makeDirectory(path, DIRECTORY_MODE);
      this.#changed.add(dirname(path));
    } catch (error) {
      if (systemCode(error) !== "EEXIST" || !await this.#isThere(path)) throw error;
    }
  }

  /** Whether a real directory is there; anything else in its place is refused. */
  async #isThere(path: string): Promise<boolean> {
    try {
      const { isDirectory, isSymlink } = await this.#files.look(path);
      if (isDirectory && !isSymlink) return true;
      throw new DurableFileError(
        "denied",
        `Cannot place file below "${path}": it is ${isSymlink ? "a link" : "no directory"}`,
      );
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** The place of a folder must be below that of the root, which must be where it was at first. */
  async #requireInside(directory: string): Promise<void> {
    const top = await this.#files.realPath(this.#root);
    this.#top ??= top;
    const place = directory === this.#root ? top : await this.#files.realPath(directory);
    if (top === this.#top && isWithin(place, top)) return;
    throw new DurableFileError(
      "denied",
      `Cannot place file in "${directory}": it leads elsewhere`,
    );
  }
}

/** The caller has checked every name; this is the second look, at what would leave the root. */
function checkSegments(segments: readonly string[]): void {
  const isPlain = (segment: string) =>
    segment !== "" && segment !== "." && segment !== ".." && !/[/\\\0]/.test(segment);
  if (segments.length === 0 || !segments.every(isPlain)) {
    throw new DurableFileError("denied", "Cannot place file: its path would leave the folder");
  }
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(top.endsWith(sep) ? top : top + sep);
}
