/**
 * What the server's records look like in JSON: the shapes that other people's scripts rely on. Times are
 * ISO 8601 in UTC, durations end in `_ms`, sizes are bytes. Pure.
 *
 * @module
 */

import type { Fields } from "../protocol/mod.ts";
import type { DeliveryRecord } from "./alert/delivery.ts";
import type { Severity } from "./alert/notice.ts";
import type { AlertCore, AlertMember } from "./alert/open_alert.ts";
import { type Presence, type PresenceState, shownCause, shownState } from "./presence.ts";
import type { Member } from "./roster.ts";
import type {
  AlertRecord,
  EventRecord,
  FileRecord,
  PushRecord,
  PushState,
} from "./store_record.ts";

/** One client, as in `hbserver clients --json`. */
export interface ClientView {
  /** Its name. */
  name: string;
  /** What the server believes. */
  state: PresenceState;
  /** Why it is in that state; null while it is simply UP. */
  cause: string | null;
  /** When the state began. */
  since: string;
  /** When its last byte came; null for never. */
  last_seen: string | null;
  /** Usual gap between two heartbeats. */
  gap_ms: number | null;
  /** Usual deviation from that gap. */
  jitter_ms: number | null;
  /** Usual round trip. */
  rtt_ms: number | null;
  /** The client's clock minus this machine's. */
  skew_ms: number | null;
  /** Program and system, as it said. */
  app: string;
  /** Where it last connected from. */
  address: string;
  /** Its tags. */
  tags: string[];
  /** Whether it has proved its key. */
  verified: boolean;
  /** Whether it speaks the classic dialect. */
  classic: boolean;
  /** Whether it is connected now. */
  connected: boolean;
  /** What operators have set over the state: `MAINTENANCE`, `PLANNED`, `SNOOZED`, `ACKED`. */
  overlay: string[];
  /** Its last vitals. */
  vitals: Fields<"HEARTBEAT">["vitals"] | null;
}

/** One file, as in `hbserver files --json`. */
export interface FileView {
  /** The transfer's id. */
  id: string;
  /** Name of the client. */
  client: string;
  /** `in` from the client, `out` to it. */
  direction: "in" | "out";
  /** Its final name; of a file to a client the one under which it is offered. */
  name: string;
  /** Where it lies on this machine, or where a file to a client was taken from. */
  path: string;
  /** Its size. */
  bytes: number;
  /** Its digest in hex. */
  sha256: string;
  /** `stored`; of a file to a client also `queued`, `sent` (announced to it) or `refused`. */
  state: string;
  /** When it came to that state. */
  at: string;
  /** Where a file to a client landed there, as it said; null for others. */
  as: string | null;
  /** Why a file to a client has been refused, or still waits; null for others. */
  reason: string | null;
}

/** How far one file to a client has come, as in the answer of `hbserver push --wait --json`. */
export interface PushView {
  /** The transfer's id. */
  id: string;
  /** Name of the client. */
  client: string;
  /** The name under which it is offered. */
  name: string;
  /** Whether it waits, has been announced, or how it ended. */
  state: PushState;
  /** Where it landed there, as the client said; null until then. */
  as: string | null;
  /** Why it has been refused, or still waits; null for none. */
  reason: string | null;
}

/** One alert, as in `hbserver alerts --json`. */
export interface AlertView {
  /** Its number. */
  id: number;
  /** `down` for one machine, `group` for several that failed together, `flapping`, or `identity` for one used twice. */
  kind: AlertCore["kind"];
  /** Names of the clients, without those that were only late. */
  clients: string[];
  /** Whether it goes on. */
  state: "open" | "resolved";
  /** Why it was raised. */
  cause: string;
  /** How bad it is. */
  severity: Severity;
  /** What its machines have in common, in words; null for a single one. */
  scope: string | null;
  /** When it was raised. */
  opened_at: string;
  /** When a person was first told; null while its machines are snoozed. */
  told_at: string | null;
  /** When it ended; null while it goes on. */
  resolved_at: string | null;
  /** Who has acknowledged it. */
  acked_by: string | null;
  /** When. */
  acked_at: string | null;
  /** When the acknowledgement runs out; null for never. */
  acked_until: string | null;
  /** What was noted on it. */
  note: string | null;
  /** What it is based on. */
  evidence: Record<string, unknown>;
  /** Its machines, one by one. */
  machines: MachineView[];
  /** Where it was told, or will be. */
  deliveries: DeliveryView[];
}

/** How one notice of an alert reaches one channel. */
export interface DeliveryView {
  /** Name of the channel; `console` for this server's own terminal and log. */
  channel: string;
  /** `alert`, `update` or `recovery`. */
  kind: string;
  /** `waiting`, `deferred` by quiet hours, `delivered`, `failed` for good, or `skipped` as it was not needed. */
  state: string;
  /** Tries so far. */
  attempts: number;
  /** The last error, or why it was skipped; null for none. */
  why: string | null;
  /** When it is tried next; null when it is settled. */
  next_try_at: string | null;
  /** When it was settled; null while it is not. */
  settled_at: string | null;
}

/** One machine in an alert. */
export interface MachineView {
  /** Its name. */
  name: string;
  /** `silent` and not DOWN yet, `down`, `back`, or `left` for another reason. */
  status: AlertMember["status"];
  /** Why. */
  cause: string;
  /** When its last byte before that came. */
  last_seen: string;
  /** When it went DOWN; null when it was only silent. */
  down_at: string | null;
  /** When it was back, or left. */
  ended_at: string | null;
  /** From its last byte to the first one after that. */
  downtime_ms: number | null;
}

/** One line of the timeline, as in `hbserver log --json`; its other fields depend on its kind. */
export type EventView = {
  /** When it happened. */
  at: string;
  /** The client's name; null for the server's own lines. */
  client: string | null;
  /** One of the kinds of `hbserver log --kind`. */
  kind: string;
} & Record<string, unknown>;

/** The word that stands for the operator's side in messages. */
const SERVER = "server";

function iso(at: number): string {
  return new Date(at).toISOString();
}

function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : iso(at);
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000) / 1000;
}

/** Shows one client. */
export function clientView(
  member: Member,
  context: {
    presence: Readonly<Presence> | undefined;
    overlay?: string[];
    now: number;
    wall: number;
  },
): ClientView {
  const { record, vitals, skewMs } = member;
  const { presence, overlay = [], now, wall } = context;
  const wallOf = (moment: number) => Math.round(wall - (now - moment));
  const lastSeen = presence === undefined ? record.lastSeen : wallOf(presence.lastHeard);
  return {
    name: record.name,
    state: presence === undefined ? record.state : shownState(presence),
    cause: presence === undefined ? null : shownCause(presence) ?? null,
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
    overlay,
    vitals: vitals ?? null,
  };
}

/** Shows one file. */
export function fileView(file: FileRecord): FileView {
  const { id, clientName: client, direction, name, path, bytes, sha256, state, at } = file;
  const out = { as: file.landed ?? null, reason: file.reason ?? null };
  return { id, client, direction, name, path, bytes, sha256, state, at: iso(at), ...out };
}

/** Shows how far one file to a client has come. */
export function pushView(push: PushRecord): PushView {
  const { id, clientName: client, name, state } = push;
  return { id, client, name, state, as: push.landed ?? null, reason: push.reason ?? null };
}

/** Shows one alert, with how its notices fare. */
export function alertView(
  alert: AlertRecord,
  deliveries: readonly DeliveryRecord[] = [],
): AlertView {
  const { id, kind, state, cause, severity, acknowledgement, evidence, members } = alert;
  return {
    ...{ id, kind, clients: namesOf(members), state, cause, severity },
    scope: alert.scope ?? null,
    opened_at: iso(alert.openedAt),
    told_at: isoOrNull(alert.toldAt),
    resolved_at: isoOrNull(alert.resolvedAt),
    acked_by: acknowledgement?.by ?? null,
    acked_at: isoOrNull(acknowledgement?.at),
    acked_until: isoOrNull(acknowledgement?.until),
    note: acknowledgement?.note ?? null,
    evidence,
    machines: members.map(machineView),
    deliveries: [...consoleDelivery(alert), ...deliveries.map(deliveryView)],
  };
}

/** The console and the log are told at once. */
function consoleDelivery({ toldAt }: AlertRecord): DeliveryView[] {
  if (toldAt === undefined) return [];
  const at = { next_try_at: null, settled_at: iso(toldAt) };
  return [{ channel: "console", kind: "alert", state: "delivered", attempts: 1, why: null, ...at }];
}

function deliveryView(delivery: DeliveryRecord): DeliveryView {
  const { channel, kind, state, attempts, why, nextTryAt, settledAt } = delivery;
  return {
    ...{ channel, kind, state, attempts, why: why ?? null },
    next_try_at: isoOrNull(nextTryAt),
    settled_at: isoOrNull(settledAt),
  };
}

/** The names of those that an alert is about: who was only late is not. */
function namesOf(members: AlertRecord["members"]): string[] {
  const concerned = members.filter(({ status, downAt }) =>
    status !== "left" || downAt !== undefined
  );
  return (concerned.length > 0 ? concerned : members).map(({ name }) => name);
}

function machineView(member: AlertRecord["members"][number]): MachineView {
  const { name, status, cause } = member;
  return {
    ...{ name, status, cause },
    last_seen: iso(member.lastSeenAt),
    down_at: isoOrNull(member.downAt),
    ended_at: isoOrNull(member.endedAt),
    downtime_ms: member.downtimeMs ?? null,
  };
}

/** Shows one line of the timeline. */
export function eventView(event: EventRecord): EventView {
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
    expires_at: isoOrNull(message.expiresAt),
    stored_at: isoOrNull(message.storedAt),
    shown_at: isoOrNull(message.shownAt),
  };
}
