/**
 * What the server's database is asked about clients and the invites that they join with.
 *
 * @module
 */

import type { EnrolFailure } from "../protocol/mod.ts";
import type { PresenceState } from "./presence.ts";
import type { ClientKind, ClientRecord, InviteRecord } from "./store_record.ts";
import { type Row, StoreStatements } from "./store_statements.ts";

/** The tables of clients and invites. */
export class StoreClients extends StoreStatements {
  /** All clients that are not revoked, by name. */
  clients(): ClientRecord[] {
    return this.all("SELECT * FROM client WHERE revoked = 0 ORDER BY name COLLATE NOCASE")
      .map(toClient);
  }

  /** Clients that are revoked, by name. */
  revokedClients(): ClientRecord[] {
    return this.all("SELECT * FROM client WHERE revoked = 1 ORDER BY name COLLATE NOCASE, id")
      .map(toClient);
  }

  /** One client by id, revoked ones included. */
  client(id: string): ClientRecord | undefined {
    const row = this.get("SELECT * FROM client WHERE id = ?", id);
    return row && toClient(row);
  }

  /** Records an invite. */
  addInvite(invite: InviteRecord): void {
    this.run(
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
    const row = this.get("SELECT secret FROM invite WHERE id = ?", id);
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
    const invite = this.get("SELECT * FROM invite WHERE id = ?", request.invite);
    if (invite === undefined || Number(invite.expires_at) <= now) return "expired";
    if (Number(invite.uses_left) <= 0) return "used";
    const allowed = invite.name as string | null;
    if (allowed !== null && request.name !== undefined && request.name !== allowed) {
      return "wrong_name";
    }
    const name = request.name ?? allowed ?? request.suggestedName ?? `client-${id.slice(0, 8)}`;
    if (!this.#makeNameFree(name, id)) return "name_taken";
    this.run("UPDATE invite SET uses_left = uses_left - 1 WHERE id = ?", request.invite);
    this.run(
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
    this.run(
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
    this.run(
      "UPDATE client SET app = ?, address = ?, last_seen = ? WHERE id = ?",
      how.app,
      how.address,
      how.at,
      id,
    );
  }

  /** Shuts a client out, by name; its record, or null when there is no such client. */
  revoke(name: string): ClientRecord | null {
    const row = this.get(
      "SELECT * FROM client WHERE name = ? COLLATE NOCASE AND revoked = 0",
      name,
    );
    if (row === undefined) return null;
    this.run("UPDATE client SET revoked = 1 WHERE id = ?", row.id as string);
    return toClient(row);
  }

  #holderOf(name: string): Row | undefined {
    return this.get("SELECT * FROM client WHERE name = ? COLLATE NOCASE AND revoked = 0", name);
  }

  /** An unverified holder gives its name up; an enrolled one keeps it. */
  #makeNameFree(name: string, id: string): boolean {
    const holder = this.#holderOf(name);
    if (holder === undefined || holder.id === id) return true;
    if (holder.kind === "enrolled") return false;
    this.run("UPDATE client SET revoked = 1 WHERE id = ?", holder.id ?? null);
    return true;
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
