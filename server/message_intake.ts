/**
 * Messages of the peer of one session: stored in their order, then acknowledged, then shown.
 *
 * One call of the store is under way at a time; what arrives meanwhile shares the next one. So a message that
 * could not be stored is never overtaken by one behind it, and a fast sender costs few calls and few receipts.
 *
 * @module
 */

import { failpoint } from "../platform/failpoint.ts";
import { MessageOrder } from "../platform/message_order.ts";
import type { FrameOf } from "../protocol/mod.ts";
import type { Session } from "./session.ts";

/** Messages of one peer that are being stored, or wait for it; the next is not read before one is done. */
export const MAX_STORING = 256;

type Message = FrameOf<"MESSAGE">;

/** Takes the messages of one session. */
export class MessageIntake {
  readonly #session: Session;
  readonly #waiting: Message[] = [];
  #storing = 0;
  #onRoom: (() => void) | undefined;
  readonly #order = new MessageOrder();

  /** Takes nothing yet. */
  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Takes a message: RECEIPT once it is on disk, REFUSE with its id when it cannot be. Resolves when there is room
   * for the next.
   */
  async take(frame: Message): Promise<void> {
    this.#waiting.push(frame);
    if (this.#storing === 0) void this.#store();
    while (this.#waiting.length + this.#storing >= MAX_STORING) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
    }
  }

  /** Lets nobody wait for room any more: the session is over. */
  end(): void {
    this.#onRoom?.();
  }

  /** Stores what waits, one batch after the other; never rejects. */
  async #store(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#admitted(this.#waiting.splice(0));
      this.#storing = batch.length;
      if (batch.length > 0) await this.#storeBatch(batch);
      this.#storing = 0;
      this.#onRoom?.();
    }
  }

  async #storeBatch(batch: Message[]): Promise<void> {
    const { connection, member, parts, client } = this.#session;
    const at = parts.clock.wall();
    failpoint("message_received");
    let fresh: Set<string>;
    try {
      const messages = batch.map(({ id, at: sentAt, text }) => ({ id, sentAt, text }));
      fresh = new Set(await parts.store.receiveMessages(client, { messages, at }));
    } catch (error) {
      const { name } = member.record;
      parts.log.error("Cannot store a message of {name}: {error}", { name, error: String(error) });
      return this.#refuse(batch);
    }
    failpoint("message_committed");
    connection.send({ verb: "RECEIPT", ids: batch.map(({ id }) => id), state: "stored" });
    failpoint("message_receipted");
    if (fresh.size > 0) parts.timeline.changed();
    for (const { id, text } of batch) {
      if (fresh.delete(id)) parts.onMessage({ id, client, from: member.record.name, text });
    }
  }

  #admitted(batch: Message[]): Message[] {
    const { admitted, refused } = this.#order.admit(batch, this.#session.parts.clock.now());
    this.#answer(refused);
    return admitted;
  }

  #refuse(batch: Message[]): void {
    this.#order.refuse(batch, this.#session.parts.clock.now());
    this.#answer(batch);
  }

  #answer(batch: Message[]): void {
    const reason = "The server could not write the message to its disk";
    for (const { id } of batch) {
      this.#session.connection.send({ verb: "REFUSE", code: "full", reason, id });
    }
  }
}
