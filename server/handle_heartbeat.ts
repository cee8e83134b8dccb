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
  const presence = watch.get(client);
  timeline.beat(client, {
    seq: frame.seq,
    gap_ms: rounded(presence?.gapMs),
    rtt_ms: rounded(presence?.roundTripMs),
    skew_ms: member.skewMs,
    vitals: frame.vitals ?? null,
  });
  parts.log.debug("{name}: heartbeat {seq}", { name: member.record.name, seq: frame.seq });
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000) / 1000;
}
