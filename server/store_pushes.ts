/**
 * What the server's database is asked about files that wait for clients, or have waited.
 *
 * @module
 */

import { StoreFiles } from "./store_files.ts";
import type { NewPush, PushRecord, PushState } from "./store_record.ts";
import type { Row, SqlValue } from "./store_statements.ts";

/** Files that may wait for one client. */
export const MAX_WAITING_PUSHES = 1_000;

/** A file to a client that it has neither stored nor refused. */
const PUSH_WAITS = "direction = 'out' AND file.state IN ('queued', 'sent')";

/** The files to clients, beside the tables of `store_files.ts`. */
export class StorePushes extends StoreFiles {
  /** Queues files for clients; the ids of those whose client's queue has room. */
  queuePushes({ pushes, at }: { pushes: NewPush[]; at: number }): string[] {
    const waiting = new Map<string, number>();
    const queued: string[] = [];
    for (const push of pushes) {
      const count = waiting.get(push.client) ?? this.#countPushes(push.client);
      waiting.set(push.client, count + 1);
      if (count >= MAX_WAITING_PUSHES) continue;
      this.#addPush(push, at);
      queued.push(push.id);
    }
    return queued;
  }

  /** Those of some clients for whom no further file can be queued. */
  fullPushQueues(clients: string[]): string[] {
    return clients.filter((client) => this.#countPushes(client) >= MAX_WAITING_PUSHES);
  }

  /** Ends the wait of everything for a client that is shut out; the copies that nobody waits for any more. */
  dropPushes(client: string, { reason, at }: { reason: string; at: number }): string[] {
    const waiting = this.waitingPushes(client, MAX_WAITING_PUSHES);
    const ended = waiting.map(({ id }) =>
      this.settlePush(client, { id, state: "refused", reason, at })
    );
    return ended.flatMap((end) => end?.unused ? [end.push.content] : []);
  }

  #countPushes(client: string): number {
    const row = this.get(
      `SELECT count(*) AS pushes FROM file WHERE client = ? AND ${PUSH_WAITS}`,
      client,
    );
    return Number(row?.pushes);
  }

  #addPush(push: NewPush, at: number): void {
    const { id, client, name, path, content, bytes, sha256 } = push;
    const { lastInsertRowid } = this.run(
      `INSERT INTO file (id, client, direction, name, path, bytes, sha256, state, at, content)
       VALUES (?, ?, 'out', ?, ?, ?, ?, 'queued', ?, ?)`,
      id,
      client,
      name,
      path,
      bytes,
      sha256,
      at,
      content,
    );
    const data = { id, direction: "out", name, path, bytes, sha256, state: "queued" };
    this.addEvent({ at, client, kind: "file", ref: Number(lastInsertRowid), data });
  }

  /** The files that wait for a client, oldest first, at most `limit` of them. */
  waitingPushes(client: string, limit: number): PushRecord[] {
    return this.#pushes(`client = ? AND ${PUSH_WAITS} ORDER BY seq LIMIT ?`, client, limit);
  }

  /** A file that waits for this client. */
  waitingPush(client: string, id: string): PushRecord | undefined {
    return this.#pushes(`client = ? AND file.id = ? AND ${PUSH_WAITS}`, client, id).at(0);
  }

  /** Files to clients by id, whatever their state. */
  pushStates(ids: string[]): PushRecord[] {
    return this.#pushes(
      "direction = 'out' AND file.id IN (SELECT value FROM json_each(?)) ORDER BY seq",
      JSON.stringify(ids),
    );
  }

  /** Notes that waiting files have been announced to their client. */
  markPushesSent(client: string, { ids, at }: { ids: string[]; at: number }): void {
    this.run(
      `UPDATE file SET state = 'sent', at = ? WHERE client = ? AND direction = 'out'
       AND state = 'queued' AND id IN (SELECT value FROM json_each(?))`,
      at,
      client,
      JSON.stringify(ids),
    );
  }

  /** Notes why a client cannot take a file yet; its timeline is told when the reason is a new one. */
  postponePush(client: string, how: { id: string; reason: string; at: number }): void {
    const { id, reason, at } = how;
    const push = this.waitingPush(client, id);
    if (push === undefined) return;
    const row = this.get(
      `UPDATE file SET state = 'queued', reason = ?, at = ? WHERE client = ? AND id = ?
       RETURNING seq`,
      reason,
      at,
      client,
      id,
    );
    if (push.reason !== reason) this.#addPushEvent(Number(row?.seq), at);
  }

  /**
   * Ends the wait of a file: the client has stored or refused it. Undefined when it does not wait; `unused` when
   * nobody else waits for the same copy.
   */
  settlePush(
    client: string,
    end: { id: string; state: PushState; landed?: string; reason?: string; at: number },
  ): { push: PushRecord; unused: boolean } | undefined {
    const row = this.get(
      `UPDATE file SET state = ?, landed = ?, reason = ?, at = ?
       WHERE client = ? AND id = ? AND ${PUSH_WAITS} RETURNING seq, content`,
      end.state,
      end.landed ?? null,
      end.reason ?? null,
      end.at,
      client,
      end.id,
    );
    if (row === undefined) return undefined;
    this.#addPushEvent(Number(row.seq), end.at);
    const other = this.get(
      `SELECT 1 FROM file WHERE content = ? AND ${PUSH_WAITS}`,
      row.content ?? null,
    );
    const [push] = this.#pushes("seq = ?", Number(row.seq));
    return push && { push, unused: other === undefined };
  }

  /** The copies that somebody waits for who may still come for them. */
  outgoingContents(): string[] {
    return this.all(
      `SELECT DISTINCT content FROM file JOIN client ON client.id = file.client
       WHERE ${PUSH_WAITS} AND content IS NOT NULL AND client.revoked = 0`,
    ).map((row) => String(row.content));
  }

  #addPushEvent(seq: number, at: number): void {
    const [push] = this.#pushes("seq = ?", seq);
    if (push === undefined) return;
    const { id, client, name, path, bytes, sha256, state, landed, reason } = push;
    const data = { id, direction: "out", name, path, bytes, sha256, state, as: landed, reason };
    this.addEvent({ at, client, kind: "file", ref: seq, data });
  }

  #pushes(where: string, ...values: SqlValue[]): PushRecord[] {
    return this.all(
      `SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
       WHERE ${where}`,
      ...values,
    ).map(toPush);
  }
}

function toPush(row: Row): PushRecord {
  return {
    id: String(row.id),
    client: String(row.client),
    clientName: String(row.client_name),
    name: String(row.name),
    path: String(row.path),
    content: String(row.content),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    state: row.state as PushState,
    landed: (row.landed as string | null) ?? undefined,
    reason: (row.reason as string | null) ?? undefined,
    at: Number(row.at),
  };
}
