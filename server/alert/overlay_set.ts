/**
 * All that operators have set, and what it means for one client at one moment. Pure; times are milliseconds since 1970.
 *
 * @module
 */

import type { AlertSubject } from "./failure_group.ts";
import { isActive, isFor, isOver, nextTurn, type Overlay, type OverlayKind } from "./overlay.ts";

/** How long after its end a planned absence is the reason for an alert, in milliseconds: timers are late at times. */
const OVERDUE_MS = 60_000;

/** A client at a moment. */
export interface ClientMoment {
  readonly subject: AlertSubject | undefined;
  readonly wall: number;
}

/** What operators have set. */
export class OverlaySet {
  readonly #overlays = new Map<number, Overlay>();
  /** Ends of planned absences that have just run out, by what they were for. */
  #overdue: Overlay[] = [];
  #dropped: number[] = [];

  /** Takes over what is stored. */
  constructor(overlays: Iterable<Overlay> = []) {
    for (const overlay of overlays) this.add(overlay);
  }

  /** Whether nothing is set. */
  get isEmpty(): boolean {
    return this.#overlays.size === 0;
  }

  /** All, in the order in which they were set. */
  all(): Overlay[] {
    return [...this.#overlays.values()];
  }

  /** Adds one. */
  add(overlay: Overlay): void {
    this.#overlays.set(overlay.id, overlay);
  }

  /** Removes one; undefined when it is not there. */
  remove(id: number): Overlay | undefined {
    const overlay = this.#overlays.get(id);
    this.#overlays.delete(id);
    return overlay;
  }

  /** Those that hold for a client now. */
  activeFor(client: string, { subject, wall }: ClientMoment): Overlay[] {
    return this.all().filter((overlay) =>
      isFor(overlay, { client, subject }) && isActive(overlay, wall)
    );
  }

  /** Whether no alert is raised for a client now. */
  isMuted(client: string, moment: ClientMoment): boolean {
    return this.#has(client, { moment, kinds: ["maintenance", "plan"] });
  }

  /** Whether nobody is told of a client now. */
  isSnoozed(client: string, moment: ClientMoment): boolean {
    return this.#has(client, { moment, kinds: ["snooze"] });
  }

  /** Whether a planned absence of a client has just run out. */
  wasPlanned(client: string, { subject, wall }: ClientMoment): boolean {
    return this.#overdue.some((overlay) =>
      isFor(overlay, { client, subject }) && wall - (overlay.until ?? wall) <= OVERDUE_MS
    );
  }

  /** The next moment at which something begins or ceases to hold. */
  nextTurn(wall: number): number | undefined {
    let next: number | undefined;
    for (const overlay of this.#overlays.values()) {
      // One that has run out is dropped at once.
      const turn = isOver(overlay, wall) ? wall : nextTurn(overlay, wall);
      if (turn !== undefined) next = Math.min(next ?? Infinity, turn);
    }
    return next;
  }

  /** Removes what will never hold again. */
  dropOver(wall: number): void {
    this.#overdue = this.#overdue.filter(({ until }) => wall - (until ?? wall) <= OVERDUE_MS);
    for (const overlay of this.all()) {
      if (!isOver(overlay, wall)) continue;
      if (overlay.kind === "plan") this.#overdue.push(overlay);
      this.#drop(overlay);
    }
  }

  /** Removes what lasts until a client is back, as it is now; it is always set for one client. */
  dropUntilBack(client: string, subject: AlertSubject | undefined): void {
    for (const overlay of this.all()) {
      if (overlay.untilBack && isFor(overlay, { client, subject })) this.#drop(overlay);
    }
  }

  /** The numbers of those that were removed by time or by a return, once. */
  takeDropped(): number[] {
    return this.#dropped.splice(0);
  }

  #drop({ id }: Overlay): void {
    this.#overlays.delete(id);
    this.#dropped.push(id);
  }

  #has(
    client: string,
    { moment, kinds }: { moment: ClientMoment; kinds: readonly OverlayKind[] },
  ): boolean {
    const { subject, wall } = moment;
    for (const overlay of this.#overlays.values()) {
      if (!kinds.includes(overlay.kind) || !isActive(overlay, wall)) continue;
      if (isFor(overlay, { client, subject })) return true;
    }
    return false;
  }
}
