/**
 * Many files announced at once: the manifest as it arrives, the folder that it gets, and the bundles in which
 * its small files travel.
 *
 * @module
 */

import { join } from "node:path";
import { failpoint } from "../platform/failpoint.ts";
import type { BundleItemResult } from "../platform/file_store.ts";
import {
  type FrameOf,
  itemId,
  ManifestDraft,
  MAX_BUNDLE_BYTES,
  type Offer,
  type OutgoingFrame,
  ProtocolError,
  type RejectCode,
} from "../protocol/mod.ts";
import type { DataPort } from "./data_port.ts";
import { recordError } from "./record_file.ts";
import type { Room } from "./room.ts";
import { busy, reasonOf, TransferError } from "./transfer_error.ts";

/** Items that one BUNDLED frame names when it has more to say of them than that they are stored. */
const ITEMS_PER_ANSWER = 100;
/** Longest reason of one item, in characters, so that the frame fits a line. */
const MAX_ITEM_REASON_CHARS = 120;

/** A manifest whose files may come. */
export class AcceptedManifest {
  /** Its id. */
  readonly id: string;
  /** The folder that it has got; undefined without one. */
  readonly folder: string | undefined;
  /** Room for what had not been stored when it was accepted. */
  readonly room: Room;
  /** The name that was asked for. */
  readonly wanted: string | undefined;
  /** Numbers of files that are stored. */
  readonly stored: Set<number>;
  /** What this session has done, for the timeline. */
  readonly done = { stored: 0, rejected: 0, bytes: 0 };
  readonly #files: ReadonlyMap<number, Offer>;

  /** Takes the checked manifest and what was found out about it. */
  constructor(manifest: {
    id: string;
    draft: ManifestDraft;
    wanted: string | undefined;
    folder: string | undefined;
    room: Room;
    stored: Set<number>;
  }) {
    this.id = manifest.id;
    this.wanted = manifest.wanted;
    this.folder = manifest.folder;
    this.room = manifest.room;
    this.stored = manifest.stored;
    this.#files = manifest.draft.files;
  }

  /** The room of one of its files; what that does not fill stays the manifest's. */
  roomOfOne(): Room {
    return { wrote: (bytes) => this.room.wrote(bytes), [Symbol.dispose]: () => {} };
  }

  /** The announced file with this number. */
  file(n: number): Offer | undefined {
    return this.#files.get(n);
  }

  /** Whether a file with this id, path and size is announced. */
  announces(id: string, { path, size }: Offer): boolean {
    const n = itemNumber(id);
    const own = this.#files.get(n);
    return own !== undefined && itemId(this.id, n) === id && own.size === size &&
      own.path.length === path.length && own.path.every((name, at) => name === path[at]);
  }
}

/** One file of a bundle. */
interface Item {
  n: number;
  id: string;
  path: readonly string[];
  bytes: number;
  sha256: string;
}

/** What became of one item. */
type ItemEnd = { n: number; as: string } | { n: number; code: RejectCode; reason: string };

/** Receives the manifests of one data session, one after the other. */
export class ManifestReceiver {
  readonly #port: DataPort;
  #draft: { id: string; folder: unknown; draft: ManifestDraft } | undefined;
  #accepted: AcceptedManifest | undefined;
  /** Numbers of its files that are being stored. */
  #storing = new Set<number>();
  /** What the accepted manifest holds until it ends: its lock. */
  #held = new DisposableStack();

  /** Takes the session that they come on. */
  constructor(port: DataPort) {
    this.#port = port;
  }

  /** The manifest whose files may come now. */
  get accepted(): AcceptedManifest | undefined {
    return this.#accepted;
  }

  /** Takes one MANIFEST frame; answers after the last of a manifest. */
  async onManifest({ id, folder, entries, last }: FrameOf<"MANIFEST">): Promise<void> {
    this.#draft ??= { id, folder, draft: new ManifestDraft(folder) };
    if (this.#draft.id !== id || this.#draft.folder !== folder) {
      throw new ProtocolError("unexpected", "Cannot take a MANIFEST inside of another one");
    }
    const { draft } = this.#draft;
    draft.add(entries);
    if (!last) return;
    this.#draft = undefined;
    await this.end();
    try {
      if (draft.refusal !== undefined) {
        throw new TransferError(draft.refusal.code, draft.refusal.reason);
      }
      if (!this.#port.takePlace()) throw busy();
      using _working = this.#port.working();
      using held = new DisposableStack();
      // An older connection must have stored or dropped what it has before this one says what is missing.
      held.use(await this.#port.lock(id));
      const accepted = await this.#accept({ id, draft, wanted: folder as string | undefined });
      held.use(this.#port.receiving(id));
      this.#held = held.move();
      this.#accepted = accepted;
      const as = accepted.folder === undefined ? {} : { as: accepted.folder };
      this.#port.send({ verb: "READY", id, offset: 0, ...as });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.#port.reject(id, error);
    }
  }

  /** Takes a bundle's bytes and hands them on to be stored; rejects with what broke the connection. */
  async onBundle({ id, items: announced }: FrameOf<"BUNDLE">): Promise<void> {
    const manifest = this.#accepted;
    if (manifest === undefined || manifest.id !== id) {
      throw new ProtocolError("unexpected", "Cannot take BUNDLE: its manifest is not accepted");
    }
    const items = announced.map(([n, sha256]): Item => {
      const file = manifest.file(n);
      if (file === undefined) {
        throw new ProtocolError("unexpected", `Cannot take BUNDLE: no file has the number ${n}`);
      }
      if (this.#storing.has(n)) {
        throw new ProtocolError("unexpected", `Cannot take BUNDLE: file ${n} is being stored`);
      }
      return { n, id: itemId(id, n), path: file.path, bytes: file.size, sha256 };
    });
    if (new Set(items.map(({ n }) => n)).size < items.length) {
      throw new ProtocolError("unexpected", "Cannot take BUNDLE: it names a file twice");
    }
    const data = await this.#readBytes(items);
    await this.#port.answers.add(async () => {
      for (const { n } of items) this.#storing.add(n);
      try {
        return await this.#store(manifest, { items, data });
      } finally {
        for (const { n } of items) this.#storing.delete(n);
      }
    });
  }

  /** Ends the manifest: what it has brought goes into the timeline, and its room is free. */
  async end(): Promise<void> {
    const manifest = this.#accepted;
    if (manifest === undefined) return;
    this.#accepted = undefined;
    try {
      await this.#port.answers.drained();
    } finally {
      manifest.room[Symbol.dispose]();
      this.#held.dispose();
      await this.#tell(manifest);
    }
  }

  async #accept(
    { id, draft, wanted }: { id: string; draft: ManifestDraft; wanted: string | undefined },
  ): Promise<AcceptedManifest> {
    const { parts: { store, vault }, member: { record: owner } } = this.#port;
    for (const file of draft.files.values()) {
      const refusal = vault.refusal(file);
      if (refusal !== undefined) throw new TransferError(refusal.code, refusal.reason);
    }
    const range = { first: itemId(id, 0), last: itemId(id, 2 ** 32) };
    const ids = await store.receivedIds(owner.id, range);
    const stored = new Set(ids.map(itemNumber));
    const here = await vault.partials(owner);
    let missing = 0;
    for (const [n, { size }] of draft.files) {
      if (!stored.has(n)) missing += Math.max(0, size - (here.get(itemId(id, n)) ?? 0));
    }
    using stack = new DisposableStack();
    const room = stack.use(await vault.reserve(owner, missing));
    const folder = wanted === undefined ? undefined : await this.#folder(id, wanted);
    const top = folder === undefined ? [] : [folder];
    const folders = [top, ...draft.directories.map((path) => [...top, ...path])];
    await vault.makeFolders(owner, folders);
    stack.move();
    return new AcceptedManifest({ id, draft, wanted, folder, room, stored });
  }

  /** The folder of a manifest: the one that it has got before, or a new one, noted before it is made. */
  async #folder(id: string, wanted: string): Promise<string> {
    const { parts: { clock, store, vault }, member: { record: owner } } = this.#port;
    const known = await store.folderName(owner.id, id);
    if (known !== undefined) return known;
    // One at a time for each client, or two manifests would be given the same name.
    using _naming = await this.#port.parts.locks.take({ client: owner.id, id: "" }, {});
    const name = await vault.freeFolderName(owner, wanted);
    try {
      await store.addFolder({ client: owner.id, id, name, at: clock.wall() });
    } catch (error) {
      throw recordError(error, { path: join(vault.rootOf(owner), name), parts: this.#port.parts });
    }
    await vault.makeFolders(owner, [[name]]);
    return name;
  }

  async #readBytes(items: readonly Item[]): Promise<Uint8Array<ArrayBuffer>> {
    const length = items.reduce((sum, { bytes }) => sum + bytes, 0);
    if (length > MAX_BUNDLE_BYTES) {
      throw new ProtocolError("surplus", `Cannot take BUNDLE: it has ${length} bytes`);
    }
    const data = this.#port.parts.vault.bundleMemory(length);
    for (let at = 0; at < length;) {
      const count = await this.#port.connection.reader.read(data.subarray(at));
      if (count === null) {
        throw new ProtocolError("truncated", "Cannot take BUNDLE: the stream ended in it");
      }
      at += count;
    }
    return data;
  }

  /** Stores what is new of a bundle, records it, and says of each item what became of it. */
  async #store(
    manifest: AcceptedManifest,
    bundle: { items: readonly Item[]; data: Uint8Array<ArrayBuffer> },
  ): Promise<OutgoingFrame[]> {
    const { parts: { vault }, member: { record: owner } } = this.#port;
    const fresh = withoutStored(bundle, manifest.stored);
    const ends = new Map<number, ItemEnd>();
    for (const { n, path } of bundle.items) ends.set(n, { n, as: path.at(-1) ?? "" });
    if (fresh.items.length > 0) {
      for (const end of await this.#storeFresh(manifest, fresh)) ends.set(end.n, end);
    }
    const done = fresh.items.filter(({ n }) => !("code" in (ends.get(n) ?? {})));
    for (const { n } of done) manifest.stored.add(n);
    failpoint("before_stored");
    void vault.settleBundle(owner, done.map(({ id }) => id));
    return answersOf(manifest.id, { items: bundle.items, ends });
  }

  async #storeFresh(
    manifest: AcceptedManifest,
    { items, data }: { items: readonly Item[]; data: Uint8Array<ArrayBuffer> },
  ): Promise<ItemEnd[]> {
    const { parts: { vault }, member: { record: owner } } = this.#port;
    const top = manifest.folder === undefined ? [] : [manifest.folder];
    const { length } = data;
    try {
      const results = await vault.storeBundle(owner, {
        items: items.map(({ id, path, bytes, sha256 }) => ({
          id,
          segments: [...top, ...path],
          bytes,
          sha256,
        })),
        data,
      });
      manifest.room.wrote(length);
      return await this.#record(manifest, { items, results });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      manifest.done.rejected += items.length;
      return items.map(({ n }) => ({ n, code: error.code, reason: error.message }));
    }
  }

  /** Records what has been stored of a bundle, in one call. */
  async #record(
    manifest: AcceptedManifest,
    { items, results }: { items: readonly Item[]; results: readonly BundleItemResult[] },
  ): Promise<ItemEnd[]> {
    const { parts, member: { record: owner } } = this.#port;
    const at = parts.clock.wall();
    const root = parts.vault.rootOf(owner);
    const records = [];
    const ends: ItemEnd[] = [];
    for (const [index, { n, id, bytes, sha256 }] of items.entries()) {
      const result = results[index];
      if (result === undefined || "code" in result) {
        const code = result?.code ?? "io";
        ends.push({ n, code, reason: reasonOf(code) });
        continue;
      }
      const { as } = result;
      const place = { name: as.join("/"), path: join(root, ...as) };
      const stored = { direction: "in" as const, state: "stored", at };
      records.push({ id, client: owner.id, ...place, bytes, sha256, ...stored });
      ends.push({ n, as: as.at(-1) ?? "" });
      manifest.done.bytes += bytes;
    }
    try {
      await parts.store.addFiles(records);
    } catch (error) {
      throw recordError(error, { path: root, parts });
    }
    manifest.done.stored += records.length;
    manifest.done.rejected += items.length - records.length;
    return ends;
  }

  /** One line for all that this session has brought of a manifest. */
  async #tell(manifest: AcceptedManifest): Promise<void> {
    const { parts, member: { record: { id: client, name: from } } } = this.#port;
    const { stored: files, rejected, bytes } = manifest.done;
    if (files + rejected === 0) return;
    const { clock, log, onFile, store, timeline, vault } = parts;
    const root = vault.rootOf(this.#port.member.record);
    const path = manifest.folder === undefined ? root : join(root, manifest.folder);
    const name = manifest.folder ?? `${files} files`;
    const data = {
      id: manifest.id,
      direction: "in",
      name,
      path,
      bytes,
      files,
      rejected,
      state: "stored",
    };
    try {
      await store.addEvents([{ at: clock.wall(), client, kind: "file", data }]);
      timeline.changed();
    } catch (error) {
      log.error("Cannot record a folder's files: {error}", { error: String(error) });
    }
    log.info("{from}: stored {files} files in {path} ({bytes} bytes, {rejected} rejected)", {
      from,
      files,
      path,
      bytes,
      rejected,
    });
    onFile({ from, path, bytes });
  }
}

/** The number in the id of a manifest's file. */
function itemNumber(id: string): number {
  return Number.parseInt(id.slice(24), 16);
}

/** The items that are not stored yet, with their bytes. */
function withoutStored(
  { items, data }: { items: readonly Item[]; data: Uint8Array<ArrayBuffer> },
  stored: ReadonlySet<number>,
): { items: Item[]; data: Uint8Array<ArrayBuffer> } {
  const fresh = items.filter(({ n }) => !stored.has(n));
  if (fresh.length === items.length) return { items: fresh, data };
  let read = 0;
  let written = 0;
  for (const { n, bytes } of items) {
    if (!stored.has(n)) {
      data.copyWithin(written, read, read + bytes);
      written += bytes;
    }
    read += bytes;
  }
  return { items: fresh, data: data.slice(0, written) };
}

function answersOf(
  id: string,
  { items, ends }: { items: readonly Item[]; ends: ReadonlyMap<number, ItemEnd> },
): OutgoingFrame[] {
  const isPlain = items.every(({ n, path }) => {
    const end = ends.get(n);
    return end !== undefined && "as" in end && end.as === path.at(-1);
  });
  if (isPlain) {
    const stored = items.map(({ n }) => n);
    return [{ verb: "BUNDLED", id, stored, renamed: [], rejected: [] }];
  }
  const frames: OutgoingFrame[] = [];
  for (let at = 0; at < items.length; at += ITEMS_PER_ANSWER) {
    const frame: FrameOf<"BUNDLED"> = {
      verb: "BUNDLED",
      id,
      stored: [],
      renamed: [],
      rejected: [],
    };
    for (const { n, path } of items.slice(at, at + ITEMS_PER_ANSWER)) {
      const end = ends.get(n);
      if (end === undefined || "code" in end) {
        const { code, reason } = end ?? { code: "io" as const, reason: reasonOf("io") };
        frame.rejected.push([n, code, reason.slice(0, MAX_ITEM_REASON_CHARS)]);
        continue;
      }
      frame.stored.push(n);
      if (end.as !== path.at(-1)) frame.renamed.push([n, end.as]);
    }
    frames.push(frame);
  }
  return frames;
}
