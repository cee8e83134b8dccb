/**
 * What nobody reports about a connection and has to be looked for: writes that stand still, and a machine that
 * has slept meanwhile. Looked at every few seconds by whoever owns the connection.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { type Connection, WRITE_STALL_MS } from "../protocol/mod.ts";

/** Parting of wall clock and monotonic clock that means that the machine slept, in milliseconds. */
export const SLEPT_MS = 5_000;

/** Remembers what the last looks have shown. */
export class ConnectionWatch {
  readonly #connection: Pick<Connection, "bytesWritten" | "pendingBytes">;
  readonly #clock: Clock;
  #movedAt: number;
  #bytesWritten = -1;
  #drift: number;

  /** Begins to watch now. */
  constructor(connection: Pick<Connection, "bytesWritten" | "pendingBytes">, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#movedAt = clock.now();
    this.#drift = clock.wall() - clock.now();
  }

  /** Whether bytes wait and none has been written for WRITE_STALL_MS. */
  isStuck(): boolean {
    const { bytesWritten, pendingBytes } = this.#connection;
    const now = this.#clock.now();
    if (pendingBytes === 0 || bytesWritten !== this.#bytesWritten) this.#movedAt = now;
    this.#bytesWritten = bytesWritten;
    return now - this.#movedAt >= WRITE_STALL_MS;
  }

  /** Whether the wall clock has left the monotonic one, which stands still in sleep, since the last look. */
  hasSlept(): boolean {
    const drift = this.#clock.wall() - this.#clock.now();
    const hasSlept = Math.abs(drift - this.#drift) > SLEPT_MS;
    this.#drift = drift;
    return hasSlept;
  }
}
