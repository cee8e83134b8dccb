/**
 * Many files under one manifest over one connection after another: what is stored is not sent again.
 *
 * @module
 */

import { sleep } from "../platform/clock.ts";
import {
  encodeFrame,
  itemId,
  MAX_BUNDLE_BYTES,
  MAX_MANIFEST_ENTRIES_PER_FRAME,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import {
  type Bundle,
  bundleBuffer,
  bundleEnd,
  packBundle,
  type PackedFile,
} from "./bundle_packer.ts";
import { ClientError } from "./client_error.ts";
import { ConnectionEndedError, type TransferAnswer } from "./data_connection.ts";
import {
  FileTransfer,
  type FileTransferPorts,
  limitOf,
  OtherFileError,
  VERIFY_LIMIT_MS,
} from "./file_transfer.ts";
import type { ManifestPlan, PlannedFile } from "./manifest_plan.ts";
import { busyPause } from "./patience.ts";
import type { SourceAccess } from "./source_access.ts";
import { openSource } from "./source_file.ts";
import {
  changed,
  notSame,
  outOfPlace,
  rejected as refusedItem,
  rejectedLate,
  TransferError,
  unsent,
} from "./transfer_error.ts";
import type { UploadMemory } from "./upload_memory.ts";
import type { StoredFile, UploadProgress } from "./upload_progress.ts";

/** What a {@linkcode ManyTransfer} works with besides connections. */
export interface ManyTransferOptions {
  /** The manifest's id. */
  id: string;
  /** The path as the person named it. */
  path: string;
  /** What is sent. */
  plan: ManifestPlan;
  /** Numbers of files that are stored already. */
  stored: ReadonlySet<number>;
  /** Reads small files. */
  access: SourceAccess;
  /** Remembers what is stored. */
  memory: UploadMemory | undefined;
  /** Called for each file that the server has stored. */
  onStored: (file: StoredFile) => void;
  /** Called for each file that was not sent or not stored. */
  onFailed: (failure: { id: string; path: string; error: TransferError }) => void;
}

/** Bundles that may wait for their answers at once. */
const MAX_BUNDLES_IN_FLIGHT = 8;
/** Turns of the microtask queue until a write that was queued has been handed to the system. */
const WRITE_TURNS = 3;
/** Longest text of the entries in one MANIFEST frame, estimated, in bytes; a line has 64 KiB. */
const MAX_ENTRIES_BYTES = 60 * 1024;
/** REJECT codes that every further file would get as well. */
const FINAL_CODES: readonly string[] = ["no_space", "quota", "denied"];

/** One manifest's way to the server. */
export class ManyTransfer {
  readonly #options: ManyTransferOptions;
  readonly #done: Set<number>;
  readonly #byNumber: Map<number, PlannedFile>;
  readonly #buffers = [bundleBuffer(), bundleBuffer()] as const;
  readonly #size: number;
  /** What is left to be confirmed of each bundle on its way. */
  #inFlight: { left: Map<number, PackedFile> }[] = [];
  #doneBytes = 0;
  #phase: UploadProgress["phase"] = "sending";
  #large: FileTransfer | undefined;
  #isVerifying = false;
  #as: string | undefined;

  /** Sends nothing before `run()`. */
  constructor(options: ManyTransferOptions) {
    const { files } = options.plan;
    this.#options = options;
    this.#done = new Set(options.stored);
    this.#byNumber = new Map(files.map((file) => [file.n, file]));
    this.#size = files.reduce((sum, { size }) => sum + size, 0);
    for (const { n, size } of files) if (this.#done.has(n)) this.#doneBytes += size;
  }

  /** The folder's name on the server, once it is known. */
  get as(): string | undefined {
    return this.#as;
  }

  /** How far it is. */
  get progress(): UploadProgress {
    const { id, path, plan } = this.#options;
    const total = plan.files.length;
    const large = this.#large?.progress;
    return {
      id,
      path,
      phase: large?.phase ?? this.#phase,
      sent: Math.min(this.#size, this.#doneBytes + (large?.sent ?? 0)),
      size: this.#size,
      files: { done: Math.min(total, this.#done.size), total },
    };
  }

  /** The id of a file that is being sent by itself, so that it can be taken back. */
  get partial(): string | undefined {
    return this.#large?.progress.id;
  }

  /** Sends over one connection whatever is not done; resolves when everything is stored or has failed. */
  async run(ports: FileTransferPorts): Promise<void> {
    const { id } = this.#options;
    const { connection } = ports;
    this.#inFlight = [];
    this.#large = undefined;
    this.#isVerifying = false;
    using _answers = connection.expect(id);
    using _watch = connection.watchProgress(() => this.#limit());
    await this.#announce(ports);
    const left = this.#options.plan.files.filter(({ n }) => !this.#done.has(n));
    await this.#sendBundles(left.filter(({ size }) => size <= MAX_BUNDLE_BYTES), ports);
    await this.#sendLarge(left.filter(({ size }) => size > MAX_BUNDLE_BYTES), ports);
  }

  /** Announces everything, also what is stored already, until the server is not busy. */
  async #announce(ports: FileTransferPorts): Promise<void> {
    const { id, path } = this.#options;
    const { connection, clock, random, signal, onNotice } = ports;
    let isFirst = true;
    while (true) {
      this.#enter("checking", ports);
      for (const frame of this.#manifestFrames()) await connection.write(frame);
      const answer = await connection.answer(id);
      if (answer.verb === "READY") {
        this.#as = answer.as;
        ports.onHeld(this.#doneBytes);
        return this.#enter("sending", ports);
      }
      if (answer.verb !== "REJECT") throw outOfPlace(path, answer);
      if (answer.code !== "busy") throw refusedItem(path, answer, { midway: false });
      this.#enter("waiting", ports);
      if (isFirst) onNotice("The server is busy with other transfers; waiting");
      isFirst = false;
      await sleep(clock, busyPause(random), signal);
    }
  }

  *#manifestFrames(): Generator<Uint8Array> {
    const { id, plan: { folder, files, directories } } = this.#options;
    const head = folder === undefined ? { id } : { id, folder };
    let entries: unknown[] = [];
    let bytes = 0;
    for (const entry of [...directories.map((path) => ({ path })), ...files]) {
      const { path } = entry;
      // At most 3 bytes for a UTF-16 unit, and the punctuation around it.
      const estimate = 64 + path.reduce((sum, name) => sum + 3 * name.length + 4, 0);
      if (
        entries.length === MAX_MANIFEST_ENTRIES_PER_FRAME || bytes + estimate > MAX_ENTRIES_BYTES
      ) {
        yield encodeFrame("MANIFEST", { ...head, entries });
        entries = [];
        bytes = 0;
      }
      entries.push(isFile(entry) ? { path, size: entry.size, n: entry.n } : entry);
      bytes += estimate;
    }
    yield encodeFrame("MANIFEST", { ...head, entries, last: true });
  }

  async #sendBundles(files: readonly PlannedFile[], ports: FileTransferPorts): Promise<void> {
    const { id, access } = this.#options;
    const { connection } = ports;
    const writing: (Promise<unknown> | undefined)[] = [];
    let turn = 0;
    for (let at = 0; at < files.length;) {
      const end = bundleEnd(files, at);
      while (this.#inFlight.length >= MAX_BUNDLES_IN_FLIGHT) await this.#takeAnswer(ports);
      ports.signal?.throwIfAborted();
      const which = turn++ % 2 === 0 ? 0 : 1;
      // The buffer is free once the bundle before the last has been written.
      await writing[which];
      const bundle = await packBundle(files.slice(at, end), {
        manifest: id,
        buffer: this.#buffers[which],
        access,
        onUnpacked: ({ file, code, reason }) =>
          this.#fail(file, unsent(file.source, { code, reason })),
      });
      at = end;
      if (bundle !== undefined) writing[which] = this.#write(bundle, connection);
      // The system gets its bytes first, so that reading the next files overlaps with it.
      for (let wait = 0; wait < WRITE_TURNS; wait++) await Promise.resolve();
    }
    await Promise.all(writing);
    if (this.#inFlight.length > 0) this.#enter("verifying", ports);
    while (this.#inFlight.length > 0) await this.#takeAnswer(ports);
    this.#enter("sending", ports);
  }

  #write({ bytes, items }: Bundle, connection: FileTransferPorts["connection"]): Promise<unknown> {
    this.#inFlight.push({ left: new Map(items.map((item) => [item.file.n, item])) });
    const written = connection.write(bytes);
    written.catch(() => {}); // Met by whoever awaits it, or hidden by the answer that ended everything.
    return written;
  }

  async #takeAnswer(ports: FileTransferPorts): Promise<void> {
    const { id, path, memory } = this.#options;
    const answer = await ports.connection.answer(id);
    if (answer.verb === "REJECT") throw rejectedLate(path, answer, { keepsConnection: false });
    if (answer.verb !== "BUNDLED") throw outOfPlace(path, answer);
    const { stored, renamed, rejected } = answer;
    const names = new Map(renamed);
    for (const n of stored) this.#confirm(this.#claim(n, answer), names.get(n));
    if (stored.length > 0) {
      memory?.markStored(id, stored);
      ports.onHeld(this.#doneBytes);
    }
    for (const [n, code, reason] of rejected) {
      const { file } = this.#claim(n, answer);
      const reject = { verb: "REJECT", id: itemId(id, n), code, reason, retry: false } as const;
      this.#fail(file, refusedItem(file.source, reject, { midway: false }));
    }
    if (this.#inFlight[0]?.left.size === 0) this.#inFlight.shift();
  }

  /** The file that an answer is about, which is one of the oldest bundle. */
  #claim(n: number, answer: TransferAnswer): PackedFile {
    const packed = this.#inFlight[0]?.left.get(n);
    if (packed === undefined) throw outOfPlace(this.#options.path, answer);
    this.#inFlight[0]?.left.delete(n);
    return packed;
  }

  async #sendLarge(files: readonly PlannedFile[], ports: FileTransferPorts): Promise<void> {
    let before: Promise<void> | undefined;
    for (const file of files) {
      const sent = await this.#sendOne(file, ports);
      await before;
      if (sent === undefined) continue;
      // While the server brings this one to its disk, the next one is sent.
      before = sent.stored.finally(() => this.#isVerifying = false);
      before.catch(() => {}); // Awaited above or below, unless something else has ended everything.
      this.#isVerifying = true;
    }
    if (before !== undefined) this.#enter("verifying", ports);
    await before;
  }

  /** Sends one file by itself; resolves when it is on its way, or with undefined when it has failed. */
  async #sendOne(
    planned: PlannedFile,
    ports: FileTransferPorts,
  ): Promise<{ stored: Promise<void> } | undefined> {
    const { id: manifest } = this.#options;
    const { n, path: name, source: path } = planned;
    const id = itemId(manifest, n);
    try {
      const source = await openSource(path);
      using _file = source.file;
      if (source.size !== planned.size) throw changed(path, { keepsConnection: true });
      const onHeld = (bytes: number) => ports.onHeld(this.#doneBytes + bytes);
      const offer = { path, id, name, manifest, source };
      const transfer = new FileTransfer(offer, { ...ports, onHeld });
      this.#large = transfer;
      try {
        await transfer.send();
      } catch (error) {
        transfer[Symbol.dispose]();
        throw error;
      }
      return { stored: this.#settle(planned, transfer) };
    } catch (error) {
      this.#failOrThrow(planned, error);
      return undefined;
    } finally {
      this.#large = undefined;
    }
  }

  async #settle(planned: PlannedFile, transfer: FileTransfer): Promise<void> {
    using _transfer = transfer;
    try {
      const { as, sha256 } = await transfer.stored();
      this.#confirm({ file: planned, sha256 }, as);
      this.#options.memory?.markStored(this.#options.id, [planned.n]);
    } catch (error) {
      this.#failOrThrow(planned, error);
    }
  }

  /** Notes a failure of one file alone; throws what ends everything. */
  #failOrThrow(planned: PlannedFile, error: unknown): void {
    if (error instanceof OtherFileError) return this.#fail(planned, notSame(planned.source));
    if (!(error instanceof TransferError) || error.code === "replaced") throw error;
    this.#fail(planned, error);
    // The connection is of no more use; the next one goes on with the rest.
    if (!error.keepsConnection) {
      throw new ConnectionEndedError("lost", "the connection was given up", { cause: error });
    }
  }

  #confirm({ file, sha256 }: PackedFile, as = file.path.at(-1) ?? ""): void {
    const { id, onStored } = this.#options;
    const { n, source: path, size: bytes } = file;
    this.#done.add(n);
    this.#doneBytes += bytes;
    onStored({ id: itemId(id, n), path, as, bytes, sha256 });
  }

  #fail({ n, size, source: path }: PlannedFile, error: TransferError): void {
    const { id, onFailed } = this.#options;
    this.#done.add(n);
    this.#doneBytes += size;
    onFailed({ id: itemId(id, n), path, error });
    if (FINAL_CODES.includes(error.code)) throw new NoFurtherError(error);
  }

  #limit(): number {
    if (this.#large !== undefined && !this.#isVerifying) return limitOf(this.#large);
    if (this.#large?.isHashing === true) return Infinity;
    const isWaiting = this.#inFlight.length > 0 || this.#isVerifying || this.#phase !== "sending";
    return isWaiting ? VERIFY_LIMIT_MS : TRANSFER_STALL_MS;
  }

  #enter(phase: UploadProgress["phase"], ports: FileTransferPorts): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    ports.onPhase();
  }
}

function isFile(entry: { path: string[] } | PlannedFile): entry is PlannedFile {
  return "n" in entry;
}

/** One file was refused for a reason that holds for all the others. */
export class NoFurtherError extends ClientError {
  override readonly name = "NoFurtherError";

  /** Takes the refusal of the file. */
  constructor(refusal: TransferError) {
    const { message, exitCode, code, hint } = refusal;
    super(message, { exitCode, code, hint, cause: refusal });
  }
}
