/**
 * The worker that owns the server's database, so that a slow disk never holds up a heartbeat.
 *
 * First message: the path of the database. Then calls; each is answered after the commit it was part of.
 * The message "close" closes the database and ends the worker.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { DatabaseSync } from "node:sqlite";
import { systemClock } from "../platform/clock.ts";
import { openDatabase } from "../platform/database.ts";
import { commitGroup, type StoreCall } from "./group_commit.ts";
import { StoreDatabase } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

/** How long a call waits for others to share its commit, in milliseconds. */
const GROUP_MS = 1;
/** How long another process may hold the database before a call fails, in milliseconds. */
const BUSY_MS = 5_000;

const calls: StoreCall[] = [];
let store: { database: DatabaseSync; tables: StoreDatabase } | undefined;
let scheduled = false;

function flush(): void {
  scheduled = false;
  if (store === undefined) return;
  for (const answer of commitGroup(calls, store)) self.postMessage(answer);
  if (calls.length > 0) schedule();
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  systemClock.after(GROUP_MS, flush);
}

function open(path: string): void {
  try {
    const database = openDatabase(path, { migrations: STORE_MIGRATIONS, busyTimeoutMs: BUSY_MS });
    store = { database, tables: new StoreDatabase(database) };
    self.postMessage({ opened: true });
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    self.postMessage({ opened: false, message, hint });
  }
}

function close(): void {
  while (calls.length > 0) flush();
  store?.database.close();
  store = undefined;
  self.postMessage({ closed: true });
}

self.onmessage = ({ data }: MessageEvent<string | StoreCall | { open: string }>) => {
  if (data === "close") return close();
  if (typeof data === "object" && "open" in data) return open(data.open);
  if (typeof data === "object") calls.push(data);
  schedule();
};
