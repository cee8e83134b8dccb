/**
 * The messages of this machine on one connection: sent in order, each once, and taken off the outbox as the server
 * answers.
 *
 * @module
 */

import type { Clock, Random, Timer } from "../platform/clock.ts";
import { failpoint } from "../platform/failpoint.ts";
import {
  type Connection,
  type FrameOf,
  RETRY_FULL_MAX_MS,
  RETRY_FULL_MIN_MS,
} from "../protocol/mod.ts";
import type { ClientStore } from "./store.ts";

/** What became of a message of this client. */
export type MessageAnswer =
  | { id: string; state: "stored" | "shown" | "expired" }
  /** The server has no space for it now (`queued`), or does not want it (`refused`). */
  | { id: string; state: "queued" | "refused"; reason: string };

/** What a {@linkcode MessageDelivery} works with. */
export interface MessageDeliveryPorts {
  clock: Clock;
  random: Random;
  store: ClientStore;
  connection: Connection;
  onReceipt: (answer: MessageAnswer) => void;
}

/** Messages that are taken from the outbox at once. */
const OUTBOX_BATCH = 100;
/** Bytes that may wait on the connection while more messages are put on it. */
const SEND_WINDOW_BYTES = 256 * 1024;
/** Ids in one RECEIPT. */
const RECEIPT_BATCH = 500;

/** Delivers the outbox over one connection. */
export class MessageDelivery implements Disposable {
  readonly #ports: MessageDeliveryPorts;
  #sentUpTo = 0;
  #sending = false;
  #retryTimer: Timer | undefined;

  /** Sends nothing before `flush()`. */
  constructor(ports: MessageDeliveryPorts) {
    this.#ports = ports;
  }

  /** Sends what waits in the outbox and has not been sent on this connection, in order. */
  async flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      this.#expire();
      while (this.#maySend && await this.#sendBatch());
    } finally {
      this.#sending = false;
    }
  }

  /** Takes the server's word that it has stored or shown messages. */
  receipted({ ids, state }: FrameOf<"RECEIPT">): void {
    const { clock, store: { outbox }, onReceipt } = this.#ports;
    const at = clock.wall();
    failpoint("message_stored");
    if (state === "shown") outbox.markShown(ids, at);
    const changed = state === "shown" ? ids : outbox.settle(ids, { state, at });
    failpoint("message_unqueued");
    for (const id of changed) onReceipt({ id, state });
  }

  /** Takes the server's word that it could not, or would not, store a message. */
  refused({ code, reason, id }: { code: string; reason: string; id: string }): void {
    const { clock, store: { outbox }, onReceipt } = this.#ports;
    if (code === "full") return this.#holdBack(id, reason);
    outbox.settle([id], { state: "refused", at: clock.wall() });
    onReceipt({ id, state: "refused", reason });
  }

  /** Tells the server which of its messages somebody was shown. */
  tellShown(): void {
    const { connection, store } = this.#ports;
    for (let ids = store.untold(RECEIPT_BATCH); ids.length > 0; ids = store.untold(RECEIPT_BATCH)) {
      if (!connection.send({ verb: "RECEIPT", ids, state: "shown" })) return;
      failpoint("shown_told");
      store.markTold(ids);
    }
  }

  /** Sends nothing more: the connection is over. */
  [Symbol.dispose](): void {
    this.#retryTimer?.cancel();
  }

  get #maySend(): boolean {
    return !this.#ports.connection.closed && this.#retryTimer === undefined;
  }

  /** A message that the server has no space for, and all behind it, are sent again after a while (HB-56). */
  #holdBack(id: string, reason: string): void {
    const { clock, random, store, onReceipt } = this.#ports;
    if (this.#retryTimer !== undefined) return;
    const seq = store.outbox.placeOf(id);
    if (seq === undefined) return;
    const wait = RETRY_FULL_MIN_MS + random() * (RETRY_FULL_MAX_MS - RETRY_FULL_MIN_MS);
    this.#retryTimer = clock.after(wait, () => {
      this.#retryTimer = undefined;
      this.#sentUpTo = Math.min(this.#sentUpTo, seq - 1);
      // What can go wrong closes the connection, which is seen where it is read.
      this.flush().catch(() => this.#ports.connection.close());
    });
    onReceipt({ id, state: "queued", reason });
  }

  #expire(): void {
    const { clock, store, onReceipt } = this.#ports;
    for (const { id } of store.outbox.expire(clock.wall())) onReceipt({ id, state: "expired" });
  }

  /** Whether there may be more. */
  async #sendBatch(): Promise<boolean> {
    const { connection, store } = this.#ports;
    const batch = store.outbox.queuedAfter(this.#sentUpTo, OUTBOX_BATCH);
    for (const { seq, id, at, text } of batch) {
      if (connection.pendingBytes > SEND_WINDOW_BYTES) await connection.flushed();
      if (!this.#maySend) return false;
      if (!connection.send({ verb: "MESSAGE", id, at, to: "server", text })) return false;
      this.#sentUpTo = seq;
    }
    return batch.length > 0;
  }
}
