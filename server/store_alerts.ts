/**
 * What the server's database is asked about the states of clients and the alerts that they open and resolve.
 *
 * @module
 */

import type { AlertRecord, StateRecord } from "./store_record.ts";
import { MAX_ROWS, type Row } from "./store_statements.ts";
import { StoreTimeline } from "./store_timeline.ts";

/** The table of alerts, beside those of `store_timeline.ts`. */
export class StoreAlerts extends StoreTimeline {
  /** Records a change of state, its alert or the end of one, and their lines of the timeline. */
  changeState(change: StateRecord): { alert: number | undefined } {
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
    const { changes, lastInsertRowid } = this.run(
      `INSERT INTO alert (kind, client, state, cause, opened_at, evidence)
       VALUES ('down', ?, 'open', ?, ?, ?) ON CONFLICT DO NOTHING`,
      client,
      cause,
      at,
      JSON.stringify(evidence),
    );
    if (changes === 0) return undefined;
    const id = Number(lastInsertRowid);
    this.addEvent({ at, client, kind: "alert", data: { id, state: "open", cause, evidence } });
    return id;
  }

  #resolveAlert(client: string, at: number): number | undefined {
    const row = this.get(
      `UPDATE alert SET state = 'resolved', resolved_at = ?
       WHERE client = ? AND kind = 'down' AND state = 'open' RETURNING id, cause, opened_at`,
      at,
      client,
    );
    if (row === undefined) return undefined;
    const id = Number(row.id);
    const data = { id, state: "resolved", cause: row.cause, open_ms: at - Number(row.opened_at) };
    this.addEvent({ at, client, kind: "alert", data });
    return id;
  }

  /** Alerts, newest last; only open ones when asked. */
  alerts(onlyOpen: boolean): AlertRecord[] {
    return this.all(
      `SELECT * FROM (
         SELECT alert.*, client.name AS client_name FROM alert JOIN client ON client.id = alert.client
         WHERE ?1 = 0 OR alert.state = 'open' ORDER BY alert.id DESC LIMIT ?2
       ) ORDER BY id`,
      onlyOpen ? 1 : 0,
      MAX_ROWS,
    ).map(toAlert);
  }
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
