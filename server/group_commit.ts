/**
 * Runs calls on the store in groups: everything that arrived meanwhile shares one transaction and one
 * sync to disk, and no call is answered before that commit.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { failpoint } from "../platform/failpoint.ts";
import { SQLITE_FULL, sqliteCode } from "../platform/database.ts";
import type { StoreDatabase } from "./store_database.ts";

/** Calls that share one commit at most. */
const MAX_GROUP_CALLS = 1_000;

/** A method of the store. */
export type StoreMethod = keyof StoreDatabase;

/** One call as it travels to the worker. */
export interface StoreCall {
  id: number;
  method: StoreMethod;
  args: unknown[];
}

/** Its answer. */
export type StoreAnswer =
  | { id: number; value: unknown }
  | { id: number; error: { message: string; full: boolean } };

/** What the main thread sends: first `open`, then calls in groups, then `close`. */
export type StoreRequest =
  | { open: string; /** What is armed. */ failpoint: string | undefined }
  | { calls: StoreCall[] }
  | "close";

/** What the worker sends. */
export type StoreReply =
  | { opened: true }
  | { opened: false; message: string; hint: string | undefined }
  | { answers: StoreAnswer[] }
  | { crash: string }
  | { closed: true };

/** Where calls run. */
interface OpenStore {
  database: DatabaseSync;
  tables: StoreDatabase;
}

/** Runs at most {@linkcode MAX_GROUP_CALLS} of `calls`, removing them, and returns their answers. */
export function commitGroup(calls: StoreCall[], store: OpenStore): StoreAnswer[] {
  return commit(calls.splice(0, MAX_GROUP_CALLS), { ...store, guarded: false });
}

/**
 * Commits a group. Savepoints cost a sixth of the time of a small message, so only a group in which a call has failed
 * is run again with them. A group for which the disk has no room is tried again in halves: what only reads, or is
 * small, still succeeds.
 */
function commit(group: StoreCall[], store: OpenStore & { guarded: boolean }): StoreAnswer[] {
  const { database, guarded } = store;
  let hasRun = false;
  try {
    database.exec("BEGIN");
    const run = guarded ? runGuarded : runCall;
    const answers = group.map((call) => run(call, store));
    hasRun = true;
    failpoint("store_commit");
    database.prepare("COMMIT").run(); // Errors of exec() would carry no code.
    failpoint("store_committed");
    return answers;
  } catch (error) {
    rollBack(database);
    if (!hasRun && !guarded && group.length > 1) return commit(group, { ...store, guarded: true });
    const failure = describe(error);
    if (group.length === 1 || !failure.full) return group.map(({ id }) => ({ id, error: failure }));
    const half = group.length >> 1;
    return [...commit(group.slice(0, half), store), ...commit(group.slice(half), store)];
  }
}

/** A call that throws is undone alone; the others of its group are not affected. */
function runGuarded(call: StoreCall, store: OpenStore): StoreAnswer {
  const { database } = store;
  database.exec("SAVEPOINT call");
  try {
    const answer = runCall(call, store);
    database.exec("RELEASE call");
    return answer;
  } catch (error) {
    if (!database.isTransaction) throw error; // SQLite has undone the whole group, as for a full disk.
    database.exec("ROLLBACK TO call; RELEASE call");
    return { id: call.id, error: describe(error) };
  }
}

function runCall({ id, method, args }: StoreCall, { tables }: OpenStore): StoreAnswer {
  const run = tables[method] as (...args: unknown[]) => unknown;
  return { id, value: run.apply(tables, args) };
}

function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}

function describe(error: unknown): { message: string; full: boolean } {
  const message = error instanceof Error ? error.message : String(error);
  const full = sqliteCode(error) === SQLITE_FULL;
  return { message, full };
}
