/**
 * What the server's records look like in JSON: the shapes that other people's scripts rely on. Times are
 * ISO 8601 in UTC, durations end in `_ms`, sizes are bytes. Pure.
 *
 * @module
 */

import type { Presence } from "./presence.ts";
import type { Member } from "./roster.ts";
import type { AlertRecord, EventRecord, FileRecord } from "./store_record.ts";

/** The word that stands for the operator's side in messages. */
const SERVER = "server";

function iso(at: number): string {
  return new Date(at).toISOString();
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000) / 1000;
}

/** One client, as in `hbserver clients --json`. */
export function clientView(
  member: Member,
  context: { presence: Readonly<Presence> | undefined; now: number; wall: number },
) {
  const { record, vitals, skewMs } = member;
  const { presence, now, wall } = context;
  const wallOf = (moment: number) => Math.round(wall - (now - moment));
  const lastSeen = presence === undefined ? record.lastSeen : wallOf(presence.lastHeard);
  return {
    name: record.name,
    state: presence?.state ?? record.state,
    cause: presence?.cause ?? null,
    since: iso(record.stateSince),
    last_seen: lastSeen === undefined ? null : iso(lastSeen),
    gap_ms: rounded(presence?.gapMs),
    jitter_ms: rounded(presence?.jitterMs),
    rtt_ms: rounded(presence?.roundTripMs),
    skew_ms: skewMs ?? null,
    app: record.app,
    address: record.address,
    tags: record.tags,
    verified: record.kind === "enrolled",
    classic: record.kind === "classic",
    connected: presence?.connected ?? false,
    overlay: [],
    vitals: vitals ?? null,
  };
}

/** One file, as in `hbserver files --json`. */
export function fileView(file: FileRecord) {
  const { id, clientName, direction, name, path, bytes, sha256, state, at } = file;
  return { id, client: clientName, direction, name, path, bytes, sha256, state, at: iso(at) };
}

/** One alert, as in `hbserver alerts --json`. */
export function alertView(alert: AlertRecord) {
  return {
    id: alert.id,
    kind: alert.kind,
    clients: [alert.clientName],
    state: alert.state,
    cause: alert.cause,
    opened_at: iso(alert.openedAt),
    resolved_at: alert.resolvedAt === undefined ? null : iso(alert.resolvedAt),
    acked_by: null,
    note: null,
    evidence: alert.evidence,
    deliveries: [{ channel: "console", state: "delivered" }],
  };
}

/** One line of the timeline, as in `hbserver log --json`. */
export function eventView(event: EventRecord) {
  const head = { at: iso(event.at), client: event.clientName ?? null, kind: event.kind };
  const { message } = event;
  if (message === undefined) return { ...head, ...event.data };
  const incoming = message.direction === "in";
  const client = event.clientName ?? "";
  return {
    ...head,
    id: message.id,
    from: incoming ? client : SERVER,
    to: incoming ? SERVER : client,
    text: message.text,
    state: message.state,
  };
}
