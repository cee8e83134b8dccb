/**
 * What the server's database is asked about messages of and to clients.
 *
 * @module
 */

import { MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import { StoreClients } from "./store_clients.ts";
import type { MessageProgress, MessageRecord, MessageState } from "./store_record.ts";
import { MESSAGE_TEXT, messageText, type Row } from "./store_statements.ts";

/** Messages that wait for a client; a classic one sends no receipts, so `sent` is the end for it. */
const WAITING = `message.client = ? AND direction = 'out' AND message.state IN ('queued', 'sent')
  AND NOT (message.state = 'sent' AND client.kind = 'classic')`;

/** The states of a message to a client, in the order in which it comes to them. */
const PROGRESS: readonly MessageState[] = ["queued", "sent", "expired", "stored", "shown"];

/** The table of messages, beside those of clients. */
export class StoreMessages extends StoreClients {
  /** Stores a message of a client; false when its id has been seen before. */
  receiveMessage(
    message: { id: string; client: string; sentAt: number; at: number; text: string },
  ): boolean {
    // Asked first, since an insertion that comes to nothing still writes the table's sequence, and syncs it.
    const known = this.get(
      "SELECT 1 FROM message WHERE client = ? AND direction = 'in' AND id = ?",
      message.client,
      message.id,
    );
    if (known !== undefined) return false;
    const { lastInsertRowid } = this.run(
      `INSERT INTO message (id, client, direction, sent_at, at, text, state, stored_at)
       VALUES (?, ?, 'in', ?, ?, ?, 'stored', ?)`,
      message.id,
      message.client,
      message.sentAt,
      message.at,
      message.text,
      message.at,
    );
    const ref = Number(lastInsertRowid);
    this.addEvent({ at: message.at, client: message.client, kind: "message", ref, data: {} });
    return true;
  }

  /** Stores messages of one client in their order, all or none; the ids that have not been seen before. */
  receiveMessages(
    client: string,
    { messages, at }: { messages: { id: string; sentAt: number; text: string }[]; at: number },
  ): string[] {
    return messages.filter((message) => this.receiveMessage({ ...message, client, at }))
      .map(({ id }) => id);
  }

  /** Notes that messages of a client were shown to the operator. */
  markIncomingShown(client: string, { ids, at }: { ids: string[]; at: number }): void {
    this.run(
      `UPDATE message SET state = 'shown', shown_at = ? WHERE client = ? AND direction = 'in'
       AND state = 'stored' AND id IN (SELECT value FROM json_each(?))`,
      at,
      client,
      JSON.stringify(ids),
    );
  }

  /** Messages of a client that were shown and of which it has not been told; at most `limit`, the oldest first. */
  untoldShown(client: string, limit: number): string[] {
    return this.all(
      `SELECT id FROM message
       WHERE client = ? AND direction = 'in' AND state = 'shown' AND told = 0 ORDER BY seq LIMIT ?`,
      client,
      limit,
    ).map((row) => String(row.id));
  }

  /** Notes that a client was told that these were shown. */
  markShownTold(client: string, ids: string[]): void {
    this.run(
      `UPDATE message SET told = 1 WHERE client = ? AND direction = 'in' AND state = 'shown'
       AND id IN (SELECT value FROM json_each(?))`,
      client,
      JSON.stringify(ids),
    );
  }

  /** Queues a message for a client; false when its queue is full. */
  queueMessage(
    message: {
      id: string;
      client: string;
      at: number;
      text: string;
      /** When it is no longer to be delivered; undefined for never. */
      expiresAt?: number | undefined;
    },
  ): boolean {
    const waiting = this.get(
      `SELECT count(*) AS messages, coalesce(sum(length(CAST(text AS BLOB))), 0) AS bytes
       FROM message JOIN client ON client.id = message.client WHERE ${WAITING}`,
      message.client,
    );
    const bytes = new TextEncoder().encode(message.text).length;
    if (
      Number(waiting?.messages) + 1 > MAX_OUTBOX_MESSAGES ||
      Number(waiting?.bytes) + bytes > MAX_OUTBOX_BYTES
    ) return false;
    const { lastInsertRowid } = this.run(
      `INSERT INTO message (id, client, direction, sent_at, at, text, state, expires_at)
       VALUES (?, ?, 'out', ?, ?, ?, 'queued', ?)`,
      message.id,
      message.client,
      message.at,
      message.at,
      message.text,
      message.expiresAt ?? null,
    );
    const ref = Number(lastInsertRowid);
    this.addEvent({ at: message.at, client: message.client, kind: "message", ref, data: {} });
    return true;
  }

  /** What waits for a client behind a place, oldest first. */
  waitingMessages(
    client: string,
    { afterSeq = 0, limit = MAX_OUTBOX_MESSAGES }: { afterSeq?: number; limit?: number } = {},
  ): MessageRecord[] {
    return this.all(
      `SELECT message.*, client.name, ${MESSAGE_TEXT} FROM message JOIN client ON client.id = message.client
       WHERE ${WAITING} AND seq > ? ORDER BY seq LIMIT ?`,
      client,
      afterSeq,
      limit,
    ).map(toMessage);
  }

  /** Notes how far messages to a client have come; never backwards. Returns those that changed. */
  markMessages(
    client: string,
    { ids, state, at }: { ids: string[]; state: MessageState; at: number },
  ): MessageProgress[] {
    const earlier = JSON.stringify(PROGRESS.slice(0, PROGRESS.indexOf(state)));
    const [storedAt, shownAt] = [state === "stored" || state === "shown", state === "shown"]
      .map((reached) => reached ? at : null);
    return this.all(
      `UPDATE message SET state = ?, stored_at = coalesce(stored_at, ?), shown_at = ?
       WHERE client = ? AND direction = 'out' AND id IN (SELECT value FROM json_each(?))
         AND state IN (SELECT value FROM json_each(?))
       RETURNING id, client, ${MESSAGE_TEXT}`,
      state,
      storedAt ?? null,
      shownAt ?? null,
      client,
      JSON.stringify(ids),
      earlier,
    ).map(toProgress);
  }

  /** Ends the wait of messages whose time is over; those. */
  expireMessages(now: number): MessageProgress[] {
    return this.all(
      `UPDATE message SET state = 'expired' WHERE direction = 'out' AND state IN ('queued', 'sent')
       AND expires_at IS NOT NULL AND expires_at <= ? RETURNING id, client, ${MESSAGE_TEXT}`,
      now,
    ).map(toProgress);
  }

  /** The states of messages by id, in the order in which they were queued. */
  messageStates(ids: string[]): { id: string; state: MessageState }[] {
    return this.all(
      "SELECT id, state FROM message WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq",
      JSON.stringify(ids),
    ).map((row) => ({ id: String(row.id), state: row.state as MessageState }));
  }
}

function toMessage(row: Row): MessageRecord {
  return {
    seq: Number(row.seq),
    id: String(row.id),
    client: String(row.client),
    clientName: String(row.name),
    direction: row.direction as "in" | "out",
    sentAt: Number(row.sent_at),
    at: Number(row.at),
    text: messageText(row),
    state: row.state as MessageState,
  };
}

function toProgress(row: Row): MessageProgress {
  const text = messageText(row);
  return { id: String(row.id), client: String(row.client), text };
}
