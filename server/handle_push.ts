/**
 * Files for the client of one agent session: what waits for it is announced with PUSH, in order, and again
 * after a while when it could not take it.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import { Rerun } from "./rerun.ts";
import type { Session } from "./session.ts";
import type { PushOutcome } from "./store_record.ts";

/** Pushes of one client that are announced and not answered at a time. */
export const MAX_ANNOUNCED = 100;
/** Time after which a push is announced again that the client could not take, in milliseconds. */
export const PUSH_RETRY_MS = 60_000;
/** Bytes that may wait on a connection while more pushes are announced on it. */
const ANNOUNCE_WINDOW_BYTES = 256 * 1024;

/** Announces the pushes of one agent session. */
export class PushDelivery implements Disposable {
  #session: Session;
  /** Announced and not answered. */
  #announced = new Set<string>();
  /** Not to be announced before a moment of the monotonic clock. */
  #later = new Map<string, number>();
  #timer: Timer | undefined;
  readonly #announcing = new Rerun(() => this.#closed ? Promise.resolve() : this.#announce());
  #closed = false;

  /** Announces nothing before {@linkcode deliver}. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Announces what waits for the client and has not been announced in this session; never rejects. */
  async deliver(): Promise<void> {
    try {
      await this.#announcing.request();
    } catch (error) {
      const { member, parts } = this.#session;
      parts.log.error("Cannot announce files to {name}: {error}", {
        name: member.record.name,
        error: String(error),
      });
    }
  }

  /** The client has answered a push, on this connection or on that of the file's bytes. */
  ended(id: string, outcome: PushOutcome): void {
    if (this.#closed) return;
    this.#announced.delete(id);
    this.#later.delete(id);
    if (outcome === "later") {
      this.#later.set(id, this.#session.parts.clock.now() + PUSH_RETRY_MS);
      this.#startTimer();
    }
    // Asking the store for every single answer would read the same long list a thousand times.
    if (this.#announced.size <= MAX_ANNOUNCED / 2) void this.deliver();
  }

  /** Stops for good: the session is over. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #announce(): Promise<void> {
    const { connection, parts: { clock, store }, client } = this.#session;
    const waiting = await store.waitingPushes(client, MAX_ANNOUNCED + this.#later.size);
    const now = clock.now();
    this.#forget(new Set(waiting.map(({ id }) => id)));
    const ids: string[] = [];
    for (const { id, name, bytes, sha256, state } of waiting) {
      if (this.#announced.size >= MAX_ANNOUNCED) break;
      if (this.#announced.has(id) || (this.#later.get(id) ?? now) > now) continue;
      if (connection.pendingBytes > ANNOUNCE_WINDOW_BYTES) await connection.flushed();
      if (connection.closed) break;
      connection.send({ verb: "PUSH", id, path: [name], size: bytes, sha256 });
      this.#announced.add(id);
      this.#later.delete(id);
      if (state === "queued") ids.push(id);
    }
    if (ids.length > 0) await store.markPushesSent(client, { ids, at: clock.wall() });
  }

  /** Drops what does not wait any more, whoever ended it. */
  #forget(waiting: Set<string>): void {
    for (const id of this.#announced) if (!waiting.has(id)) this.#announced.delete(id);
    for (const id of this.#later.keys()) if (!waiting.has(id)) this.#later.delete(id);
  }

  #startTimer(): void {
    const { clock } = this.#session.parts;
    const now = clock.now();
    const moments = [...this.#later.values()].filter((at) => at > now);
    if (this.#timer !== undefined || moments.length === 0) return;
    this.#timer = clock.after(Math.min(...moments) - now, () => {
      this.#timer = undefined;
      this.#startTimer();
      void this.deliver();
    });
  }
}
