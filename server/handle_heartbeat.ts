/**
 * What the server does with a heartbeat: answer, measure, note.
 *
 * @module
 */

import type { FrameOf } from "../protocol/mod.ts";
import type { Session } from "./session.ts";

/** Answers BEAT and measures; a tool's heartbeat is answered and counts for nothing. */
export function handleHeartbeat(frame: FrameOf<"HEARTBEAT">, session: Session): void {
  const { connection, member, parts, client } = session;
  const { clock, watch, timeline } = parts;
  const at = clock.wall();
  connection.send({ verb: "BEAT", seq: frame.seq, at });
  if (!session.isAgent) return;
  session.ping();
  watch.event(client, { kind: "beat" });
  member.vitals = frame.vitals;
  member.skewMs = frame.at - at;
  timeline.beat(client, { seq: frame.seq, skewMs: member.skewMs, vitals: frame.vitals });
  parts.log.debug("{name}: heartbeat {seq}", { name: member.record.name, seq: frame.seq });
}
