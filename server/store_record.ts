/**
 * What the store holds, as the rest of the server sees it. Times are milliseconds since 1970.
 *
 * @module
 */

import type { PlannedNotice } from "./alert/delivery.ts";
import type { AlertCore, AlertMember, AlertStep } from "./alert/open_alert.ts";
import type { PresenceState } from "./presence.ts";

/** How a client is known: by its proof, by what it claims on an open server, or by its address. */
export type ClientKind = "enrolled" | "open" | "classic";

/** One client. */
export interface ClientRecord {
  /** Its key id when enrolled; otherwise derived from what it claims. */
  id: string;
  name: string;
  kind: ClientKind;
  /** Raw Ed25519 public key of an enrolled client. */
  publicKey: Uint8Array<ArrayBuffer> | undefined;
  revoked: boolean;
  tags: string[];
  /** Program and system, as it said last. */
  app: string;
  /** Where it last connected from. */
  address: string;
  state: PresenceState;
  cause: string | undefined;
  stateSince: number;
  lastSeen: number | undefined;
  /** When a planned absence ends; undefined for never, and while there is none. */
  plannedUntil: number | undefined;
}

/** One invite. */
export interface InviteRecord {
  id: string;
  secret: Uint8Array;
  expiresAt: number;
  usesLeft: number;
  name: string | undefined;
  tags: string[];
  createdAt: number;
}

/**
 * How far a message has come. An expired one may still turn out to have been stored, when its receipt was
 * only late.
 */
export type MessageState = "queued" | "sent" | "expired" | "stored" | "shown";

/** One message, from (`in`) or to (`out`) a client. */
export interface MessageRecord {
  /** Its place among all messages. */
  seq: number;
  id: string;
  client: string;
  clientName: string;
  direction: "in" | "out";
  /** By the sender's clock. */
  sentAt: number;
  /** When it was stored here. */
  at: number;
  text: string;
  state: MessageState;
}

/** A message to a client that has come further. */
export interface MessageProgress {
  id: string;
  text: string;
  /** Id of the client. */
  client: string;
}

/** One file, from (`in`) or to (`out`) a client. */
export interface FileRecord {
  seq: number;
  id: string;
  client: string;
  clientName: string;
  direction: "in" | "out";
  /** The last segment of its path. */
  name: string;
  /** Where it lies on this machine. */
  path: string;
  bytes: number;
  sha256: string;
  state: string;
  at: number;
  /** Where a file to a client landed there, as it said; only of files that it has stored. */
  landed?: string;
  /** Why a file to a client has been refused, or still waits. */
  reason?: string;
}

/** How far a file to a client has come: the first two wait, the others are the end. */
export type PushState = "queued" | "sent" | "stored" | "refused";

/** What a client's answer to a push means: its end, or that it goes on waiting. */
export type PushOutcome = "settled" | "later";

/** A file to a client, as it is queued. */
export interface NewPush {
  /** The transfer's id. */
  id: string;
  /** Id of the client. */
  client: string;
  /** The name under which it is offered. */
  name: string;
  /** Where the operator took it from. */
  path: string;
  /** Name of the copy in the folder of outgoing files; several pushes may share one. */
  content: string;
  bytes: number;
  sha256: string;
}

/** A file to a client, as it stands. */
export interface PushRecord extends NewPush {
  clientName: string;
  state: PushState;
  /** Where it landed, once it is stored. */
  landed: string | undefined;
  /** Why it has been refused, or still waits. */
  reason: string | undefined;
  /** When it came to its state. */
  at: number;
}

/** A client's change of state, as it is recorded. */
export interface StateRecord {
  /** Id of the client. */
  client: string;
  state: PresenceState;
  cause: string | undefined;
  at: number;
  lastSeen: number;
  /** When a planned absence ends. */
  plannedUntil?: number | undefined;
  /** The fields of its line of the timeline. */
  data: object;
}

/** A change of an alert, as it is recorded. */
export interface AlertChange {
  at: number;
  what: AlertStep["what"];
  /** As it is after the change. */
  alert: AlertCore;
  evidence: object;
  /** The machines in it that have changed. */
  members: AlertMember[];
}

/** What belongs together: a change of state, what follows from it for alerts. */
export interface ChangeRecord {
  state?: StateRecord | undefined;
  alerts: AlertChange[];
  /** What is told of it, and to whom. @default {[]} */
  notices?: PlannedNotice[];
}

/** A file of the data directory as it is kept in a backup. */
export interface ServerFile {
  name: string;
  content: string;
}

/** One alert, with the names of its clients. */
export interface AlertRecord extends AlertCore {
  state: "open" | "resolved";
  resolvedAt: number | undefined;
  evidence: Record<string, unknown>;
  members: (AlertMember & { name: string })[];
}

/** The kinds of lines of a timeline. */
export const EVENT_KINDS = [
  "beat",
  "state",
  "message",
  "file",
  "alert",
  "audit",
  "journal",
] as const;
/** The kind of one line of a timeline. */
export type EventKind = (typeof EVENT_KINDS)[number];

/** One line of the timeline of a client, or of the server. */
export interface EventRecord {
  seq: number;
  at: number;
  /** Id of the client; undefined for the server's own lines. */
  client?: string | undefined;
  clientName?: string | undefined;
  kind: EventKind;
  /** Row of the message or file that the line is about. */
  ref?: number | undefined;
  /** The line's own fields. */
  data: object;
  /** The message that the line is about, as it is now. */
  message?: EventMessage | undefined;
}

/** The message of a line of the timeline; its times are undefined for what has not happened. */
export interface EventMessage {
  id: string;
  direction: "in" | "out";
  text: string;
  state: MessageState;
  /** When it was no longer to be delivered. */
  expiresAt: number | undefined;
  /** When its receiver had it on disk. */
  storedAt: number | undefined;
  /** When somebody there was shown it. */
  shownAt: number | undefined;
}
