/**
 * The server's ACK: what a client must know of the session and the limits.
 *
 * @module
 */

import {
  type FrameOf,
  MAX_DATA_CONNECTIONS_PER_CLIENT,
  MAX_LINE_BYTES,
  MAX_MESSAGE_BYTES,
} from "../protocol/mod.ts";
import type { ServerParts } from "./parts.ts";

/** Makes the ACK of a new session. */
export function ackFrame(
  parts: ServerParts,
  session: { version: number; name: string },
): FrameOf<"ACK"> {
  const { clock, newId, timing, vault } = parts;
  return {
    verb: "ACK",
    hb: session.version,
    session: newId(),
    name: session.name,
    interval: timing.intervalMs,
    late: timing.lateMs,
    down: timing.downMs,
    time: clock.wall(),
    features: ["journal"],
    limits: {
      line: MAX_LINE_BYTES,
      message: MAX_MESSAGE_BYTES,
      file: vault.maxFileBytes,
      data: MAX_DATA_CONNECTIONS_PER_CLIENT,
    },
  };
}
