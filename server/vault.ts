/**
 * Received files: where they are staged, where they end up, and how much of them there may be.
 *
 * The bytes and their publication are `platform/durable_file.ts`; this file decides the places and the
 * limits. Staging lies in a folder beside the clients' folders, on the same file system, under a name that no
 * client can have: `.staging/<client>/<transfer>`.
 *
 * @module
 */

import { join } from "node:path";
import { DataDirectoryError } from "../platform/data_directory.ts";
import { DiskSpace, isNoSpace } from "../platform/disk_space.ts";
import { discardPartial, StagedFile, sweepStaging } from "../platform/durable_file.ts";
import type { BundleItem, BundleItemResult, FileStore } from "../platform/file_store.ts";
import { Folders } from "../platform/folders.ts";
import { MAX_NAME_NUMBER, numberedName } from "../platform/numbered_name.ts";
import { formatSize } from "../platform/quantity.ts";
import { type BadOffer, type Offer, PARTIAL_KEEP_MS } from "../protocol/mod.ts";
import { IncomingFile, type PublishedFile } from "./incoming_file.ts";
import { Quota } from "./quota.ts";
import type { Owner, Room } from "./room.ts";
import { inWords, reasonOf, TransferError } from "./transfer_error.ts";

/** Names of clients begin with a letter or a digit, so none can collide with this. */
const STAGING = ".staging";
/** Behind a client's staging folder: there its bundles are staged, which are never continued. */
const BUNDLES = ".bundles";
/** Partials that are kept for one client; the one that changed longest ago goes first. */
export const MAX_PARTIALS = 100;

/** Settings of a {@linkcode Vault}. */
export interface VaultOptions {
  /** The folder that holds one folder per client. */
  directory: string;
  /** Largest file, in bytes; undefined for no limit. */
  maxFileBytes?: number | undefined;
  /** What one client's files may take, in bytes; undefined for no limit. */
  quotaBytes?: number | undefined;
  /** What stays free on the disk, in bytes; the default is that of {@linkcode DiskSpace}. */
  minFreeBytes?: number | undefined;
  /** Name of a staging file that nobody continues; unique. */
  newId: () => string;
  /** Where bytes are hashed and written. */
  store: Pick<FileStore, "files" | "bundleMemory" | "storeBundle" | "settleBundle">;
  /** Free space. @default the file system's of `directory` */
  space?: Pick<DiskSpace, "reserve">;
}

/** The folder of received files. */
export class Vault {
  #options: VaultOptions;
  #space: Pick<DiskSpace, "reserve">;
  #quota: Quota;
  /** Paths of the partials that a transfer has open. */
  #open = new Set<string>();

  /** Touches nothing; see {@linkcode Vault.prepare}. */
  constructor(options: VaultOptions) {
    this.#options = options;
    const { directory, minFreeBytes, quotaBytes } = options;
    this.#space = options.space ?? new DiskSpace({ directory, minFreeBytes });
    this.#quota = new Quota(quotaBytes, (owner) => [
      this.rootOf(owner),
      this.#stagingOf(owner),
    ]);
  }

  /** Largest file, in bytes, or null for no limit; as told in ACK. */
  get maxFileBytes(): number | null {
    return this.#options.maxFileBytes ?? null;
  }

  /** The folder of one client. */
  rootOf({ name }: Owner): string {
    return join(this.#options.directory, name);
  }

  /** Makes the folders; rejects with a DataDirectoryError that says why they cannot be used. */
  async prepare(): Promise<void> {
    const { directory } = this.#options;
    try {
      await Deno.mkdir(directory, { recursive: true, mode: 0o755 });
      await Deno.mkdir(this.#staging, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new DataDirectoryError(
        `Cannot use "${directory}" for received files: ${stateOf(cause)}`,
        { hint: "choose another folder with --files DIR", cause },
      );
    }
  }

  /**
   * Removes from staging what has expired by `now`, in milliseconds since 1970, and what is stored; says how
   * many files that were. Rejects with a DataDirectoryError.
   */
  async sweep(
    now: number,
    isStored: (client: string, id: string) => Promise<boolean>,
  ): Promise<number> {
    try {
      return await sweepStaging(this.#staging, {
        files: this.#options.store.files,
        olderThan: now - PARTIAL_KEEP_MS,
        isStored: (id, folder) => isStored(ownerOf(folder), id),
      });
    } catch (cause) {
      throw new DataDirectoryError(
        `Cannot clear "${this.#staging}" of unfinished files: ${stateOf(cause)}`,
        { cause },
      );
    }
  }

  /** Why an offer is refused before a byte, whatever space there is, or undefined. */
  refusal({ size }: Pick<Offer, "size">): BadOffer | undefined {
    const { maxFileBytes } = this.#options;
    if (maxFileBytes === undefined || size <= maxFileBytes) return undefined;
    return {
      code: "too_large",
      reason: `The file has ${size} bytes and this server takes at most ${maxFileBytes}`,
    };
  }

  /** Keeps room for `bytes` more of a client; rejects with {@linkcode TransferError} when there is none. */
  async reserve(owner: Owner, bytes: number): Promise<Room> {
    using stack = new DisposableStack();
    const share = stack.use(await this.#quota.reserve(owner, bytes));
    const space = await this.#space.reserve(bytes);
    if (isNoSpace(space)) throw noSpace(space);
    stack.use(space);
    const held = stack.move();
    return {
      wrote: (count) => wrote([share, space], count),
      [Symbol.dispose]: () => held.dispose(),
    };
  }

  /** How many bytes of each of a client's unfinished transfers are here already, by id. */
  async partials(owner: Owner): Promise<Map<string, number>> {
    const partials = await this.#partials(owner);
    return new Map(partials.map(({ id, bytes }) => [id, bytes]));
  }

  /** How many bytes of a transfer are here already. */
  async partialBytes(owner: Owner, id: string): Promise<number> {
    try {
      const { isFile, size } = await Deno.lstat(join(this.#stagingOf(owner), id));
      return isFile ? size : 0;
    } catch {
      return 0; // There is none, or opening it will tell what is in the way.
    }
  }

  /**
   * Opens a transfer of a client, new or left unfinished, in `room`, which it takes over; dispose of it whatever
   * happens. `folder` stands above the offer's path. Rejects with {@linkcode TransferError}.
   */
  async open(
    owner: Owner,
    transfer: { id: string; offer: Offer; room: Room; folder?: string | undefined },
  ): Promise<IncomingFile> {
    const { id, offer, folder } = transfer;
    await this.#dropOldest(owner, id);
    const stagingDirectory = this.#stagingOf(owner);
    const staged = await inWords(StagedFile.open({
      stagingDirectory,
      stagingTop: this.#staging,
      id,
      files: this.#options.store.files,
    }));
    const path = folder === undefined ? offer.path : [folder, ...offer.path];
    const room = this.#heldOpen(join(stagingDirectory, id), transfer.room);
    return new IncomingFile(staged, { root: this.rootOf(owner), path, size: offer.size, room });
  }

  /** Opens a transfer that nobody can continue: whatever is not published goes when it is disposed of. */
  async openOnce(owner: Owner, offer: Offer): Promise<IncomingFile> {
    using stack = new DisposableStack();
    const room = stack.use(await this.reserve(owner, offer.size));
    const file = await this.open(owner, { id: this.#options.newId(), offer, room });
    stack.move();
    file.isKept = false;
    return file;
  }

  /** Removes a published file that nobody will ask for again, as it is not recorded; rejects with a TransferError. */
  async takeBack(owner: Owner, { path }: PublishedFile): Promise<void> {
    this.#quota.forget(owner);
    try {
      await this.#options.store.files.remove(path);
    } catch (cause) {
      throw new TransferError("io", `Cannot take back "${path}", which is not recorded`, { cause });
    }
  }

  /** Deletes what there is of a transfer; whether there was anything. */
  async discard(owner: Owner, id: string): Promise<boolean> {
    this.#quota.forget(owner);
    const { files } = this.#options.store;
    return await inWords(discardPartial({ stagingDirectory: this.#stagingOf(owner), id, files }));
  }

  /** Forgets what a client's files take, so that it is counted anew: some have gone or stayed unfinished. */
  recount(owner: Owner): void {
    this.#quota.forget(owner);
  }

  /** The first name for a new folder of a client that nothing has yet; rejects with {@linkcode TransferError}. */
  async freeFolderName(owner: Owner, wanted: string): Promise<string> {
    const { files } = this.#options.store;
    for (let number = 1; number <= MAX_NAME_NUMBER; number++) {
      const name = numberedName(wanted, number);
      try {
        await files.look(join(this.rootOf(owner), name));
      } catch (error) {
        if ((error as { code?: unknown }).code === "ENOENT") return name;
        throw new TransferError("denied", reasonOf("denied"), { cause: error });
      }
    }
    throw new TransferError("denied", `${MAX_NAME_NUMBER} folders have that name`);
  }

  /** Makes folders below a client's, durably, where they are missing; rejects with {@linkcode TransferError}. */
  async makeFolders(owner: Owner, paths: readonly (readonly string[])[]): Promise<void> {
    const folders = new Folders(this.#options.store.files, this.rootOf(owner));
    // A folder is entered for a file in it.
    for (const path of paths) await inWords(folders.enter([...path, "file"]));
    await inWords(folders.confirm());
    for (const path of paths) {
      const problem = folders.problem(join(this.rootOf(owner), ...path));
      if (problem !== undefined) await inWords(Promise.reject(problem));
    }
  }

  /** Memory for the bytes of one bundle; what is in it does not matter. */
  bundleMemory(bytes: number): Uint8Array<ArrayBuffer> {
    return this.#options.store.bundleMemory(bytes);
  }

  /** Stores many small files of a client; rejects with {@linkcode TransferError} when nothing could be done. */
  async storeBundle(
    owner: Owner,
    bundle: { items: readonly BundleItem[]; data: Uint8Array<ArrayBuffer> },
  ): Promise<BundleItemResult[]> {
    const stagingDirectory = this.#stagingOf(owner) + BUNDLES;
    const place = { stagingDirectory, stagingTop: this.#staging, root: this.rootOf(owner) };
    return await inWords(this.#options.store.storeBundle({ ...place, ...bundle }));
  }

  /** Clears up after bundled files that have been recorded; never rejects, as the sweep does it later. */
  async settleBundle(owner: Owner, ids: readonly string[]): Promise<void> {
    try {
      await this.#options.store.settleBundle(this.#stagingOf(owner) + BUNDLES, ids);
    } catch {
      // The files are published and recorded: the sweep finds that out, too.
    }
  }

  get #staging(): string {
    return join(this.#options.directory, STAGING);
  }

  #stagingOf({ id }: Owner): string {
    return join(this.#staging, encodeURIComponent(id));
  }

  /** Room that also says that the partial at `path` is open, for as long as it is held. */
  #heldOpen(path: string, room: Room): Room {
    this.#open.add(path);
    return {
      wrote: (bytes) => room.wrote(bytes),
      [Symbol.dispose]: () => {
        this.#open.delete(path);
        room[Symbol.dispose]();
      },
    };
  }

  /** Makes place for one more partial, unless `id` has one; those that are open stay. */
  async #dropOldest(owner: Owner, id: string): Promise<void> {
    const partials = await this.#partials(owner);
    if (partials.some((partial) => partial.id === id)) return;
    const stagingDirectory = this.#stagingOf(owner);
    const closed = partials.filter((partial) => !this.#open.has(join(stagingDirectory, partial.id)))
      .sort((one, other) => one.changedAt - other.changedAt);
    const surplus = Math.max(0, partials.length - MAX_PARTIALS + 1);
    for (const partial of closed.slice(0, surplus)) await this.discard(owner, partial.id);
  }

  async #partials(owner: Owner): Promise<{ id: string; bytes: number; changedAt: number }[]> {
    const stagingDirectory = this.#stagingOf(owner);
    const partials: { id: string; bytes: number; changedAt: number }[] = [];
    try {
      for await (const { name } of Deno.readDir(stagingDirectory)) {
        if (name.includes(".")) continue;
        const { mtime, size, isFile } = await Deno.lstat(join(stagingDirectory, name));
        const changedAt = mtime?.getTime() ?? 0;
        partials.push({ id: name, bytes: isFile ? size : 0, changedAt });
      }
    } catch (error) {
      // Nothing yet, or gone meanwhile.
      if (error instanceof Deno.errors.NotFound) return partials;
      throw new TransferError("io", reasonOf("io"), { cause: error });
    }
    return partials;
  }
}

/** The client whose files a staging folder holds; whatever is no name of ours is nobody's. */
function ownerOf(folder: string): string {
  const name = folder.endsWith(BUNDLES) ? folder.slice(0, -BUNDLES.length) : folder;
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // A folder that is not ours, with a `%` in its name.
  }
}

function wrote(kept: readonly Room[], bytes: number): void {
  for (const one of kept) one.wrote(bytes);
}

function noSpace({ free, needed, cause }: { free: number; needed: number; cause?: unknown }) {
  const reason = cause === undefined
    ? `The server's disk has room for ${formatSize(free)} and this needs ${formatSize(needed)}`
    : "The server cannot find out how much room its disk has";
  return new TransferError("no_space", reason, { cause });
}

/** What is wrong with a folder, in words. */
function stateOf(cause: unknown): string {
  if (cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory) {
    return "it is no directory";
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return "this user may not write there";
  }
  return cause instanceof Error ? cause.message : String(cause);
}
