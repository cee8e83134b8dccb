/**
 * Files as the main thread receives them: hashed, written and synced by the worker `file_worker.ts`.
 *
 * @module
 */

import { MAX_BUNDLE_BYTES } from "../protocol/mod.ts";
import { armedFailpoint } from "./failpoint.ts";
import type { BundleItemResult, BundleRequest } from "./file_bundle.ts";
import {
  type FileAnswer,
  type FileCall,
  type FileCalls,
  type FileMethod,
  type FileRequest,
  receivedError,
} from "./file_call.ts";
import { DurableFileError } from "./durable_file_error.ts";
import { type FileSystem, type OpenFile, systemFiles } from "./file_system.ts";

export type { BundleItem, BundleItemResult, BundleRequest } from "./file_bundle.ts";

/** Files whose bytes are handled in a worker. */
export interface FileStore extends AsyncDisposable {
  /** Open files live in the worker: chunks move there and are detached, other memory comes back. */
  readonly files: FileSystem;
  /** Memory for the bytes of one bundle, at most MAX_BUNDLE_BYTES; what is in it does not matter. */
  bundleMemory(bytes: number): Uint8Array<ArrayBuffer>;
  /** Stores many small files at once, whose bytes move to the worker; see `file_bundle.ts`. */
  storeBundle(request: BundleRequest): Promise<BundleItemResult[]>;
  /** Removes the staging names of bundled files, once they are recorded. */
  settleBundle(stagingDirectory: string, ids: readonly string[]): Promise<void>;
  /** Waits for the calls under way and ends the worker. */
  close(): Promise<void>;
}

/** Calls that may wait for the worker; beyond that, new ones are refused rather than held in memory. */
const MAX_WAITING_CALLS = 10_000;

/** Bundles whose memory is kept for the next ones. */
const MAX_SPARE_BUNDLES = 4;

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** Starts the worker. */
export function openFileStore(): Promise<FileStore> {
  const link = new WorkerLink();
  const memory = new BundleMemory();
  const call: WorkerLink["call"] = (method, args, transfer) => link.call(method, args, transfer);
  const files: FileSystem = {
    ...systemFiles,
    create: async (path) => remoteFile(link, await call("create", [path])),
    reopen: async (path, marks) => remoteFile(link, await call("reopen", [path, marks])),
    sha256: (path, bytes) => call("sha256", [path, bytes]),
  };
  const close = () => link.close();
  return Promise.resolve({
    files,
    bundleMemory: (bytes) => memory.take(bytes),
    storeBundle: async (request) => {
      const stored = await call("storeBundle", [request], [request.data.buffer]);
      memory.giveBack(stored.memory);
      return stored.results;
    },
    settleBundle: (stagingDirectory, ids) => call("settleBundle", [stagingDirectory, ids]),
    close,
    [Symbol.asyncDispose]: close,
  });
}

/** Memory that goes to the worker and comes back, so that none is made, cleared and dropped for each bundle. */
class BundleMemory {
  readonly #spare: ArrayBuffer[] = [];

  take(bytes: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(MAX_BUNDLE_BYTES), 0, bytes);
  }

  giveBack(memory: ArrayBuffer): void {
    if (memory.byteLength === MAX_BUNDLE_BYTES && this.#spare.length < MAX_SPARE_BUNDLES) {
      this.#spare.push(memory);
    }
  }
}

function remoteFile(link: WorkerLink, handle: number): OpenFile {
  return new RemoteFile(link, handle);
}

/**
 * A file that is open in the worker. One chunk may be on its way there while the caller fills the next: a
 * worker that waited for its bytes would lose a third of its time.
 */
class RemoteFile implements OpenFile {
  readonly #link: WorkerLink;
  readonly #handle: number;
  #writing: Promise<Uint8Array<ArrayBuffer>> | undefined;

  constructor(link: WorkerLink, handle: number) {
    this.#link = link;
    this.#handle = handle;
  }

  async write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = chunk;
    const ahead = this.#writing;
    const writing = this.#link.call("write", [this.#handle, chunk], [chunk.buffer]);
    // Its failure is met by whoever waits for it: the next call.
    writing.catch(() => {});
    // After a failure the worker refuses every further chunk, so that the failure stays the last word.
    this.#writing = writing;
    const spare = await ahead;
    if (spare === undefined || spare.buffer.byteLength < length) return new Uint8Array(length);
    return new Uint8Array(spare.buffer, 0, length);
  }

  async prefixSha256(offset: number): Promise<string> {
    await this.#writing;
    return await this.#link.call("prefixSha256", [this.#handle, offset]);
  }

  async continueAt(offset: number): Promise<void> {
    await this.#writing;
    await this.#link.call("continueAt", [this.#handle, offset]);
  }

  async sha256Hex(): Promise<string> {
    await this.#writing;
    return await this.#link.call("sha256Hex", [this.#handle]);
  }

  sync(): Promise<number> {
    return this.#link.call("sync", [this.#handle]);
  }

  cut(length: number): Promise<void> {
    return this.#link.call("cut", [this.#handle, length]);
  }

  close(): Promise<void> {
    return this.#link.call("close", [this.#handle]);
  }
}

/** The worker, and the calls that wait for it. */
class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended = Promise.withResolvers<void>();
  #lastId = 0;
  #broken: string | undefined;
  #closing: Promise<void> | undefined;

  constructor() {
    const name = import.meta.url.endsWith(".ts") ? "./file_worker.ts" : "./file_worker.js";
    this.#worker = new Worker(new URL(name, import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FileAnswer>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#break(`its worker failed: ${event.message}`);
    };
    const failpoint = armedFailpoint();
    if (failpoint !== undefined) this.#send({ failpoint: failpoint.spec });
  }

  /** Calls a method of the worker; `transfer` moves there. */
  call<M extends FileMethod>(
    method: M,
    args: Parameters<FileCalls[M]>,
    transfer: Transferable[] = [],
  ): ReturnType<FileCalls[M]> {
    const answer = new Promise((resolve: Waiting["resolve"], reject) => {
      if (this.#broken !== undefined) throw this.#refusal(this.#broken);
      if (this.#waiting.size >= MAX_WAITING_CALLS) {
        throw this.#refusal("too many calls wait for the disk");
      }
      const call: FileCall<M> = { id: ++this.#lastId, method, args };
      this.#send(call as FileCall, transfer);
      this.#waiting.set(call.id, { resolve, reject });
    });
    return answer as ReturnType<FileCalls[M]>;
  }

  /** Ends the worker after the calls under way. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const isBroken = this.#broken !== undefined;
    this.#broken ??= "it is closed";
    if (!isBroken) {
      if (this.#waiting.size === 0) this.#send("close");
      await this.#ended.promise;
    }
    this.#worker.terminate();
  }

  #receive(answer: FileAnswer): void {
    if (answer === "closed") return this.#ended.resolve();
    if ("crash" in answer) return armedFailpoint()?.crash(answer.crash);
    const caller = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("failure" in answer) caller?.reject(receivedError(answer.failure));
    else caller?.resolve(answer.value as never);
    if (this.#closing !== undefined && this.#waiting.size === 0) this.#send("close");
  }

  #break(reason: string): void {
    this.#broken = reason;
    for (const { reject } of this.#waiting.values()) reject(this.#refusal(reason));
    this.#waiting.clear();
    this.#ended.resolve();
  }

  #refusal(reason: string): DurableFileError {
    return new DurableFileError("io", `Cannot use the file store: ${reason}`);
  }

  #send(request: FileRequest, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }
}
