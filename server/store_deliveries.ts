/**
 * What the server's database is asked about notices, and about what is owed to the channels because of them.
 *
 * @module
 */

import type {
  DeliveryRecord,
  DeliveryState,
  DueDelivery,
  FailedAttempt,
  NewDelivery,
  PlannedNotice,
  Settlement,
} from "./alert/delivery.ts";
import type { Notice, NoticeKind, Severity } from "./alert/notice.ts";
import { MAX_ROWS, type Row, type SqlValue } from "./store_statements.ts";
import { StoreTimeline } from "./store_timeline.ts";

/** Deliveries of one channel that are looked at together at most. */
export const MAX_OWED = 100;
/** Channels with `after` are told at once when every other one has failed so often. */
export const FAILOVER_ATTEMPTS = 3;

const RECORD_COLUMNS =
  `delivery.*, notice.kind, notice.severity, notice.at, notice.alert, notice.cause,
  notice.clients, notice.tags, notice.title, notice.words`;
const IS_OWED = "state IN ('waiting', 'deferred')";

/** The tables of notices and deliveries, beside those of `store_timeline.ts`. */
export class StoreDeliveries extends StoreTimeline {
  /**
   * Writes a notice and what is owed because of it; nothing when it is there already. A recovery ends what still waited for
   * somebody to take care of its alert, an update takes its place.
   */
  addNotice({ notice, deliveries }: PlannedNotice): void {
    if (deliveries.length > 0 && !this.#insertNotice(notice)) return;
    const planned = new Set(deliveries.map(({ channel }) => channel));
    for (const delivery of deliveries) this.#owe(notice, delivery);
    if (notice.kind !== "recovery" || notice.alert === undefined) return;
    // Also of channels that are not configured any more.
    for (const row of this.#escalationsOf(notice.alert)) {
      if (!planned.has(String(row.channel))) this.#skip(row, "over before its time", notice.at);
    }
  }

  /** What is owed to a channel, in the order in which it is due, with what is deferred. */
  owedDeliveries(channel: string): DueDelivery[] {
    return this.all(
      `SELECT ${RECORD_COLUMNS} FROM delivery JOIN notice ON notice.id = delivery.notice
       WHERE channel = ? AND ${IS_OWED} ORDER BY due_at, seq LIMIT ?`,
      channel,
      MAX_OWED,
    ).map(toDue);
  }

  /** Lets a delivery begin that waited for somebody to take care of its alert; false when it is not owed any more. */
  beginDelivery(seq: number): boolean {
    return this.run(
      `UPDATE delivery SET escalates = 0 WHERE seq = ? AND state = 'waiting'`,
      seq,
    ).changes > 0;
  }

  /** Notes that a try was in vain; the channels that are to be told at once because no other one takes it. */
  noteAttempt({ seq, at, why, nextTryAt, refused }: FailedAttempt): string[] {
    this.run(
      `UPDATE delivery SET attempts = attempts + 1, why = ?, next_try_at = ?, refused = ?
       WHERE seq = ? AND state = 'waiting'`,
      why,
      nextTryAt,
      refused ? 1 : 0,
      seq,
    );
    return this.#failOver(seq, at);
  }

  /** Notes how a delivery has ended; the channels that are to be told at once because no other one takes it. */
  settleDelivery({ seq, state, at, tried, why }: Settlement): string[] {
    this.run(
      `UPDATE delivery SET state = ?, settled_at = ?, why = ?, attempts = attempts + ?
       WHERE seq = ? AND ${IS_OWED}`,
      state,
      at,
      why ?? null,
      tried ? 1 : 0,
      seq,
    );
    return state === "failed" ? this.#failOver(seq, at) : [];
  }

  /** Puts a delivery off until quiet hours are over, in milliseconds since 1970. */
  deferDelivery(seq: number, until: number): void {
    this.run(
      "UPDATE delivery SET state = 'deferred', due_at = ? WHERE seq = ? AND state = 'waiting'",
      until,
      seq,
    );
  }

  /** Lets what was deferred be sent as it is. */
  resumeDelivery(seq: number): void {
    this.run("UPDATE delivery SET state = 'waiting' WHERE seq = ? AND state = 'deferred'", seq);
  }

  /** Puts a summary into the place of what was deferred for one channel. */
  summarise(summary: PlannedNotice, replaced: number[]): void {
    this.addNotice(summary);
    const { id, at } = summary.notice;
    for (const seq of replaced) {
      this.run(
        `UPDATE delivery SET state = 'skipped', why = 'told in a summary after the quiet hours',
           summary = ?, settled_at = ? WHERE seq = ? AND state = 'deferred'`,
        id,
        at,
        seq,
      );
    }
  }

  /** Ends what still waits for somebody to take care of an alert; how many these were. */
  skipEscalations(alert: number, { why, at }: { why: string; at: number }): number {
    const rows = this.#escalationsOf(alert);
    for (const row of rows) this.#skip(row, why, at);
    return rows.length;
  }

  /** Ends what is owed to channels other than these; the names of those and how much it was. */
  skipChannelsBeside(keys: string[], at: number): { name: string; count: number }[] {
    const others = `${IS_OWED} AND channel NOT IN (SELECT value FROM json_each(?))`;
    const rows = this.all(
      `SELECT name, count(*) AS count FROM delivery WHERE ${others} GROUP BY name ORDER BY name`,
      JSON.stringify(keys),
    );
    this.run(
      `UPDATE delivery SET state = 'skipped', why = 'the channel is not configured any more',
         settled_at = ? WHERE ${others}`,
      at,
      JSON.stringify(keys),
    );
    return rows.map(({ name, count }) => ({ name: String(name), count: Number(count) }));
  }

  /** Who was told of these alerts, or will be, in the order in which that was decided. */
  deliveriesOf(alerts: number[]): DeliveryRecord[] {
    return this.all(
      `SELECT ${RECORD_COLUMNS} FROM notice JOIN delivery ON delivery.notice = notice.id
       WHERE notice.alert IN (SELECT value FROM json_each(?)) ORDER BY delivery.seq LIMIT ?`,
      JSON.stringify(alerts),
      MAX_ROWS,
    ).map(toRecord);
  }

  #insertNotice(notice: Notice): boolean {
    return this.run(
      `INSERT OR IGNORE INTO notice (id, kind, severity, at, alert, cause, clients, tags, title, words)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      notice.id,
      notice.kind,
      notice.severity,
      Math.round(notice.at),
      notice.alert ?? null,
      notice.cause ?? null,
      JSON.stringify(notice.clients),
      JSON.stringify(notice.tags),
      notice.title,
      notice.text,
    ).changes > 0;
  }

  #owe(notice: Notice, delivery: NewDelivery): void {
    const earlier = notice.alert === undefined ? [] : this.#earlier(notice, delivery.channel);
    const waits = earlier.filter(({ state, escalates }) => state === "waiting" && escalates === 1);
    const isTold = earlier.some(({ state, escalates, summary }) =>
      state === "delivered" || state === "deferred" || summary !== null ||
      (state === "waiting" && escalates === 0)
    );
    const why = notice.kind === "recovery" ? "over before its time" : "an update took its place";
    for (const row of waits) this.#skip(row, why, notice.at);
    if (isTold) {
      const owed = earlier.filter(({ state }) => state === "waiting" || state === "deferred");
      // A wall clock that was put back must not let it overtake what came before.
      const dueAt = Math.max(delivery.dueAt, ...owed.map(({ due_at }) => Number(due_at)));
      return this.#insert(notice, { ...delivery, dueAt, escalates: false });
    }
    if (delivery.onlyIfTold) return;
    const [replaced] = waits;
    if (replaced === undefined && delivery.afterMs === 0) {
      return this.#insert(notice, { ...delivery, escalates: false });
    }
    const dueAt = Number(replaced?.due_at ?? notice.at + delivery.afterMs);
    this.#insert(notice, { ...delivery, dueAt, state: "waiting", escalates: true });
  }

  #insert(
    { id }: Notice,
    { channel, name, state, dueAt, escalates }: NewDelivery & { escalates: boolean },
  ): void {
    const due = Math.round(dueAt);
    this.run(
      `INSERT INTO delivery (notice, channel, name, state, due_at, escalates, next_try_at)
       VALUES (?, ?, ?, ?, ?, ?, 0)`,
      ...[id, channel, name, state, due, escalates ? 1 : 0] satisfies SqlValue[],
    );
  }

  #earlier({ id, alert }: Notice, channel: string): Row[] {
    return this.all(
      `SELECT delivery.* FROM notice JOIN delivery ON delivery.notice = notice.id
       WHERE notice.alert = ? AND channel = ? AND notice.id <> ?`,
      alert ?? null,
      channel,
      id,
    );
  }

  #escalationsOf(alert: number): Row[] {
    return this.all(
      `SELECT delivery.* FROM notice JOIN delivery ON delivery.notice = notice.id
       WHERE notice.alert = ? AND state = 'waiting' AND escalates = 1`,
      alert,
    );
  }

  #skip({ seq }: Row, why: string, at: number): void {
    this.settleDelivery({ seq: Number(seq), state: "skipped", at, tried: false, why });
  }

  /** Brings forward what waits for somebody to take care of the alert, when nobody can have heard of it. */
  #failOver(seq: number, at: number): string[] {
    const row = this.get(
      "SELECT notice.alert FROM delivery JOIN notice ON notice.id = delivery.notice WHERE seq = ?",
      seq,
    );
    if (row === undefined || row.alert === null) return [];
    const alert = Number(row.alert);
    const heard = this.all(
      `SELECT channel FROM notice JOIN delivery ON delivery.notice = notice.id
       WHERE notice.alert = ? AND escalates = 0 AND state <> 'skipped' GROUP BY channel
       HAVING max(state = 'delivered') = 1 OR (max(attempts) < ? AND max(state = 'failed') = 0)`,
      alert,
      FAILOVER_ATTEMPTS,
    );
    if (heard.length > 0) return [];
    const waiting = this.#escalationsOf(alert);
    for (const { seq } of waiting) {
      this.run(
        "UPDATE delivery SET due_at = ?1, escalates = 0 WHERE seq = ?2",
        Math.round(at),
        Number(seq),
      );
    }
    return waiting.map(({ channel }) => String(channel));
  }
}

function toNotice(row: Row): Notice {
  return {
    id: String(row.notice),
    kind: row.kind as NoticeKind,
    severity: row.severity as Severity,
    at: Number(row.at),
    alert: row.alert === null ? undefined : Number(row.alert),
    cause: row.cause === null ? undefined : String(row.cause),
    clients: JSON.parse(String(row.clients)),
    tags: JSON.parse(String(row.tags)),
    title: String(row.title),
    text: String(row.words),
  };
}

function toDue(row: Row): DueDelivery {
  return {
    seq: Number(row.seq),
    notice: toNotice(row),
    state: row.state as DueDelivery["state"],
    dueAt: Number(row.due_at),
    escalates: row.escalates === 1,
    attempts: Number(row.attempts),
    nextTryAt: Number(row.next_try_at),
    refused: row.refused === 1,
  };
}

function toRecord(row: Row): DeliveryRecord {
  const isOwed = row.state === "waiting" || row.state === "deferred";
  const nextTryAt = Math.max(Number(row.next_try_at), Number(row.due_at));
  return {
    notice: String(row.notice),
    kind: row.kind as NoticeKind,
    title: String(row.title),
    alert: row.alert === null ? undefined : Number(row.alert),
    channel: String(row.name),
    state: row.state as DeliveryState,
    escalates: row.escalates === 1,
    attempts: Number(row.attempts),
    why: row.why === null ? undefined : String(row.why),
    at: Number(row.at),
    nextTryAt: isOwed ? nextTryAt : undefined,
    settledAt: row.settled_at === null ? undefined : Number(row.settled_at),
  };
}
