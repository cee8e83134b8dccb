/**
 * The only SQL of the server: what is asked of the database, one method per question, all synchronous.
 *
 * Runs inside `store_worker.ts`, which groups calls into transactions; so no method opens one itself, and a
 * method that throws is undone alone.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { type EnrolFailure, MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import type { PresenceState } from "./presence.ts";
import { RETENTION } from "./retention.ts";
import type {
  AlertRecord,
  ClientKind,
  ClientRecord,
  EventKind,
  EventRecord,
  FileRecord,
  InviteRecord,
  MessageProgress,
  MessageRecord,
  MessageState,
  NewPush,
  PushRecord,
  PushState,
  ServerFile,
  StateRecord,
} from "./store_record.ts";

/** Rows that one listing returns at most. */
export const MAX_ROWS = 10_000;
/** Files that may wait for one client. */
export const MAX_WAITING_PUSHES = 1_000;
/** Journals of one client of which it is known how far they have been read; a new data directory begins a new one. */
const MAX_JOURNALS = 10;
/** Rows that one call of prune removes at most: a few milliseconds, as everybody waits for it. */
export const PRUNE_ROWS = 1_000;
/** Pages of 4 KiB that one call of vacuum gives back at most, for the same reason. */
export const VACUUM_PAGES = 250;

/** Messages that wait for a client; a classic one sends no receipts, so `sent` is the end for it. */
const WAITING = `message.client = ? AND direction = 'out' AND message.state IN ('queued', 'sent')
  AND NOT (message.state = 'sent' AND client.kind = 'classic')`;

/** A file to a client that it has neither stored nor refused. */
const PUSH_WAITS = "direction = 'out' AND file.state IN ('queued', 'sent')";

/** The states of a message to a client, in the order in which it comes to them. */
const PROGRESS: readonly MessageState[] = ["queued", "sent", "expired", "stored", "shown"];

/** A message's text as bytes: as text, `node:sqlite` would end it at the first NUL. */
const TEXT = "CAST(message.text AS BLOB) AS text_bytes";
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

type Row = Record<string, SQLInputValue>;

/** The tables of one server; see the file's head for how it must be called. */
export class StoreDatabase {
  #database: DatabaseSync;
  #statements = new Map<string, StatementSync>();

  /** Takes an open database with the schema of `store_schema.ts`. */
  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** All clients that are not revoked, by name. */
  clients(): ClientRecord[] {
    return this.#all("SELECT * FROM client WHERE revoked = 0 ORDER BY name COLLATE NOCASE")
      .map(toClient);
  }

  /** One client by id, revoked ones included. */
  client(id: string): ClientRecord | undefined {
    const row = this.#get("SELECT * FROM client WHERE id = ?", id);
    return row && toClient(row);
  }

  /** Records an invite. */
  addInvite(invite: InviteRecord): void {
    this.#run(
      `INSERT INTO invite (id, secret, expires_at, uses_left, name, tags, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      invite.id,
      invite.secret,
      invite.expiresAt,
      invite.usesLeft,
      invite.name ?? null,
      JSON.stringify(invite.tags),
      invite.createdAt,
    );
  }

  /** The secret of an invite, used up and expired ones included. */
  inviteSecret(id: string): Uint8Array | undefined {
    const row = this.#get("SELECT secret FROM invite WHERE id = ?", id);
    return row?.secret as Uint8Array | undefined;
  }

  /** Takes one use of an invite and records the client that showed it, or says why not. */
  enrol(request: {
    invite: string;
    id: string;
    publicKey: Uint8Array;
    name: string | undefined;
    suggestedName: string | undefined;
    now: number;
  }): ClientRecord | EnrolFailure {
    const { id, now } = request;
    const invite = this.#get("SELECT * FROM invite WHERE id = ?", request.invite);
    if (invite === undefined || Number(invite.expires_at) <= now) return "expired";
    if (Number(invite.uses_left) <= 0) return "used";
    const allowed = invite.name as string | null;
    if (allowed !== null && request.name !== undefined && request.name !== allowed) {
      return "wrong_name";
    }
    const name = request.name ?? allowed ?? request.suggestedName ?? `client-${id.slice(0, 8)}`;
    if (!this.#makeNameFree(name, id)) return "name_taken";
    this.#run("UPDATE invite SET uses_left = uses_left - 1 WHERE id = ?", request.invite);
    this.#run(
      `INSERT INTO client (id, name, kind, public_key, tags, state_since, created_at)
       VALUES (?, ?, 'enrolled', ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, revoked = 0, tags = excluded.tags`,
      id,
      name,
      request.publicKey,
      invite.tags ?? "[]",
      now,
      now,
    );
    return this.client(id) ?? "expired";
  }

  /**
   * The record of a client without proof, made when it is new: its id is derived from what it claims.
   * Null when its name belongs to an enrolled client, or the operator has revoked it.
   */
  admitUnverified(peer: { id: string; name: string; kind: ClientKind; now: number }):
    | ClientRecord
    | null {
    const known = this.client(peer.id);
    if (known?.revoked === false) return known;
    let { name } = peer;
    const holder = this.#holderOf(name);
    if (holder !== undefined && peer.kind === "open") return null;
    if (holder === undefined && known !== undefined) return null; // The operator has revoked it.
    if (holder !== undefined) name = `${name}.${peer.kind}`; // An address is nobody's choice.
    this.#run(
      `INSERT INTO client (id, name, kind, state_since, created_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, revoked = 0`,
      peer.id,
      name,
      peer.kind,
      peer.now,
      peer.now,
    );
    return this.client(peer.id) ?? null;
  }

  /** Notes how a client last connected. */
  noteConnected(id: string, how: { app: string; address: string; at: number }): void {
    this.#run(
      "UPDATE client SET app = ?, address = ?, last_seen = ? WHERE id = ?",
      how.app,
      how.address,
      how.at,
      id,
    );
  }

  /** Shuts a client out, by name; its record, or null when there is no such client. */
  revoke(name: string, now: number): ClientRecord | null {
    const row = this.#get(
      "SELECT * FROM client WHERE name = ? COLLATE NOCASE AND revoked = 0",
      name,
    );
    if (row === undefined) return null;
    this.#run("UPDATE client SET revoked = 1 WHERE id = ?", row.id as string);
    this.#run(
      "UPDATE alert SET state = 'resolved', resolved_at = ? WHERE client = ? AND state = 'open'",
      now,
      row.id as string,
    );
    return toClient(row);
  }

  /** Records a change of state, its alert or the end of one, and their lines of the timeline. */
  changeState(change: StateRecord): { alert: number | undefined } {
    const { client, at } = change;
    this.#run(
      `UPDATE client SET state = ?, cause = ?, state_since = ?, last_seen = ?, planned_until = ?
       WHERE id = ?`,
      change.state,
      change.cause ?? null,
      at,
      change.lastSeen,
      change.plannedUntil ?? null,
      client,
    );
    this.#addEvent({ at, client, kind: "state", data: change.data });
    if (change.open) return { alert: this.#openAlert(client, { at, ...change.open }) };
    if (change.resolve) return { alert: this.#resolveAlert(client, at) };
    return { alert: undefined };
  }

  /** Records changes of state in their order, all or none. */
  changeStates(changes: StateRecord[]): void {
    for (const change of changes) this.changeState(change);
  }

  #openAlert(
    client: string,
    alert: { at: number; cause: string; evidence: object },
  ): number | undefined {
    const { at, cause, evidence } = alert;
    const { changes, lastInsertRowid } = this.#run(
      `INSERT INTO alert (kind, client, state, cause, opened_at, evidence)
       VALUES ('down', ?, 'open', ?, ?, ?) ON CONFLICT DO NOTHING`,
      client,
      cause,
      at,
      JSON.stringify(evidence),
    );
    if (changes === 0) return undefined;
    const id = Number(lastInsertRowid);
    this.#addEvent({ at, client, kind: "alert", data: { id, state: "open", cause, evidence } });
    return id;
  }

  #resolveAlert(client: string, at: number): number | undefined {
    const row = this.#get(
      `UPDATE alert SET state = 'resolved', resolved_at = ?
       WHERE client = ? AND kind = 'down' AND state = 'open' RETURNING id, cause, opened_at`,
      at,
      client,
    );
    if (row === undefined) return undefined;
    const id = Number(row.id);
    const data = { id, state: "resolved", cause: row.cause, open_ms: at - Number(row.opened_at) };
    this.#addEvent({ at, client, kind: "alert", data });
    return id;
  }

  /** Stores a message of a client; false when its id has been seen before. */
  receiveMessage(
    message: { id: string; client: string; sentAt: number; at: number; text: string },
  ): boolean {
    // Asked first, since an insertion that comes to nothing still writes the table's sequence, and syncs it.
    const known = this.#get(
      "SELECT 1 FROM message WHERE client = ? AND direction = 'in' AND id = ?",
      message.client,
      message.id,
    );
    if (known !== undefined) return false;
    const { lastInsertRowid } = this.#run(
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
    this.#addEvent({ at: message.at, client: message.client, kind: "message", ref, data: {} });
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
    this.#run(
      `UPDATE message SET state = 'shown', shown_at = ? WHERE client = ? AND direction = 'in'
       AND state = 'stored' AND id IN (SELECT value FROM json_each(?))`,
      at,
      client,
      JSON.stringify(ids),
    );
  }

  /** Messages of a client that were shown and of which it has not been told; at most `limit`, the oldest first. */
  untoldShown(client: string, limit: number): string[] {
    return this.#all(
      `SELECT id FROM message
       WHERE client = ? AND direction = 'in' AND state = 'shown' AND told = 0 ORDER BY seq LIMIT ?`,
      client,
      limit,
    ).map((row) => String(row.id));
  }

  /** Notes that a client was told that these were shown. */
  markShownTold(client: string, ids: string[]): void {
    this.#run(
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
    const waiting = this.#get(
      `SELECT count(*) AS messages, coalesce(sum(length(CAST(text AS BLOB))), 0) AS bytes
       FROM message JOIN client ON client.id = message.client WHERE ${WAITING}`,
      message.client,
    );
    const bytes = new TextEncoder().encode(message.text).length;
    if (
      Number(waiting?.messages) + 1 > MAX_OUTBOX_MESSAGES ||
      Number(waiting?.bytes) + bytes > MAX_OUTBOX_BYTES
    ) return false;
    const { lastInsertRowid } = this.#run(
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
    this.#addEvent({ at: message.at, client: message.client, kind: "message", ref, data: {} });
    return true;
  }

  /** What waits for a client behind a place, oldest first. */
  waitingMessages(
    client: string,
    { afterSeq = 0, limit = MAX_OUTBOX_MESSAGES }: { afterSeq?: number; limit?: number } = {},
  ): MessageRecord[] {
    return this.#all(
      `SELECT message.*, client.name, ${TEXT} FROM message JOIN client ON client.id = message.client
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
    return this.#all(
      `UPDATE message SET state = ?, stored_at = coalesce(stored_at, ?), shown_at = ?
       WHERE client = ? AND direction = 'out' AND id IN (SELECT value FROM json_each(?))
         AND state IN (SELECT value FROM json_each(?))
       RETURNING id, client, ${TEXT}`,
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
    return this.#all(
      `UPDATE message SET state = 'expired' WHERE direction = 'out' AND state IN ('queued', 'sent')
       AND expires_at IS NOT NULL AND expires_at <= ? RETURNING id, client, ${TEXT}`,
      now,
    ).map(toProgress);
  }

  /** The states of messages by id, in the order in which they were queued. */
  messageStates(ids: string[]): { id: string; state: MessageState }[] {
    return this.#all(
      "SELECT id, state FROM message WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq",
      JSON.stringify(ids),
    ).map((row) => ({ id: String(row.id), state: row.state as MessageState }));
  }

  /** Records a published file and its line of the timeline. */
  addFile(file: Omit<FileRecord, "seq" | "clientName">): void {
    const { lastInsertRowid } = this.#insertFile("", file);
    const { at, client, id, name, path, bytes, sha256, state, direction } = file;
    const data = { id, direction, name, path, bytes, sha256, state };
    this.#addEvent({ at, client, kind: "file", ref: Number(lastInsertRowid), data });
  }

  /** Records published files of a manifest without a line each; those on record already stay as they are. */
  addFiles(files: Omit<FileRecord, "seq" | "clientName">[]): void {
    for (const file of files) this.#insertFile("ON CONFLICT (client, id) DO NOTHING", file);
  }

  #insertFile(onConflict: string, file: Omit<FileRecord, "seq" | "clientName">) {
    return this.#run(
      `INSERT INTO file (id, client, direction, name, path, bytes, sha256, state, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ${onConflict}`,
      file.id,
      file.client,
      file.direction,
      file.name,
      file.path,
      file.bytes,
      file.sha256,
      file.state,
      file.at,
    );
  }

  /** The file that a transfer of this client has become; undefined while it has become none. */
  receivedFile(client: string, id: string): FileRecord | undefined {
    const row = this.#get(
      `SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
       WHERE file.client = ? AND file.id = ? AND direction = 'in'`,
      client,
      id,
    );
    return row && toFile(row);
  }

  /** Ids of a client's received files from `first` to `last`, both included. */
  receivedIds(client: string, range: { first: string; last: string }): string[] {
    return this.#all(
      "SELECT id FROM file WHERE client = ? AND id BETWEEN ? AND ? AND direction = 'in'",
      client,
      range.first,
      range.last,
    ).map((row) => String(row.id));
  }

  /** The name of the folder that a manifest of this client has got. */
  folderName(client: string, id: string): string | undefined {
    const row = this.#get("SELECT name FROM folder WHERE client = ? AND id = ?", client, id);
    return row && String(row.name);
  }

  /** Notes which folder a manifest gets, before it is made. */
  addFolder(folder: { client: string; id: string; name: string; at: number }): void {
    this.#run(
      "INSERT INTO folder (client, id, name, at) VALUES (?, ?, ?, ?)",
      folder.client,
      folder.id,
      folder.name,
      folder.at,
    );
  }

  /** Whether a transfer of this client has been published already. */
  hasFile(client: string, id: string): boolean {
    return this.#get(
      "SELECT 1 FROM file WHERE client = ? AND id = ? AND direction = 'in'",
      client,
      id,
    ) !== undefined;
  }

  /** Files, newest last, of one client or all. */
  files(client?: string): FileRecord[] {
    return this.#all(
      `SELECT * FROM (
         SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
         WHERE ?1 IS NULL OR client = ?1 ORDER BY seq DESC LIMIT ?2
       ) ORDER BY seq`,
      client ?? null,
      MAX_ROWS,
    ).map(toFile);
  }

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
    const row = this.#get(
      `SELECT count(*) AS pushes FROM file WHERE client = ? AND ${PUSH_WAITS}`,
      client,
    );
    return Number(row?.pushes);
  }

  #addPush(push: NewPush, at: number): void {
    const { id, client, name, path, content, bytes, sha256 } = push;
    const { lastInsertRowid } = this.#run(
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
    this.#addEvent({ at, client, kind: "file", ref: Number(lastInsertRowid), data });
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
    this.#run(
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
    const row = this.#get(
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
    const row = this.#get(
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
    const other = this.#get(
      `SELECT 1 FROM file WHERE content = ? AND ${PUSH_WAITS}`,
      row.content ?? null,
    );
    const [push] = this.#pushes("seq = ?", Number(row.seq));
    return push && { push, unused: other === undefined };
  }

  /** The copies that somebody waits for who may still come for them. */
  outgoingContents(): string[] {
    return this.#all(
      `SELECT DISTINCT content FROM file JOIN client ON client.id = file.client
       WHERE ${PUSH_WAITS} AND content IS NOT NULL AND client.revoked = 0`,
    ).map((row) => String(row.content));
  }

  #addPushEvent(seq: number, at: number): void {
    const [push] = this.#pushes("seq = ?", seq);
    if (push === undefined) return;
    const { id, client, name, path, bytes, sha256, state, landed, reason } = push;
    const data = { id, direction: "out", name, path, bytes, sha256, state, as: landed, reason };
    this.#addEvent({ at, client, kind: "file", ref: seq, data });
  }

  #pushes(where: string, ...values: SQLInputValue[]): PushRecord[] {
    return this.#all(
      `SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
       WHERE ${where}`,
      ...values,
    ).map(toPush);
  }

  /** Alerts, newest last; only open ones when asked. */
  alerts(onlyOpen: boolean): AlertRecord[] {
    return this.#all(
      `SELECT * FROM (
         SELECT alert.*, client.name AS client_name FROM alert JOIN client ON client.id = alert.client
         WHERE ?1 = 0 OR alert.state = 'open' ORDER BY alert.id DESC LIMIT ?2
       ) ORDER BY id`,
      onlyOpen ? 1 : 0,
      MAX_ROWS,
    ).map(toAlert);
  }

  /** Adds lines to the timeline; a heartbeat is also when its client was last seen. */
  addEvents(events: Omit<EventRecord, "seq" | "clientName" | "message">[]): void {
    for (const event of events) {
      this.#addEvent(event);
      if (event.kind !== "beat" || event.client === undefined) continue;
      this.#run(
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
    return this.#all(
      `SELECT * FROM (
         SELECT event.*, client.name AS client_name, message.id AS message_id, message.direction,
           ${TEXT}, message.state AS message_state, message.expires_at, message.stored_at,
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
    const row = this.#get(
      "SELECT seq FROM journal WHERE client = ? AND journal = ?",
      client,
      journal,
    );
    let last = row === undefined ? -1 : Number(row.seq);
    let added = 0;
    for (const { seq, at, data } of entries) {
      if (seq <= last) continue;
      this.#addEvent({ at, client, kind: "journal", data });
      last = seq;
      added++;
    }
    if (added === 0) return 0;
    this.#run(
      `INSERT INTO journal (client, journal, seq, at) VALUES (?, ?, ?, ?)
       ON CONFLICT (client, journal) DO UPDATE SET seq = excluded.seq, at = excluded.at`,
      client,
      journal,
      last,
      at,
    );
    this.#run(
      `DELETE FROM journal WHERE client = ?1 AND journal NOT IN
         (SELECT journal FROM journal WHERE client = ?1 ORDER BY at DESC LIMIT ?2)`,
      client,
      MAX_JOURNALS,
    );
    return added;
  }

  /** Removes what is past its time, a bounded part of it; the number of rows removed. */
  prune(now: number): number {
    let left = PRUNE_ROWS;
    for (const { keepMs, sql } of RETENTION) {
      if (left > 0) left -= Number(this.#run(sql, now - keepMs, left).changes);
    }
    return PRUNE_ROWS - left;
  }

  /** Gives space that nothing stands in any more back to the disk, a bounded part of it; the pages given back. */
  vacuum(): number {
    const before = this.#freePages();
    this.#all(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    return before - this.#freePages();
  }

  #freePages(): number {
    return Number(this.#get("PRAGMA freelist_count")?.freelist_count);
  }

  /** Keeps files of the server in this database: in a backup, never in the live one. */
  keepServerFiles(files: ServerFile[]): void {
    for (const { name, content } of files) {
      this.#run("INSERT OR REPLACE INTO server_file (name, content) VALUES (?, ?)", name, content);
    }
  }

  /** The files of the server that stand in this database, as they do after a backup has been put into its place. */
  serverFiles(): ServerFile[] {
    return this.#all("SELECT name, content FROM server_file")
      .map(({ name, content }) => ({ name: String(name), content: String(content) }));
  }

  /** Removes them: they stand in the data directory now. */
  dropServerFiles(): void {
    this.#run("DELETE FROM server_file");
  }

  #holderOf(name: string): Row | undefined {
    return this.#get("SELECT * FROM client WHERE name = ? COLLATE NOCASE AND revoked = 0", name);
  }

  /** An unverified holder gives its name up; an enrolled one keeps it. */
  #makeNameFree(name: string, id: string): boolean {
    const holder = this.#holderOf(name);
    if (holder === undefined || holder.id === id) return true;
    if (holder.kind === "enrolled") return false;
    this.#run("UPDATE client SET revoked = 1 WHERE id = ?", holder.id ?? null);
    return true;
  }

  #addEvent(event: Omit<EventRecord, "seq" | "clientName" | "message">): void {
    this.#run(
      "INSERT INTO event (at, client, kind, ref, data) VALUES (?, ?, ?, ?, ?)",
      event.at,
      event.client ?? null,
      event.kind,
      event.ref ?? null,
      JSON.stringify(event.data),
    );
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }
}

function toClient(row: Row): ClientRecord {
  return {
    id: String(row.id),
    name: String(row.name),
    kind: row.kind as ClientKind,
    publicKey: row.public_key === null ? undefined : new Uint8Array(row.public_key as Uint8Array),
    revoked: row.revoked === 1,
    tags: JSON.parse(String(row.tags)),
    app: String(row.app),
    address: String(row.address),
    state: row.state as PresenceState,
    cause: (row.cause as string | null) ?? undefined,
    stateSince: Number(row.state_since),
    lastSeen: row.last_seen === null ? undefined : Number(row.last_seen),
    plannedUntil: row.planned_until === null ? undefined : Number(row.planned_until),
  };
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
    text: decoder.decode(row.text_bytes as Uint8Array),
    state: row.state as MessageState,
  };
}

function toProgress(row: Row): MessageProgress {
  const text = decoder.decode(row.text_bytes as Uint8Array);
  return { id: String(row.id), client: String(row.client), text };
}

function toFile(row: Row): FileRecord {
  return {
    seq: Number(row.seq),
    id: String(row.id),
    client: String(row.client),
    clientName: String(row.client_name),
    direction: row.direction as "in" | "out",
    name: String(row.name),
    path: String(row.path),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    state: String(row.state),
    at: Number(row.at),
    ...(row.landed === null ? {} : { landed: String(row.landed) }),
    ...(row.reason === null ? {} : { reason: String(row.reason) }),
  };
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

function toAlert(row: Row): AlertRecord {
  return {
    id: Number(row.id),
    kind: String(row.kind),
    clientName: String(row.client_name),
    state: row.state as "open" | "resolved",
    cause: String(row.cause),
    openedAt: Number(row.opened_at),
    resolvedAt: row.resolved_at === null ? undefined : Number(row.resolved_at),
    evidence: JSON.parse(String(row.evidence)),
  };
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
      text: decoder.decode(row.text_bytes as Uint8Array),
      state: row.message_state as MessageState,
      expiresAt: time(row.expires_at),
      storedAt: time(row.stored_at),
      shownAt: time(row.shown_at),
    },
  };
}

function time(value: SQLInputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
