/**
 * What the server's database is asked about the states of clients, the alerts that follow from them, and what operators have
 * set.
 *
 * @module
 */

import { parseWeeklyWindow } from "./alert/calendar.ts";
import type { AlertCore, AlertMember, OpenAlert } from "./alert/open_alert.ts";
import type { NewOverlay, Overlay, OverlayTarget } from "./alert/overlay.ts";
import type { AlertChange, AlertRecord, ChangeRecord, StateRecord } from "./store_record.ts";
import { StoreDeliveries } from "./store_deliveries.ts";
import { MAX_ROWS, type Row } from "./store_statements.ts";

/** The tables of alerts and overlays, beside those of `store_deliveries.ts`. */
export class StoreAlerts extends StoreDeliveries {
  /** Records changes of state and of alerts, and the notices of them, in their order, all or none. */
  recordChanges(changes: ChangeRecord[]): void {
    for (const { state, alerts, notices = [] } of changes) {
      if (state !== undefined) this.#changeState(state);
      for (const change of alerts) this.#changeAlert(change);
      for (const notice of notices) this.addNotice(notice);
    }
  }

  /** Alerts, newest last; only open ones when asked. */
  alerts(onlyOpen: boolean): AlertRecord[] {
    const rows = this.all(
      `SELECT * FROM (
         SELECT * FROM alert WHERE ?1 = 0 OR state = 'open' ORDER BY id DESC LIMIT ?2
       ) ORDER BY id`,
      onlyOpen ? 1 : 0,
      MAX_ROWS,
    );
    const members = this.#members(rows.map(({ id }) => Number(id)));
    return rows.map((row) => ({
      ...toCore(row),
      state: row.state as "open" | "resolved",
      resolvedAt: optional(row.resolved_at),
      evidence: JSON.parse(String(row.evidence)),
      members: members.get(Number(row.id)) ?? [],
    }));
  }

  /** What was open when the server stopped, and the number of the last alert. */
  openAlerts(): { open: OpenAlert[]; lastId: number } {
    const rows = this.all("SELECT * FROM alert WHERE state = 'open' ORDER BY id");
    const members = this.#members(rows.map(({ id }) => Number(id)));
    const open = rows.map((row): OpenAlert => {
      const nothing = { onset: undefined, stormUntil: undefined, updateAt: undefined };
      const core = toCore(row);
      const present = (members.get(core.id) ?? []).filter(({ status }) => status !== "left");
      return {
        ...{ ...core, ...nothing, settleAt: undefined, steadyAt: undefined },
        isFlapping: core.kind === "group" && core.cause === "flapping",
        pending: core.toldAt === undefined ? "snooze over" : undefined,
        members: new Map(present.map(({ name: _, ...member }) => [member.client, member])),
      };
    });
    const last = this.get("SELECT max(id) AS id FROM alert");
    return { open, lastId: Number(last?.id ?? 0) };
  }

  /** Keeps what an operator has set; its number. */
  addOverlay(overlay: NewOverlay): number {
    const { kind, target, at, until, untilBack, weekly, by, note } = overlay;
    const { lastInsertRowid } = this.run(
      `INSERT INTO overlay (kind, client, tag, at, ends_at, until_back, weekly, zone, by, note)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      kind,
      "client" in target ? target.client : null,
      "tag" in target ? target.tag : null,
      at,
      until ?? null,
      untilBack ? 1 : 0,
      weekly?.text ?? null,
      weekly?.zone ?? null,
      by,
      note ?? null,
    );
    return Number(lastInsertRowid);
  }

  /** Removes what does not hold any more. */
  removeOverlays(ids: number[]): void {
    for (const id of ids) this.run("DELETE FROM overlay WHERE id = ?", id);
  }

  /** All that operators have set, in the order in which they did. */
  overlays(): Overlay[] {
    return this.all("SELECT * FROM overlay ORDER BY id").map(toOverlay);
  }

  #changeState(change: StateRecord): void {
    const { client, at } = change;
    this.run(
      `UPDATE client SET state = ?, cause = ?, state_since = ?, last_seen = ?, planned_until = ?
       WHERE id = ?`,
      change.state,
      change.cause ?? null,
      at,
      change.lastSeen,
      change.plannedUntil ?? null,
      client,
    );
    this.addEvent({ at, client, kind: "state", data: change.data });
  }

  #changeAlert({ at, what, alert, evidence, members }: AlertChange): void {
    const { acknowledgement, words } = alert;
    this.run(
      `INSERT INTO alert (id, kind, state, cause, severity, scope, title, words, opened_at, told_at,
         acked_at, acked_by, acked_until, note, resolved_at, evidence)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state,
         cause = excluded.cause, severity = excluded.severity, scope = excluded.scope,
         title = excluded.title, words = excluded.words, told_at = excluded.told_at,
         acked_at = excluded.acked_at, acked_by = excluded.acked_by,
         acked_until = excluded.acked_until, note = excluded.note,
         resolved_at = excluded.resolved_at, evidence = excluded.evidence`,
      alert.id,
      alert.kind,
      what === "resolved" ? "resolved" : "open",
      alert.cause,
      alert.severity,
      alert.scope ?? null,
      words?.title ?? null,
      words?.text ?? null,
      alert.openedAt,
      alert.toldAt ?? null,
      acknowledgement?.at ?? null,
      acknowledgement?.by ?? null,
      acknowledgement?.until ?? null,
      acknowledgement?.note ?? null,
      what === "resolved" ? at : null,
      JSON.stringify(evidence),
    );
    for (const member of members) this.#changeMember(alert.id, member);
    const state = what === "resolved" ? "resolved" : "open";
    const lasted = what === "resolved" ? { open_ms: at - alert.openedAt } : {};
    for (const { client, status, cause, evidence } of members) {
      const based = status === "down" && evidence !== undefined ? { evidence } : {};
      const data = { id: alert.id, state, status, cause, alert_cause: alert.cause };
      this.addEvent({ at, client, kind: "alert", data: { ...data, ...based, ...lasted } });
    }
  }

  #changeMember(alert: number, member: AlertMember): void {
    this.run(
      `INSERT INTO alert_client (alert, client, status, cause, last_seen, down_at, ended_at,
         downtime_ms, evidence)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (alert, client) DO UPDATE SET status = excluded.status, cause = excluded.cause,
         last_seen = excluded.last_seen, down_at = excluded.down_at, ended_at = excluded.ended_at,
         downtime_ms = excluded.downtime_ms, evidence = excluded.evidence`,
      alert,
      member.client,
      member.status,
      member.cause,
      Math.round(member.lastSeenAt),
      member.downAt ?? null,
      member.endedAt ?? null,
      member.downtimeMs === undefined ? null : Math.round(member.downtimeMs),
      member.evidence === undefined ? null : JSON.stringify(member.evidence),
    );
  }

  #members(alerts: number[]): Map<number, AlertRecord["members"]> {
    const members = new Map<number, AlertRecord["members"]>();
    const rows = this.all(
      `SELECT alert_client.*, client.name FROM alert_client JOIN client ON client.id = alert_client.client
       WHERE alert IN (SELECT value FROM json_each(?)) ORDER BY alert, down_at IS NULL, down_at, client.name`,
      JSON.stringify(alerts),
    );
    for (const row of rows) {
      const known = members.get(Number(row.alert));
      if (known === undefined) members.set(Number(row.alert), [toMember(row)]);
      else known.push(toMember(row));
    }
    return members;
  }
}

function toCore(row: Row): AlertCore {
  const { acked_at, acked_by, title, words } = row;
  return {
    id: Number(row.id),
    kind: row.kind as AlertCore["kind"],
    cause: row.cause as AlertCore["cause"],
    severity: row.severity as AlertCore["severity"],
    openedAt: Number(row.opened_at),
    toldAt: optional(row.told_at),
    scope: text(row.scope),
    acknowledgement: acked_at === null ? undefined : {
      by: String(acked_by),
      note: text(row.note),
      at: Number(acked_at),
      until: optional(row.acked_until),
    },
    words: words === null ? undefined : { title: String(title), text: String(words) },
  };
}

function toMember(row: Row): AlertRecord["members"][number] {
  return {
    client: String(row.client),
    name: String(row.name),
    status: row.status as AlertMember["status"],
    cause: row.cause as AlertMember["cause"],
    lastSeenAt: Number(row.last_seen),
    downAt: optional(row.down_at),
    endedAt: optional(row.ended_at),
    downtimeMs: optional(row.downtime_ms),
    evidence: row.evidence === null ? undefined : JSON.parse(String(row.evidence)),
  };
}

function toOverlay(row: Row): Overlay {
  const { client, tag, weekly, zone } = row;
  const target: OverlayTarget = client !== null
    ? { client: String(client) }
    : tag !== null
    ? { tag: String(tag) }
    : { all: true };
  return {
    id: Number(row.id),
    kind: row.kind as Overlay["kind"],
    target,
    at: Number(row.at),
    until: optional(row.ends_at),
    untilBack: row.until_back === 1,
    weekly: weekly === null ? undefined : parseWeeklyWindow(String(weekly), String(zone)),
    by: String(row.by),
    note: text(row.note),
  };
}

function optional(value: Row[string] | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

function text(value: Row[string] | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value);
}
