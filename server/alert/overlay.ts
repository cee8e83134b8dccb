/**
 * What operators set over the state of clients: maintenance, planned absences and snoozes. Pure; times are milliseconds since
 * 1970. Measurement goes on under all of them.
 *
 * @module
 */

import { endOf, isWithin, nextChange, type WeeklyWindow } from "./calendar.ts";
import type { AlertSubject } from "./failure_group.ts";

/**
 * What is set: `maintenance` raises no alert; `plan` raises none either, and one with the cause `planned overdue` when the
 * client is not back at its end; `snooze` raises alerts and tells nobody before its end.
 */
export type OverlayKind = "maintenance" | "plan" | "snooze";

/** Whom it is for: one client by its id, all with a tag, or everybody. */
export type OverlayTarget =
  | { readonly client: string }
  | { readonly tag: string }
  | { readonly all: true };

/** One thing that an operator has set. */
export interface Overlay {
  readonly id: number;
  readonly kind: OverlayKind;
  readonly target: OverlayTarget;
  /** When it was set. */
  readonly at: number;
  /** When it ends; undefined for a weekly window, and for one that lasts until the client is back. */
  readonly until: number | undefined;
  /** Whether it ends when its client is back after it was away. */
  readonly untilBack: boolean;
  /** Every week in this window. */
  readonly weekly: WeeklyWindow | undefined;
  readonly by: string;
  readonly note: string | undefined;
}

/** What an operator sets, before it has a number. */
export type NewOverlay = Omit<Overlay, "id">;

/** Whether an overlay is for this client. */
export function isFor(
  { target }: Overlay,
  { client, subject }: { client: string; subject: AlertSubject | undefined },
): boolean {
  if ("all" in target) return true;
  if ("client" in target) return target.client === client;
  return subject?.tags.includes(target.tag) === true;
}

/** Whether an overlay holds at this moment. */
export function isActive(overlay: Overlay, wall: number): boolean {
  if (overlay.until !== undefined && wall >= overlay.until) return false;
  return overlay.weekly === undefined || isWithin(overlay.weekly, wall);
}

/** Whether an overlay will never hold again. */
export function isOver({ until }: Overlay, wall: number): boolean {
  return until !== undefined && wall >= until;
}

/** The next moment at which an overlay begins or ceases to hold; undefined when time alone does not change it. */
export function nextTurn({ until, weekly }: Overlay, wall: number): number | undefined {
  const turn = weekly === undefined ? undefined : nextChange(weekly, wall);
  if (until === undefined || until <= wall) return turn;
  return turn === undefined ? until : Math.min(until, turn);
}

/** When an overlay that holds now ceases to; undefined when that is not known. */
export function activeUntil({ until, weekly }: Overlay, wall: number): number | undefined {
  const end = weekly === undefined ? undefined : endOf(weekly, wall);
  if (end === undefined) return until;
  return until === undefined ? end : Math.min(until, end);
}
