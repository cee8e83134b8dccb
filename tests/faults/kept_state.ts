/**
 * What both programs have on their disks, read past them: their databases, read-only, and the folders of received
 * files.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MAX_INBOX_MESSAGES } from "../../client/store.ts";
import { sha256 } from "../sample_file.ts";
import type { KnownFile } from "./history.ts";

/** What a server keeps of one client. */
export interface ServerState {
  /** Texts of the client's messages, in their order. */
  received: string[];
  /** Messages that the timeline does not show exactly once. */
  unlisted: number;
  alerts: { openedAt: number; cause: string }[];
  /** Entries of the client's journal, in the order of the timeline. */
  journal: string[];
}

/** What a client noted in its journal, in its order, and how much of that the server is known to have. */
export interface JournalState {
  noted: string[];
  sent: string[];
}

/** The inbox of a client at a moment: it forgets the oldest messages once it holds enough. */
export class InboxMemory {
  readonly #data: string;
  readonly #texts = new Map<number, string>();

  /** Takes the client's data directory. */
  constructor(data: string) {
    this.#data = data;
  }

  /**
   * Looks at it now. What was there at the last look counts as forgotten, and is kept in mind, where it stood
   * before everything that a full inbox holds; anything else that is gone is gone.
   */
  look(): void {
    // A client that died young has no database yet, or one without tables.
    if (!existsSync(clientDatabase(this.#data))) return;
    using database = new DatabaseSync(clientDatabase(this.#data), { readOnly: true });
    if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'inbox'").get() === undefined) {
      return;
    }
    const rows = database.prepare(`SELECT seq, ${TEXT} FROM inbox ORDER BY seq`).all();
    const [first, last] = [Number(rows[0]?.seq ?? 0), Number(rows.at(-1)?.seq ?? 0)];
    const isFull = last - first + 1 >= MAX_INBOX_MESSAGES;
    for (const seq of [...this.#texts.keys()]) {
      if (!isFull || seq >= first) this.#texts.delete(seq);
    }
    for (const row of rows) this.#texts.set(Number(row.seq), textOf(row));
  }

  /** Texts of the server's messages, in their order. */
  get received(): string[] {
    return [...this.#texts].toSorted(([one], [other]) => one - other).map(([, text]) => text);
  }
}

const TEXT = "CAST(text AS BLOB) AS bytes";
const decoder = new TextDecoder();

/** Path of a server's database in its data directory. */
export function serverDatabase(data: string): string {
  return join(data, "hbserver.sqlite");
}

/** Path of a client's database in its data directory. */
export function clientDatabase(data: string): string {
  return join(data, "client.sqlite");
}

/** What the server with this data directory keeps; it may be running. */
export function serverState(data: string): ServerState {
  using database = new DatabaseSync(serverDatabase(data), { readOnly: true });
  const count = (sql: string) => Number(database.prepare(sql).get()?.n);
  return {
    received: database.prepare(`SELECT ${TEXT} FROM message WHERE direction = 'in' ORDER BY seq`)
      .all().map(textOf),
    unlisted: count(
      `SELECT count(*) AS n FROM message LEFT JOIN (
         SELECT ref, count(*) AS lines FROM event WHERE kind = 'message' GROUP BY ref
       ) AS listed ON listed.ref = message.seq WHERE coalesce(lines, 0) <> 1`,
    ),
    alerts: database.prepare("SELECT opened_at, cause FROM alert ORDER BY id").all()
      .map((row) => ({ openedAt: Number(row.opened_at), cause: String(row.cause) })),
    journal: numbered(
      database.prepare("SELECT data FROM event WHERE kind = 'journal' ORDER BY seq").all()
        .map((row) => JSON.parse(String(row.data)))
        .map((entry) => `${entry.event} of ${entry.client_at}`),
    ),
  };
}

/** How many messages and files of the server with this data directory wait for clients; it may be running. */
export function waitingOfServer(data: string): number {
  using database = new DatabaseSync(serverDatabase(data), { readOnly: true });
  const away = "direction = 'out' AND state IN ('queued', 'sent')";
  return Number(
    database.prepare(
      `SELECT (SELECT count(*) FROM message WHERE ${away}) +
         (SELECT count(*) FROM file WHERE ${away}) AS n`,
    ).get()?.n,
  );
}

/** How many messages of the client with this data directory wait for the server; it may be running. */
export function waitingOfClient(data: string): number {
  using database = new DatabaseSync(clientDatabase(data), { readOnly: true });
  return Number(database.prepare("SELECT count(*) AS n FROM outbox").get()?.n);
}

/** The journal of the client with this data directory. */
export function journalOfClient(data: string): JournalState {
  using database = new DatabaseSync(clientDatabase(data), { readOnly: true });
  const rows = database.prepare("SELECT at, event, sent FROM journal ORDER BY seq").all();
  const noted = numbered(
    rows.map((row) => `${row.event} of ${new Date(Number(row.at)).toISOString()}`),
  );
  return { noted, sent: noted.filter((_, index) => rows[index]?.sent === 1) };
}

/** What `PRAGMA integrity_check` says of a database that nobody uses: `ok`, or what is damaged. */
export function integrity(path: string): string {
  using database = new DatabaseSync(path);
  const rows = database.prepare("PRAGMA integrity_check").all();
  return rows.map((row) => String(row.integrity_check)).join("; ");
}

/** The files under their final names in a folder; none where it does not exist. */
export async function publishedFiles(folder: string): Promise<KnownFile[]> {
  const found: KnownFile[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile) continue;
      found.push({ name, sha256: sha256(await Deno.readFile(join(folder, name))) });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // Nothing has been received.
  }
  return found;
}

function textOf(row: Record<string, unknown>): string {
  return decoder.decode(row.bytes as Uint8Array);
}

/** The texts, each that is there again with a number behind it. */
function numbered(texts: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return texts.map((text) => {
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    return count === 1 ? text : `${text} (${count})`;
  });
}
