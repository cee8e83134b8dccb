/**
 * The server's database as the main thread sees it: the methods of `store_database.ts`, each resolving
 * after its changes are committed and synced.
 *
 * @module
 */

import type { StoreAnswer, StoreCall, StoreMethod } from "./group_commit.ts";
import type { StoreDatabase } from "./store_database.ts";

/** Calls that may wait for the worker; beyond that, new ones are refused rather than held in memory. */
const MAX_WAITING_CALLS = 100_000;

/** The store's methods, asynchronous; see {@linkcode StoreDatabase} for what each does. */
export type Store =
  & {
    [M in StoreMethod]: (
      ...args: Parameters<StoreDatabase[M]>
    ) => Promise<ReturnType<StoreDatabase[M]>>;
  }
  & {
    /** Commits what is under way, closes the database and ends the worker. */
    close(): Promise<void>;
  };

/** The database could not be opened or a call on it failed. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  /** What to do about it. */
  readonly hint: string | undefined;
  /** Whether the disk is full. */
  readonly full: boolean;

  /** Takes the database's words. */
  constructor(message: string, options: { hint?: string | undefined; full?: boolean } = {}) {
    super(message);
    this.hint = options.hint;
    this.full = options.full ?? false;
  }
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: StoreError) => void;
}

/** Opens the database at `path` in a worker of its own; rejects with {@linkcode StoreError}. */
export async function openStore(path: string): Promise<Store> {
  const name = import.meta.url.endsWith(".ts") ? "./store_worker.ts" : "./store_worker.js";
  const worker = new Worker(new URL(name, import.meta.url), { type: "module" });
  const waiting = new Map<number, Waiting>();
  let broken: string | undefined;
  const fail = (message: string) => {
    for (const { reject } of waiting.values()) reject(new StoreError(message));
    waiting.clear();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    broken = `Cannot use the database: its worker failed: ${event.message}`;
    fail(broken);
  };
  await opened(worker, path);
  worker.onmessage = ({ data }: MessageEvent<StoreAnswer>) => settle(waiting, data);
  const close = async () => {
    await closed(worker, waiting);
    fail("Cannot use the database: it is closed");
  };
  return methods(worker, { waiting, close, broken: () => broken });
}

function settle(waiting: Map<number, Waiting>, answer: StoreAnswer): void {
  const caller = waiting.get(answer.id);
  waiting.delete(answer.id);
  if ("error" in answer) {
    const { message, full } = answer.error;
    caller?.reject(new StoreError(`Cannot use the database: ${message}`, { full }));
  } else caller?.resolve(answer.value as never);
}

function opened(worker: Worker, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.opened) return resolve();
      worker.terminate();
      reject(new StoreError(data.message, { hint: data.hint }));
    };
    worker.postMessage({ open: path });
  });
}

function closed(worker: Worker, waiting: Map<number, Waiting>): Promise<void> {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      if (!data.closed) return settle(waiting, data);
      worker.terminate();
      resolve();
    };
    worker.postMessage("close");
  });
}

function methods(
  worker: Worker,
  state: {
    waiting: Map<number, Waiting>;
    close: () => Promise<void>;
    /** Why the worker is of no more use; undefined while it is of use. */
    broken: () => string | undefined;
  },
): Store {
  let lastId = 0;
  let open = true;
  const call = (method: StoreMethod, args: unknown[]) =>
    new Promise((resolve: Waiting["resolve"], reject) => {
      if (!open) throw new StoreError("Cannot use the database: it is closed");
      const broken = state.broken();
      if (broken !== undefined) throw new StoreError(broken);
      if (state.waiting.size >= MAX_WAITING_CALLS) {
        throw new StoreError("Cannot use the database: too many calls wait for the disk");
      }
      const message: StoreCall = { id: ++lastId, method, args };
      state.waiting.set(message.id, { resolve, reject });
      worker.postMessage(message);
    });
  const close = async () => {
    if (!open) return;
    open = false;
    await state.close();
  };
  return new Proxy({} as Store, {
    get: (_, name) => {
      if (name === "close") return close;
      if (name === "then") return undefined; // A store is no promise, even when it is awaited.
      return (...args: unknown[]) => call(name as StoreMethod, args);
    },
  });
}
