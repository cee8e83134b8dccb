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

/** Runs at most {@linkcode MAX_GROUP_CALLS} of `calls`, removing them, and returns their answers. */
export function commitGroup(
  calls: StoreCall[],
  store: { database: DatabaseSync; tables: StoreDatabase },
): StoreAnswer[] {
  return commit(calls.splice(0, MAX_GROUP_CALLS), store);
}

/** A group for which the disk has no room is tried again in halves: what only reads, or is small, still succeeds. */
function commit(
  group: StoreCall[],
  store: { database: DatabaseSync; tables: StoreDatabase },
): StoreAnswer[] {
  const { database, tables } = store;
  try {
    database.exec("BEGIN");
    const answers = group.map((call) => runCall(call, { database, tables }));
    failpoint("store_commit");
    database.prepare("COMMIT").run(); // Errors of exec() would carry no code.
    failpoint("store_committed");
    return answers;
  } catch (error) {
    rollBack(database);
    const failure = describe(error);
    if (group.length === 1 || !failure.full) return group.map(({ id }) => ({ id, error: failure }));
    const half = group.length >> 1;
    return [...commit(group.slice(0, half), store), ...commit(group.slice(half), store)];
  }
}

/** A call that throws is undone alone; the others of its group are not affected. */
function runCall(
  { id, method, args }: StoreCall,
  { database, tables }: { database: DatabaseSync; tables: StoreDatabase },
): StoreAnswer {
  database.exec("SAVEPOINT call");
  try {
    const run = tables[method] as (...args: unknown[]) => unknown;
    const value = run.apply(tables, args);
    database.exec("RELEASE call");
    return { id, value };
  } catch (error) {
    if (!database.isTransaction) throw error; // SQLite has undone the whole group, as for a full disk.
    database.exec("ROLLBACK TO call; RELEASE call");
    return { id, error: describe(error) };
  }
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
