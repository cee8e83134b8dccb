/**
 * Notices for one channel that could not be written down because the disk is full: held in memory, bounded, and remembered once
 * they are told, so that they are not told again when they are written after all.
 *
 * @module
 */

import type { DueDelivery } from "./delivery.ts";
import type { Notice } from "./notice.ts";

/** Notices that wait in memory for one channel at most; beyond that the oldest are left out. About 1 KiB each. */
export const MAX_UNWRITTEN = 200;
/** Notices told from memory that are remembered. */
const MAX_REMEMBERED = 1_000;

/** What one channel is owed that no database knows of. */
export class UnwrittenNotices {
  #waiting: DueDelivery[] = [];
  #lastSeq = 0;
  readonly #toldIds = new Set<string>();
  readonly #toldAlerts = new Set<number>();

  /** What waits. */
  get waiting(): readonly DueDelivery[] {
    return this.#waiting;
  }

  /** Adds a notice; those that are left out for it. */
  add(notice: Notice, { dueAt, escalates }: { dueAt: number; escalates: boolean }): Notice[] {
    const seq = --this.#lastSeq;
    const nothing = { attempts: 0, nextTryAt: 0, refused: false };
    this.#waiting.push({ seq, notice, state: "waiting", dueAt, escalates, ...nothing });
    const over = this.#waiting.splice(0, Math.max(0, this.#waiting.length - MAX_UNWRITTEN));
    return over.map(({ notice }) => notice);
  }

  /** Forgets those that stand in the database by now. */
  dropWritten(written: readonly DueDelivery[]): void {
    if (this.#waiting.length === 0) return;
    const ids = new Set(written.map(({ notice }) => notice.id));
    this.#waiting = this.#waiting.filter(({ notice }) => !ids.has(notice.id));
  }

  /** Forgets what waits to see if somebody takes care of an alert. */
  dropEscalations(alert: number): void {
    this.#waiting = this.#waiting
      .filter(({ notice, escalates }) => notice.alert !== alert || !escalates);
  }

  /** Forgets one of them. */
  drop(seq: number): void {
    this.#waiting = this.#waiting.filter((delivery) => delivery.seq !== seq);
  }

  /** Notes that a try was in vain. */
  noteAttempt(seq: number, tried: Pick<DueDelivery, "attempts" | "refused">): void {
    this.#waiting = this.#waiting
      .map((delivery) => delivery.seq === seq ? { ...delivery, ...tried } : delivery);
  }

  /** Remembers that a notice was told. */
  noteTold({ id, alert }: Notice): void {
    remember(this.#toldIds, id);
    if (alert !== undefined) remember(this.#toldAlerts, alert);
  }

  /** Whether a notice was told from here. */
  wasTold({ id }: Notice): boolean {
    return this.#toldIds.has(id);
  }

  /** Whether an alert was told from here, or is about to be. */
  knows(alert: number): boolean {
    return this.#toldAlerts.has(alert) ||
      this.#waiting.some(({ notice, escalates }) => notice.alert === alert && !escalates);
  }
}

/** Adds to what is remembered, and forgets the oldest of too many. */
function remember<T>(known: Set<T>, item: T): void {
  known.add(item);
  if (known.size <= MAX_REMEMBERED) return;
  for (const oldest of known) {
    known.delete(oldest);
    return;
  }
}
