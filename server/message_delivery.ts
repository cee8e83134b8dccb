/**
 * Messages to the client of one agent session: sent in order, each once, and marked as they go.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import { failpoint } from "../platform/failpoint.ts";
import { type FrameOf, RETRY_FULL_MAX_MS, RETRY_FULL_MIN_MS } from "../protocol/mod.ts";
import { Rerun } from "./rerun.ts";
import type { Session } from "./session.ts";
import type { MessageProgress, MessageState } from "./store_record.ts";

/** Messages that are taken from the store at once. */
const DELIVERY_BATCH = 200;
/** Bytes that may wait on a connection while more messages are handed to it. */
const DELIVERY_WINDOW_BYTES = 256 * 1024;
/** Time after which a message is sent again that the client had no space for, in milliseconds. */
const RETRY_MS = (RETRY_FULL_MIN_MS + RETRY_FULL_MAX_MS) / 2;
/** Ids in one RECEIPT. */
const RECEIPT_BATCH = 500;

/** Delivers the messages of one agent session. */
export class MessageDelivery implements Disposable {
  readonly #session: Session;
  /** Place of the last message that this session has sent. */
  #sentUpTo = 0;
  readonly #delivering = new Rerun(() => this.#sendAll());
  readonly #telling = new Rerun(() => this.#tellAll());
  #retryTimer: Timer | undefined;
  #closed = false;

  /** Sends nothing before {@linkcode deliver}. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Sends what waits for the client and has not been sent in this session, in order; never rejects. */
  async deliver(): Promise<void> {
    try {
      await this.#delivering.request();
    } catch (error) {
      this.#complain("Cannot deliver messages to {name}: {error}", error);
    }
  }

  /** Tells the client which of its own messages the operator has been shown; never rejects. */
  async tellShown(): Promise<void> {
    try {
      await this.#telling.request();
    } catch (error) {
      this.#complain("Cannot tell {name} what was shown: {error}", error);
    }
  }

  /**
   * Notes how far the client has taken messages of ours. One that cannot be noted is sent again after a
   * reconnect, and the client then drops it.
   */
  async receipted({ ids, state }: FrameOf<"RECEIPT">): Promise<void> {
    failpoint("receipt_received");
    try {
      await this.#mark(ids, state);
    } catch (error) {
      this.#complain("Cannot record a receipt of {name}: {error}", error);
    }
  }

  /** The client could not store a message: it and those behind it are sent again after a while (HB-56). */
  refused(): void {
    if (this.#retryTimer !== undefined || this.#closed) return;
    this.#retryTimer = this.#session.parts.clock.after(RETRY_MS, () => {
      this.#retryTimer = undefined;
      this.#sentUpTo = 0;
      void this.deliver();
    });
  }

  /** Stops for good: the session is over. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#retryTimer?.cancel();
  }

  get #maySend(): boolean {
    return !this.#closed && !this.#session.connection.closed && this.#retryTimer === undefined;
  }

  async #sendAll(): Promise<void> {
    while (this.#maySend && await this.#sendBatch());
  }

  /** Whether there may be more. */
  async #sendBatch(): Promise<boolean> {
    const { connection, parts, client } = this.#session;
    const range = { afterSeq: this.#sentUpTo, limit: DELIVERY_BATCH };
    const waiting = await parts.store.waitingMessages(client, range);
    const sent: string[] = [];
    for (const { id, seq, sentAt, state, text } of waiting) {
      if (connection.pendingBytes > DELIVERY_WINDOW_BYTES) await connection.flushed();
      if (!this.#maySend) break;
      connection.send({ verb: "MESSAGE", id, at: sentAt, text });
      this.#sentUpTo = seq;
      if (state === "queued") sent.push(id);
    }
    failpoint("message_sent");
    if (sent.length > 0) await this.#mark(sent, "sent");
    return waiting.length === DELIVERY_BATCH;
  }

  async #mark(ids: string[], state: MessageState): Promise<void> {
    const { parts, client, member } = this.#session;
    const at = parts.clock.wall();
    const changed: MessageProgress[] = await parts.store.markMessages(client, { ids, state, at });
    if (changed.length === 0) return;
    parts.timeline.changed();
    const to = member.record.name;
    for (const { id, text } of changed) parts.onReceipt({ id, to, text, state });
  }

  async #tellAll(): Promise<void> {
    while (!this.#closed && await this.#tellBatch());
  }

  /** Whether there may be more. */
  async #tellBatch(): Promise<boolean> {
    const { connection, parts, client } = this.#session;
    const ids = await parts.store.untoldShown(client, RECEIPT_BATCH);
    if (ids.length === 0) return false;
    if (!connection.send({ verb: "RECEIPT", ids, state: "shown" })) return false;
    await connection.flushed();
    await parts.store.markShownTold(client, ids);
    return ids.length === RECEIPT_BATCH;
  }

  #complain(template: string, error: unknown): void {
    const { member, parts } = this.#session;
    parts.log.error(template, { name: member.record.name, error: String(error) });
  }
}
