/**
 * The messages of the server on one connection: what arrives together is stored together, then acknowledged, then
 * shown.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import { failpoint } from "../platform/failpoint.ts";
import { MessageOrder } from "../platform/message_order.ts";
import type { Connection, FrameOf } from "../protocol/mod.ts";
import type { ClientStore } from "./store.ts";
import type { StoredMessage } from "./stored_message.ts";

/** What a {@linkcode MessageIntake} works with. */
export interface MessageIntakePorts {
  clock: Clock;
  store: ClientStore;
  connection: Connection;
  /** A message has been stored here for the first time. */
  onMessage: (message: StoredMessage) => void;
  /** Something that a person should know. */
  onWarning: (warning: string) => void;
}

/** Messages that wait to be stored together, at most. */
const MAX_BATCH = 256;

/** Takes the messages of one connection. */
export class MessageIntake implements Disposable {
  readonly #ports: MessageIntakePorts;
  #batch: StoredMessage[] = [];
  #timer: Timer | undefined;
  readonly #order = new MessageOrder();

  /** Takes nothing yet. */
  constructor(ports: MessageIntakePorts) {
    this.#ports = ports;
  }

  /** Takes a message: RECEIPT once it is on disk, REFUSE with its id when it cannot be. */
  take({ id, at, text }: FrameOf<"MESSAGE">): void {
    this.#batch.push({ id, at, text });
    if (this.#batch.length >= MAX_BATCH) return this.flush();
    // After everything that has arrived with it.
    this.#timer ??= this.#ports.clock.after(0, () => this.flush());
  }

  /** Stores what has arrived. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const batch = this.#admitted(this.#batch.splice(0));
    if (batch.length === 0) return;
    const { store, connection, onMessage } = this.#ports;
    let fresh: StoredMessage[];
    failpoint("inbox_receiving");
    try {
      fresh = store.receive(batch);
    } catch (error) {
      return this.#refuse(batch, error);
    }
    failpoint("inbox_stored");
    connection.send({ verb: "RECEIPT", ids: batch.map(({ id }) => id), state: "stored" });
    failpoint("inbox_receipted");
    for (const message of fresh) onMessage(message);
  }

  /** Drops what is not stored: it will be sent again. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#batch = [];
  }

  #admitted(batch: StoredMessage[]): StoredMessage[] {
    const { admitted, refused } = this.#order.admit(batch, this.#ports.clock.now());
    this.#answer(refused);
    return admitted;
  }

  #refuse(batch: StoredMessage[], error: unknown): void {
    const { clock, onWarning } = this.#ports;
    this.#order.refuse(batch, clock.now());
    this.#answer(batch);
    const reason = error instanceof Error ? error.message : String(error);
    onWarning(`Cannot store a message of the server: ${reason}`);
  }

  #answer(batch: StoredMessage[]): void {
    const reason = "The client could not write the message to its disk";
    for (const { id } of batch) {
      this.#ports.connection.send({ verb: "REFUSE", code: "full", reason, id });
    }
  }
}
