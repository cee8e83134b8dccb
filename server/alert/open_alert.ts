/**
 * What is known of one alert while it is open, and of the machines in it. Times are milliseconds since 1970, except where the
 * monotonic clock is named.
 *
 * @module
 */

import type { Evidence } from "../alert_text.ts";
import type { Cause } from "../presence.ts";
import type { Onset } from "./failure_group.ts";
import type { NoticeKind, Severity } from "./notice.ts";

/** What an alert is about: one machine, several that failed together, one that comes and goes, or one identity used twice. */
export type AlertKind = "down" | "group" | "flapping" | "identity";

/** Why an alert was raised. */
export type AlertCause = Cause | "server suspect";

/**
 * How a machine in an alert stands: silent and not DOWN yet; DOWN, or whatever else the alert says of it; back again; or it has
 * left the alert for another reason (it was only late, said goodbye, was revoked, or has an alert of its own).
 */
export type MemberStatus = "silent" | "down" | "back" | "left";

/** One machine in an alert. */
export interface AlertMember {
  /** Id of the client. */
  readonly client: string;
  status: MemberStatus;
  cause: AlertCause;
  /** When its last byte before that came. */
  lastSeenAt: number;
  /** When it went DOWN; undefined while it is only silent. */
  downAt: number | undefined;
  /** When it was back, or left. */
  endedAt: number | undefined;
  /** From its last byte to the first one after that. */
  downtimeMs: number | undefined;
  evidence: Evidence | undefined;
}

/** That somebody takes care of an alert. */
export interface Acknowledgement {
  readonly by: string;
  readonly note: string | undefined;
  readonly at: number;
  /** When it runs out; undefined for never. */
  readonly until: number | undefined;
}

/** What is stored of an alert. */
export interface AlertCore {
  readonly id: number;
  kind: AlertKind;
  cause: AlertCause;
  severity: Severity;
  readonly openedAt: number;
  /** When a person was first told; undefined while everybody in it is snoozed. */
  toldAt: number | undefined;
  /** What its machines have in common, in words. */
  scope: string | undefined;
  acknowledgement: Acknowledgement | undefined;
  /** Its words, where they do not follow from its machines. */
  words: { readonly title: string; readonly text: string } | undefined;
}

/** One alert that is open. */
export interface OpenAlert extends AlertCore {
  /** By the client's id; those that have left are not in it any more. */
  readonly members: Map<string, AlertMember>;
  /** When the trouble of its first machine began, on the monotonic clock; undefined after a restart of the server. */
  onset: Onset | undefined;
  /** Until when it takes in every machine that goes DOWN, on the monotonic clock. */
  stormUntil: number | undefined;
  /** When it is told what has changed, on the monotonic clock. */
  updateAt: number | undefined;
  /** When those that are back are told of, although others are not, on the monotonic clock. */
  settleAt: number | undefined;
  /** Whether it has come again too often to be told each time: it ends after a quiet time only. */
  isFlapping: boolean;
  /** When that quiet time is over, on the monotonic clock. */
  steadyAt: number | undefined;
  /** What will be told when its machines are not snoozed any more. */
  pending: UpdateReason | undefined;
}

/** Why an alert is told of again. */
export type UpdateReason =
  | "grew"
  | "partly back"
  | "not the server"
  | "flapping"
  | "down for good"
  | "acknowledgement over"
  | "snooze over";

/** One change of an alert. */
export interface AlertStep {
  readonly what: "opened" | "changed" | "resolved";
  /** As it is right after the change; it goes on changing, so it must be read at once. */
  readonly alert: Readonly<OpenAlert>;
  /** The machines in it that have changed. */
  readonly members: readonly AlertMember[];
  /** What a person is told; undefined for nothing. */
  readonly tell:
    | { readonly kind: NoticeKind; readonly reason: UpdateReason | undefined }
    | undefined;
}

/** Whether a machine still makes its alert go on. */
export function isOngoing({ status }: AlertMember): boolean {
  return status === "silent" || status === "down";
}

/** The machines because of which an alert is open. */
export function ongoing({ members }: Readonly<OpenAlert>): AlertMember[] {
  return [...members.values()].filter(isOngoing);
}
