/**
 * The last bytes of a connection, with a bound on how long they may take.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import type { Connection } from "../protocol/mod.ts";

/** Time for the last bytes to leave, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Sends what is queued and `bytes`, then closes; never rejects, never takes longer than a second. */
export async function farewell(
  connection: Connection,
  options: { clock: Clock; bytes?: Uint8Array },
): Promise<void> {
  const timer = options.clock.after(FAREWELL_MS, () => connection.close());
  try {
    if (options.bytes !== undefined) await connection.write(options.bytes);
    await connection.flushed();
  } catch {
    // The peer is gone already; there is nobody left to tell.
  } finally {
    timer.cancel();
    connection.close();
  }
}
