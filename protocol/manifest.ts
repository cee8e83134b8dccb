/**
 * Many files announced at once: the check of a whole manifest before anything of it is created.
 *
 * @module
 */

import type { RejectCode } from "./error.ts";
import { checkFileName, pathBytes } from "./file_name.ts";
import { MAX_MANIFEST_ENTRIES, MAX_MANIFEST_NUMBER, MAX_MANIFEST_PATH_BYTES } from "./limits.ts";
import { type BadOffer, checkOffer, type Offer } from "./offer.ts";
import { ProtocolError } from "./error.ts";

/** What every folding leaves as it is. */
const PLAIN = /^[0-9a-z ._-]*$/;

/**
 * A manifest as it grows, frame by frame. The first fault spoils it: from then on every `add()` gives the
 * same refusal, and nothing of it may be created.
 *
 * @example
 * ```ts
 * import { ManifestDraft } from "./manifest.ts";
 * const draft = new ManifestDraft("photos");
 * draft.add([{ path: ["a.jpg"], size: 5, n: 0 }, { path: ["empty"] }]);
 * if (draft.files.get(0)?.size !== 5) throw new Error("unexpected");
 * const refusal = draft.add([{ path: ["A.jpg"], size: 5, n: 1 }]);
 * if (refusal?.code !== "bad_name") throw new Error("unexpected");
 * ```
 */
export class ManifestDraft {
  readonly #files = new Map<number, Offer>();
  readonly #directories: string[][] = [];
  /** Folded path to the folder's path as it is spelt, or to undefined for a file; folders on the way included. */
  readonly #taken = new Map<string, string | undefined>();
  readonly #depth: string[];
  #refusal: BadOffer | undefined;
  #bytes = 0;
  #pathBytes = 0;
  #entries = 0;

  /** Takes the folder that holds everything, as it came off the wire; undefined for none. */
  constructor(folder?: unknown) {
    this.#depth = typeof folder === "string" ? [folder] : [];
    if (folder !== undefined) this.#refusal = folderFault(folder);
  }

  /** The files by their numbers; paths are below the folder. */
  get files(): ReadonlyMap<number, Offer> {
    return this.#files;
  }

  /** Folders that are announced by themselves; paths are below the folder. */
  get directories(): readonly string[][] {
    return this.#directories;
  }

  /** Bytes of all files together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What spoilt it, or undefined. */
  get refusal(): BadOffer | undefined {
    return this.#refusal;
  }

  /** Takes the entries of one frame as they came off the wire; returns why the manifest is refused, or undefined. */
  add(entries: readonly unknown[]): BadOffer | undefined {
    for (const entry of entries) {
      if (this.#refusal !== undefined) break;
      this.#refusal = this.#take(entry);
    }
    return this.#refusal;
  }

  #take(entry: unknown): BadOffer | undefined {
    if (++this.#entries > MAX_MANIFEST_ENTRIES) {
      return refusal("too_large", `A manifest has at most ${MAX_MANIFEST_ENTRIES} entries`);
    }
    if (typeof entry !== "object" || entry === null) {
      return refusal("bad_name", "An entry must be an object with a path");
    }
    const { path, size, n } = entry as Record<string, unknown>;
    // The folder counts as a part of the path: its length and depth are limited as a whole.
    const offer = checkOffer(Array.isArray(path) ? [...this.#depth, ...path] : path, size ?? 0);
    if ("code" in offer) return offer;
    const own = offer.path.slice(this.#depth.length);
    const fault = own.length === 0
      ? refusal("bad_name", "An entry must have a path below the folder")
      : this.#occupy(own, size === undefined ? "folder" : "file");
    if (fault !== undefined) return fault;
    if (size === undefined) return void this.#directories.push(own);
    return this.#addFile({ path: own, size: offer.size }, n);
  }

  #addFile(file: Offer, n: unknown): BadOffer | undefined {
    if (typeof n !== "number" || !Number.isInteger(n) || n < 0 || n > MAX_MANIFEST_NUMBER) {
      return refusal("bad_name", "A file of a manifest must have a number from 0 to 2^32");
    }
    if (this.#files.has(n)) return refusal("bad_name", `The number ${n} stands for two files`);
    this.#bytes += file.size;
    if (!Number.isSafeInteger(this.#bytes)) {
      return refusal("bad_size", "The files together have more than 2^53 bytes");
    }
    this.#files.set(n, file);
    return undefined;
  }

  /** Notes a path and the folders above it; refuses what another entry already stands for. */
  #occupy(path: readonly string[], kind: "file" | "folder"): BadOffer | undefined {
    this.#pathBytes += pathBytes(path);
    if (this.#pathBytes > MAX_MANIFEST_PATH_BYTES) {
      const reason = `The paths of a manifest have at most ${MAX_MANIFEST_PATH_BYTES} bytes`;
      return refusal("too_large", reason);
    }
    let folded = "";
    let spelt = "";
    for (const [at, name] of path.entries()) {
      folded += `/${foldName(name)}`;
      spelt += `/${name}`;
      const folder = kind === "folder" || at < path.length - 1 ? spelt : undefined;
      // The same folder again is the rule; anything else would be two things under one name.
      const isNew = !this.#taken.has(folded);
      if (isNew) this.#taken.set(folded, folder);
      else if (folder === undefined || this.#taken.get(folded) !== folder) {
        return refusal("bad_name", `Two entries would have one name: ${quoted(path)}`);
      }
    }
    return undefined;
  }
}

/**
 * A name as a file system sees it that ignores case and Unicode composition: two names that fold to the same
 * text cannot stand side by side everywhere.
 */
export function foldName(name: string): string {
  if (PLAIN.test(name)) return name;
  // Upper case first: some letters (ß, ﬀ) have no lower-case partner that folds them together.
  return name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** The id under which file `n` of a manifest is recorded: the manifest's first 24 characters and `n` in hex. */
export function itemId(manifest: string, n: number): string {
  return manifest.slice(0, 24) + n.toString(16).padStart(12, "0");
}

function folderFault(folder: unknown): BadOffer | undefined {
  if (typeof folder !== "string") return refusal("bad_name", "The folder must be a name");
  try {
    checkFileName(folder);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    return refusal("bad_name", cause.message);
  }
}

function refusal(code: RejectCode, reason: string): BadOffer {
  return { code, reason };
}

/** The end of a path for a reason, which has a bounded length. */
function quoted(path: readonly string[]): string {
  return JSON.stringify(path.join("/").slice(-200));
}
