/**
 * Changes of alerts for tests of what is stored.
 *
 * @module
 */

import type { AlertChange } from "../store_record.ts";

/** A change of the alert of one client, which opens it unless a test says otherwise. */
export function fakeAlertChange(
  about: { id: number; client: string; at: number } & Partial<Pick<AlertChange, "what">>,
): AlertChange {
  const { id, client, at, what = "opened" } = about;
  const evidence = {
    last_seen: new Date(at - 50_000).toISOString(),
    detection_ms: 50_000,
    gap_ms: 20_000,
    jitter_ms: 12,
    rtt_ms: 0.8,
    connected: true,
  };
  const isOver = what === "resolved";
  return {
    at,
    what,
    alert: {
      ...{ id, kind: "down", cause: "silent", severity: "critical", openedAt: at, toldAt: at },
      ...{ scope: undefined, acknowledgement: undefined, words: undefined },
    },
    evidence,
    members: [{
      ...{ client, status: isOver ? "back" : "down", cause: "silent", lastSeenAt: at - 50_000 },
      downAt: at,
      endedAt: isOver ? at : undefined,
      downtimeMs: isOver ? 50_000 : undefined,
      evidence,
    }],
  };
}
