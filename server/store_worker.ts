/**
 * The worker that owns the server's database, so that a slow disk never holds up a heartbeat.
 *
 * First message: the path of the database. Then groups of calls; each call is answered after the commit it was part
 * of. The message "close" closes the database and ends the worker.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { DatabaseSync } from "node:sqlite";
import { systemClock } from "../platform/clock.ts";
import { openDatabase } from "../platform/database.ts";
import { armFailpoint } from "../platform/failpoint.ts";
import { commitGroup, type StoreCall, type StoreReply, type StoreRequest } from "./group_commit.ts";
import { StoreDatabase } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

/** How long a call waits for others to share its commit, in milliseconds. */
const GROUP_MS = 1;
/** So many calls wait for no others. */
const READY_CALLS = 16;
/** How long another process may hold the database before a call fails, in milliseconds. */
const BUSY_MS = 5_000;

/** Pages in the log at most, 12 MiB, which the ballast of a full disk has room for: the more, the more commits share a page. */
const LOG_PAGES = 3_000;

const calls: StoreCall[] = [];
let store: { database: DatabaseSync; tables: StoreDatabase } | undefined;
let scheduled = false;

function flush(): void {
  scheduled = false;
  if (store === undefined || calls.length === 0) return;
  reply({ answers: commitGroup(calls, store) });
  if (calls.length > 0) schedule();
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  systemClock.after(GROUP_MS, flush);
}

function open(path: string): void {
  try {
    const database = openDatabase(path, {
      migrations: STORE_MIGRATIONS,
      busyTimeoutMs: BUSY_MS,
      logPages: LOG_PAGES,
    });
    store = { database, tables: new StoreDatabase(database) };
    reply({ opened: true });
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    reply({ opened: false, message, hint });
  }
}

function close(): void {
  while (calls.length > 0) flush();
  store?.database.close();
  store = undefined;
  reply({ closed: true });
}

/** Ends the program as if it were killed: only the main thread may, so this one never does anything again. */
function crash(name: string): never {
  reply({ crash: name });
  while (true) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function reply(message: StoreReply): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<StoreRequest>) => {
  if (data === "close") return close();
  if ("open" in data) {
    if (data.failpoint !== undefined) armFailpoint(data.failpoint, crash);
    return open(data.open);
  }
  for (const call of data.calls) calls.push(call);
  if (calls.length >= READY_CALLS) flush();
  else schedule();
};
