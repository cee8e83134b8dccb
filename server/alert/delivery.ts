/**
 * What is owed to a channel: one notice on its way to one place, as it is planned and as it is kept.
 *
 * @module
 */

import { endOf } from "./calendar.ts";
import type { Channel } from "./channel.ts";
import { type Notice, type NoticeKind, SEVERITIES } from "./notice.ts";

/**
 * What has become of a delivery: it waits for its time, its turn or its next try; for the end of quiet hours; the channel has
 * taken it; nobody tries any more; or it was not needed.
 */
export const DELIVERY_STATES = ["waiting", "deferred", "delivered", "failed", "skipped"] as const;
/** What has become of a delivery. */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** A delivery that is to be written down together with its notice. */
export interface NewDelivery {
  /** Key of the channel. */
  readonly channel: string;
  /** Name of the channel, without secrets. */
  readonly name: string;
  /** Deferred when the channel has quiet hours now. */
  readonly state: "waiting" | "deferred";
  /** Not before, in milliseconds since 1970. */
  readonly dueAt: number;
  /** A channel that was not told of this alert yet waits so long after the notice, in milliseconds. */
  readonly afterMs: number;
  /** Whether only a channel that was told of this alert, or is about to be, gets it. */
  readonly onlyIfTold: boolean;
}

/** A notice with all that is owed because of it. */
export interface PlannedNotice {
  readonly notice: Notice;
  readonly deliveries: readonly NewDelivery[];
}

/** A delivery that is not settled yet, with what there is to send. */
export interface DueDelivery {
  /** Its number in the database; negative for what could not be written down. */
  readonly seq: number;
  readonly notice: Notice;
  readonly state: "waiting" | "deferred";
  /** Its place in the order, and not before when it is deferred or escalates; in milliseconds since 1970. */
  readonly dueAt: number;
  /** Whether it waits to see if somebody takes care of the alert. */
  readonly escalates: boolean;
  /** Tries that have failed. */
  readonly attempts: number;
  /** When it is tried again, in milliseconds since 1970; 0 before the first try. */
  readonly nextTryAt: number;
  /** Whether the other side will not have this notice, so that others may go past it. */
  readonly refused: boolean;
}

/** One delivery as people see it. */
export interface DeliveryRecord {
  /** Id of the notice. */
  readonly notice: string;
  readonly kind: NoticeKind;
  readonly title: string;
  readonly alert: number | undefined;
  /** Name of the channel. */
  readonly channel: string;
  readonly state: DeliveryState;
  /** Whether it waits to see if somebody takes care of the alert. */
  readonly escalates: boolean;
  readonly attempts: number;
  /** The last error, or why it was skipped. */
  readonly why: string | undefined;
  /** When it was decided, in milliseconds since 1970. */
  readonly at: number;
  /** When it is tried next, in milliseconds since 1970; undefined when it is settled. */
  readonly nextTryAt: number | undefined;
  /** When it was settled, in milliseconds since 1970. */
  readonly settledAt: number | undefined;
}

/** How a try ended that was in vain. */
export interface FailedAttempt {
  readonly seq: number;
  /** In milliseconds since 1970. */
  readonly at: number;
  /** In words without secrets. */
  readonly why: string;
  /** In milliseconds since 1970. */
  readonly nextTryAt: number;
  readonly refused: boolean;
}

/** How a delivery ended. */
export interface Settlement {
  readonly seq: number;
  readonly state: "delivered" | "failed" | "skipped";
  /** In milliseconds since 1970. */
  readonly at: number;
  /** Whether a try was made for it just now. */
  readonly tried: boolean;
  /** Why it failed or was skipped. */
  readonly why: string | undefined;
}

/** What a channel is told with, whether or not the channel can send. */
export type PlannedChannel = Pick<Channel, "key" | "name" | "options">;

/** Whether a channel wants such a notice. */
export function wants({ options }: PlannedChannel, { severity, tags }: Notice): boolean {
  const { min, only } = options;
  if (SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(min)) return false;
  return only.length === 0 || only.some((tag) => tags.includes(tag));
}

/**
 * Who is told of a notice, and when. Whether a channel was told of the alert before is known to the database alone, which
 * drops what is `onlyIfTold` for the others, in the transaction in which the notice is written.
 */
export function planDeliveries(
  notice: Notice,
  channels: readonly PlannedChannel[],
): NewDelivery[] {
  return channels.flatMap((channel) => {
    const wanted = wants(channel, notice);
    const follows = notice.alert !== undefined &&
      (notice.kind === "update" || notice.kind === "recovery");
    if (!wanted && !follows) return [];
    const { key, name, options } = channel;
    const quietUntil = options.quiet === undefined ? undefined : endOf(options.quiet, notice.at);
    return [{
      channel: key,
      name,
      state: quietUntil === undefined ? "waiting" : "deferred",
      dueAt: quietUntil ?? notice.at,
      // Nobody can take care of what is no alert, so nobody is waited for.
      afterMs: notice.alert === undefined ? 0 : options.afterMs,
      onlyIfTold: notice.kind === "recovery" ? follows : !wanted,
    }];
  });
}

/** What a channel does next: send this, or nothing before a moment in milliseconds since 1970. */
export type NextDelivery = { readonly send: DueDelivery } | { readonly notBefore: number };

/**
 * The next delivery of a channel, of those that wait in the order in which they are due. One that could not be sent holds
 * up those behind it; one that the other side refused, only those of its own alert.
 */
export function nextDelivery(waiting: readonly DueDelivery[], wall: number): NextDelivery {
  const heldAlerts = new Set<number>();
  let notBefore = Infinity;
  for (const delivery of waiting) {
    const { alert } = delivery.notice;
    if (alert !== undefined && heldAlerts.has(alert)) continue;
    // What is due is due, though the wall clock may have been put back meanwhile.
    const isTimed = delivery.escalates || delivery.state === "deferred";
    const at = Math.max(isTimed ? delivery.dueAt : 0, delivery.nextTryAt);
    if (at <= wall && delivery.state === "waiting") return { send: delivery };
    notBefore = Math.min(notBefore, at);
    if (isTimed) continue;
    if (!delivery.refused) return { notBefore };
    if (alert !== undefined) heldAlerts.add(alert);
  }
  return { notBefore };
}
