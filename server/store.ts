/**
 * The server's database as the main thread sees it: the methods of `store_database.ts`, each resolving
 * after its changes are committed and synced.
 *
 * @module
 */

import { armedFailpoint } from "../platform/failpoint.ts";
import type {
  StoreAnswer,
  StoreCall,
  StoreMethod,
  StoreReply,
  StoreRequest,
} from "./group_commit.ts";
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

/** Settings of {@linkcode openStore}. */
export interface StoreOptions {
  /** Called whenever something could not be written because the disk is full. */
  onFull?: () => void;
}

/** Opens the database at `path` in a worker of its own; rejects with {@linkcode StoreError}. */
export async function openStore(path: string, options: StoreOptions = {}): Promise<Store> {
  const connection = new StoreConnection(options);
  await connection.open(path);
  return new Proxy({} as Store, {
    get: (_, name) => {
      if (name === "close") return () => connection.close();
      if (name === "then") return undefined; // A store is no promise, even when it is awaited.
      return (...args: unknown[]) => connection.call(name as StoreMethod, args);
    },
  });
}

/** The main thread's end of the worker: calls out in groups, answers in. */
class StoreConnection {
  readonly #options: StoreOptions;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #outgoing: StoreCall[] = [];
  #lastId = 0;
  #isOpen = true;
  /** Why the worker is of no more use; undefined while it is of use. */
  #broken: string | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    const name = import.meta.url.endsWith(".ts") ? "./store_worker.ts" : "./store_worker.js";
    this.#worker = new Worker(new URL(name, import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<StoreReply>) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#broken = `Cannot use the database: its worker failed: ${event.message}`;
      this.#fail(this.#broken);
      this.#opened.reject(new StoreError(this.#broken));
      this.#closed.resolve();
    };
  }

  async open(path: string): Promise<void> {
    this.#post({ open: path, failpoint: armedFailpoint()?.spec });
    await this.#opened.promise;
  }

  call(method: StoreMethod, args: unknown[]): Promise<unknown> {
    return new Promise((resolve: Waiting["resolve"], reject) => {
      if (!this.#isOpen) throw new StoreError("Cannot use the database: it is closed");
      if (this.#broken !== undefined) throw new StoreError(this.#broken);
      if (this.#waiting.size >= MAX_WAITING_CALLS) {
        throw new StoreError("Cannot use the database: too many calls wait for the disk");
      }
      const call: StoreCall = { id: ++this.#lastId, method, args };
      this.#waiting.set(call.id, { resolve, reject });
      // What is called in one turn crosses together: a message costs more than a call.
      if (this.#outgoing.push(call) === 1) queueMicrotask(() => this.#send());
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#send();
    this.#post("close");
    if (this.#broken === undefined) await this.#closed.promise;
    this.#worker.terminate();
    this.#fail("Cannot use the database: it is closed");
  }

  #send(): void {
    const calls = this.#outgoing;
    this.#outgoing = [];
    if (calls.length > 0) this.#post({ calls });
  }

  #post(request: StoreRequest): void {
    this.#worker.postMessage(request);
  }

  #take(reply: StoreReply): void {
    if ("answers" in reply) { for (const answer of reply.answers) this.#settle(answer); }
    else if ("crash" in reply) armedFailpoint()?.crash(reply.crash);
    else if ("closed" in reply) this.#closed.resolve();
    else if (reply.opened) this.#opened.resolve();
    else {
      this.#worker.terminate();
      this.#opened.reject(new StoreError(reply.message, { hint: reply.hint }));
    }
  }

  #settle(answer: StoreAnswer): void {
    const caller = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) {
      const { message, full } = answer.error;
      caller?.reject(new StoreError(`Cannot use the database: ${message}`, { full }));
      if (full) this.#options.onFull?.();
    } else caller?.resolve(answer.value as never);
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new StoreError(message));
    this.#waiting.clear();
  }
}
