/**
 * Puts what a client noted while it had no server into its timeline, each entry once.
 *
 * @module
 */

import { type FrameOf, ProtocolError } from "../protocol/mod.ts";
import { failpoint } from "../platform/failpoint.ts";
import type { Session } from "./session.ts";

/** The latest moment that a Date can hold, in milliseconds since 1970 (ECMA-262, 21.4.1.1). */
const MAX_DATE_MS = 8.64e15;

/** Takes the journal of one agent session. */
export class JournalIntake {
  readonly #session: Session;
  #storing = false;

  /** Takes nothing yet. */
  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Takes a part, and answers JOURNALED once it is on disk; a slow disk does not hold up what comes behind it.
   * Throws a ProtocolError when the answer to the last part has not been waited for.
   */
  take(frame: FrameOf<"JOURNAL">): void {
    if (this.#storing) {
      throw new ProtocolError("unexpected", "Cannot take JOURNAL before the last is answered");
    }
    this.#storing = true;
    void this.#store(frame);
  }

  async #store({ journal, at, dropped, entries }: FrameOf<"JOURNAL">): Promise<void> {
    const { connection, member, parts, client } = this.#session;
    const now = parts.clock.wall();
    // By how much the client's clock is ahead.
    const skew = at - now;
    try {
      const added = await parts.store.addJournal(client, {
        journal,
        at: now,
        entries: entries.map(({ seq, at: clientAt, ...entry }, index) => ({
          seq,
          at: Math.max(0, Math.min(now, clientAt - skew)),
          data: {
            ...entry,
            client_at: new Date(Math.min(clientAt, MAX_DATE_MS)).toISOString(),
            ...(index === 0 && dropped > 0 ? { dropped } : {}),
          },
        })),
      });
      failpoint("journal_committed");
      const seq = entries.reduce((last, entry) => Math.max(last, entry.seq), 0);
      connection.send({ verb: "JOURNALED", journal, seq });
      if (added > 0) parts.timeline.changed();
    } catch (error) {
      const { name } = member.record;
      parts.log.error("Cannot store the journal of {name}: {error}", {
        name,
        error: String(error),
      });
    } finally {
      this.#storing = false;
    }
  }
}
