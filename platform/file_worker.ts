/**
 * The worker in which received files are hashed, written and synced, so that the main thread has time for
 * heartbeats. Large files wait for the disk in the background; bundles of small ones are stored on the spot.
 *
 * The message "close" closes what is open and ends the work.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { systemClock } from "./clock.ts";
import { armFailpoint } from "./failpoint.ts";
import { settleBundle, storeBundle } from "./file_bundle.ts";
import {
  type FileAnswer,
  type FileCalls,
  type FileRequest,
  type StoredBundle,
  thrownFailure,
} from "./file_call.ts";
import { hashingFiles, type OpenFile, systemFiles } from "./file_system.ts";
import { promptRawFiles } from "./raw_file.ts";

/** An open file, whose operations follow each other in the order in which they were asked for. */
interface Entry {
  readonly file: OpenFile;
  last: Promise<unknown>;
  /** Why a write failed; no other may follow. */
  failure?: unknown;
}

const files = hashingFiles(promptRawFiles);
const open = new Map<number, Entry>();
let lastHandle = 0;

const calls: FileCalls = {
  create: async (path) => enter(await files.create(path)),
  reopen: async (path, marks) => enter(await files.reopen(path, marks)),
  write: (handle, chunk) => inTurn(handle, (entry) => write(entry, chunk)),
  prefixSha256: (handle, offset) => inTurn(handle, ({ file }) => file.prefixSha256(offset)),
  continueAt: (handle, offset) => inTurn(handle, ({ file }) => file.continueAt(offset)),
  sha256Hex: (handle) => inTurn(handle, ({ file }) => file.sha256Hex()),
  sync: (handle) => inTurn(handle, ({ file }) => file.sync()),
  cut: (handle, length) => inTurn(handle, ({ file }) => file.cut(length)),
  close: (handle) => {
    const closing = inTurn(handle, ({ file }) => file.close());
    open.delete(handle);
    return closing;
  },
  sha256: (path, bytes) => systemFiles.sha256(path, bytes),
  storeBundle: async (request) => {
    const results = await storeBundle(promptRawFiles, request, systemClock);
    return { results, memory: request.data.buffer };
  },
  settleBundle: (stagingDirectory, ids) => settleBundle(promptRawFiles, { stagingDirectory, ids }),
};

function enter(opened: OpenFile): number {
  open.set(++lastHandle, { file: opened, last: Promise.resolve() });
  return lastHandle;
}

async function inTurn<T>(handle: number, run: (entry: Entry) => Promise<T>): Promise<T> {
  const entry = open.get(handle);
  if (entry === undefined) throw new TypeError(`Cannot use file ${handle}: it is closed`);
  const running = entry.last.then(() => run(entry));
  // The failure is the caller's; the next operation only waits.
  entry.last = running.catch(() => {});
  return await running;
}

async function write(
  entry: Entry,
  chunk: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (entry.failure !== undefined) throw entry.failure;
  try {
    return await entry.file.write(chunk);
  } catch (error) {
    entry.failure = error;
    throw error;
  }
}

function answer(message: FileAnswer, transfer: Transferable[] = []): void {
  self.postMessage(message, transfer);
}

/** The memory that goes back with an answer. */
function memoryOf(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) return [value.buffer as ArrayBuffer];
  const isBundle = typeof value === "object" && value !== null && "memory" in value;
  return isBundle ? [(value as StoredBundle).memory] : [];
}

/** Ends the program as if it were killed: only the main thread may, so this one never does anything again. */
function crash(name: string): never {
  answer({ crash: name });
  while (true) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

async function closeAll(): Promise<void> {
  for (const handle of [...open.keys()]) {
    try {
      await calls.close(handle);
    } catch {
      // Nobody is left to be told; the file is a partial, whose bytes are checked before they count.
    }
  }
  answer("closed");
}

self.onmessage = async ({ data }: MessageEvent<FileRequest>) => {
  if (data === "close") return await closeAll();
  if ("failpoint" in data) return armFailpoint(data.failpoint, crash);
  const { id, method, args } = data;
  try {
    // The caller's types hold on both sides; TypeScript cannot follow a method through its name.
    const value = await (calls[method] as (...args: unknown[]) => Promise<unknown>)(...args);
    answer({ id, value }, memoryOf(value));
  } catch (error) {
    answer({ id, failure: thrownFailure(error) });
  }
};
