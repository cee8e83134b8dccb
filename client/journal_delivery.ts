/**
 * The journal on one connection: sent in bounded parts, the next one when the server has the last.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { failpoint } from "../platform/failpoint.ts";
import { type Connection, type FrameOf, MAX_JOURNAL_ENTRIES_PER_FRAME } from "../protocol/mod.ts";
import type { Journal } from "./journal.ts";

/** What a {@linkcode JournalDelivery} works with. */
export interface JournalDeliveryPorts {
  clock: Pick<Clock, "wall">;
  journal: Journal;
  connection: Connection;
}

/** Delivers the journal over one connection whose server takes it. */
export class JournalDelivery {
  readonly #ports: JournalDeliveryPorts;
  /** The part whose answer is waited for. */
  #underWay: { last: number; dropped: number } | undefined;

  /** Sends nothing before `flush()`. */
  constructor(ports: JournalDeliveryPorts) {
    this.#ports = ports;
  }

  /** Sends the next part, unless one is under way or there is none. */
  flush(): void {
    if (this.#underWay !== undefined) return;
    const { clock, connection, journal } = this.#ports;
    const entries = journal.unsent(MAX_JOURNAL_ENTRIES_PER_FRAME);
    const last = entries.at(-1)?.seq;
    if (last === undefined) return;
    const { dropped } = journal;
    this.#underWay = { last, dropped };
    const at = Math.max(0, Math.trunc(clock.wall()));
    connection.send({ verb: "JOURNAL", journal: journal.id, at, dropped, entries });
  }

  /** Takes the server's word that it has a part. */
  journaled({ journal: id, seq }: FrameOf<"JOURNALED">): void {
    const { journal } = this.#ports;
    if (this.#underWay === undefined || id !== journal.id) return;
    const { last, dropped } = this.#underWay;
    failpoint("journal_stored");
    // The server may know more than was sent, from before this machine forgot it.
    journal.markSent(Math.min(seq, last), dropped);
    this.#underWay = undefined;
    this.flush();
  }
}
