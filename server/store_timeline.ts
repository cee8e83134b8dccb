/**
 * What the server's database is asked about the timeline, and about the journals of clients that become part of it.
 *
 * @module
 */

import { StorePushes } from "./store_pushes.ts";
import type { EventKind, EventRecord, MessageState } from "./store_record.ts";
import {
  MAX_ROWS,
  MESSAGE_TEXT,
  messageText,
  type NewEvent,
  type Row,
  type SqlValue,
} from "./store_statements.ts";

/** Journals of one client of which it is known how far they have been read; a new data directory begins a new one. */
const MAX_JOURNALS = 10;

/** The tables of the timeline and of journals, beside those of `store_pushes.ts`. */
export class StoreTimeline extends StorePushes {
  /** Adds lines to the timeline; a heartbeat is also when its client was last seen. */
  addEvents(events: NewEvent[]): void {
    for (const event of events) {
      this.addEvent(event);
      if (event.kind !== "beat" || event.client === undefined) continue;
      this.run(
        "UPDATE client SET last_seen = max(coalesce(last_seen, 0), ?) WHERE id = ?",
        event.at,
        event.client,
      );
    }
  }

  /**
   * The timeline: the newest lines that fit the filter, in the order of what they tell of; or, with `afterSeq`,
   * those that were written after it, in the order in which they were.
   */
  events(filter: {
    client?: string | undefined;
    kinds?: EventKind[] | undefined;
    since?: number | undefined;
    afterSeq?: number | undefined;
  }): EventRecord[] {
    return this.all(
      `SELECT * FROM (
         SELECT event.*, client.name AS client_name, message.id AS message_id, message.direction,
           ${MESSAGE_TEXT}, message.state AS message_state, message.expires_at, message.stored_at,
           message.shown_at
         FROM event LEFT JOIN client ON client.id = event.client
           LEFT JOIN message ON event.kind = 'message' AND message.seq = event.ref
         WHERE (?1 IS NULL OR event.client = ?1)
           AND (?2 IS NULL OR event.kind IN (SELECT value FROM json_each(?2)))
           AND event.at >= ?3 AND event.seq > ?4
         ORDER BY event.seq DESC LIMIT ?5
       ) ORDER BY ${filter.afterSeq === undefined ? "at, seq" : "seq"}`,
      filter.client ?? null,
      filter.kinds === undefined ? null : JSON.stringify(filter.kinds),
      filter.since ?? 0,
      filter.afterSeq ?? 0,
      MAX_ROWS,
    ).map(toEvent);
  }

  /**
   * Adds the entries of a client's journal that are not in its timeline yet; how many were new. `seq` numbers
   * them within `journal` and must rise.
   */
  addJournal(
    client: string,
    { journal, at, entries }: {
      journal: string;
      at: number;
      entries: { seq: number; at: number; data: object }[];
    },
  ): number {
    const row = this.get(
      "SELECT seq FROM journal WHERE client = ? AND journal = ?",
      client,
      journal,
    );
    let last = row === undefined ? -1 : Number(row.seq);
    let added = 0;
    for (const { seq, at, data } of entries) {
      if (seq <= last) continue;
      this.addEvent({ at, client, kind: "journal", data });
      last = seq;
      added++;
    }
    if (added === 0) return 0;
    this.run(
      `INSERT INTO journal (client, journal, seq, at) VALUES (?, ?, ?, ?)
       ON CONFLICT (client, journal) DO UPDATE SET seq = excluded.seq, at = excluded.at`,
      client,
      journal,
      last,
      at,
    );
    this.run(
      `DELETE FROM journal WHERE client = ?1 AND journal NOT IN
         (SELECT journal FROM journal WHERE client = ?1 ORDER BY at DESC LIMIT ?2)`,
      client,
      MAX_JOURNALS,
    );
    return added;
  }
}

function toEvent(row: Row): EventRecord {
  return {
    seq: Number(row.seq),
    at: Number(row.at),
    client: (row.client as string | null) ?? undefined,
    clientName: (row.client_name as string | null) ?? undefined,
    kind: row.kind as EventKind,
    data: JSON.parse(String(row.data)),
    message: row.message_id === null ? undefined : {
      id: String(row.message_id),
      direction: row.direction as "in" | "out",
      text: messageText(row),
      state: row.message_state as MessageState,
      expiresAt: time(row.expires_at),
      storedAt: time(row.stored_at),
      shownAt: time(row.shown_at),
    },
  };
}

function time(value: SqlValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
