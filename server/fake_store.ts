/**
 * The server's tables in memory, for tests, and what tests put into them.
 *
 * @module
 */

import { IN_MEMORY, openDatabase } from "../platform/database.ts";
import { StoreDatabase } from "./store_database.ts";
import type { ClientRecord, NewPush } from "./store_record.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

/** The time of these tests, in milliseconds since 1970. */
export const NOW = 1_763_800_000_000;
/** In milliseconds. */
export const HOUR = 3_600_000;
/** In milliseconds. */
export const DAY = 24 * HOUR;

/** A store in memory that ends with its block. */
export function openFakeStore(): { store: StoreDatabase } & Disposable {
  const database = openDatabase(IN_MEMORY, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
  return { store: new StoreDatabase(database), [Symbol.dispose]: () => database.close() };
}

/** A key of 32 such bytes. */
export function key(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

/** How {@linkcode invite} invites. */
export interface InviteOptions {
  name?: string;
  tags?: string[];
  uses?: number;
  expiresAt?: number;
}

/** Puts an invite on record, for one use within the hour. */
export function invite(store: StoreDatabase, id: string, options: InviteOptions = {}): void {
  const { name, tags = [], uses = 1, expiresAt = NOW + HOUR } = options;
  const secret = key(9);
  store.addInvite({ id, secret, expiresAt, usesLeft: uses, name, tags, createdAt: NOW });
}

/** Enrols the client `id`, by default under the name `till-1` of an invite of its own. */
export function enrol(
  store: StoreDatabase,
  id: string,
  how: { invite?: string; name?: string; suggestedName?: string; now?: number } = {},
) {
  const own = crypto.randomUUID();
  if (how.invite === undefined) invite(store, own);
  return store.enrol({
    invite: how.invite ?? own,
    id,
    publicKey: key(1),
    name: how.invite === undefined ? how.name ?? "till-1" : how.name,
    suggestedName: how.suggestedName,
    now: how.now ?? NOW,
  });
}

/** The record of a client that has joined under this name. */
export function enrolled(store: StoreDatabase, id: string, name: string): ClientRecord {
  const record = enrol(store, id, { name });
  if (typeof record === "string") throw new Error(record);
  return record;
}

/** Queues a message for a client; false when its queue is full. */
export function queue(
  store: StoreDatabase,
  client: string,
  text: string,
  id: string = crypto.randomUUID(),
) {
  return store.queueMessage({ id, client, at: NOW, text });
}

/** A file that a client has sent. */
export function file(id: string, client: string) {
  return {
    id,
    client,
    direction: "in" as const,
    name: "a.txt",
    path: `/srv/hb/${client}/a.txt`,
    bytes: 5,
    sha256: "0".repeat(64),
    state: "stored",
    at: NOW,
  };
}

/** A file to push; its copy is `content`. */
export function pushOf(id: string, client: string, content = "c1"): NewPush {
  return {
    id,
    client,
    name: "a.txt",
    path: "/op/a.txt",
    content,
    bytes: 5,
    sha256: "0".repeat(64),
  };
}
