/**
 * The worker in which one backup is made: message in, backup made, answer out. See `backup.ts`.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { openDatabase, SQLITE_FULL, sqliteCode } from "../platform/database.ts";
import { copyDatabase } from "../platform/database_copy.ts";
import type { BackupReply, BackupRequest } from "./backup.ts";
import { StoreDatabase } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

async function make({ from, to, files }: BackupRequest): Promise<BackupReply> {
  try {
    await copyDatabase(from, to);
    using copy = openDatabase(to, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
    new StoreDatabase(copy).keepServerFiles(files);
    return { made: true };
  } catch (error) {
    const { message, cause } = error as Error;
    return { made: false, message, full: sqliteCode(cause ?? error) === SQLITE_FULL };
  }
}

self.onmessage = async ({ data }: MessageEvent<BackupRequest>) => {
  self.postMessage(await make(data));
};
