/**
 * What operators have set, in words.
 *
 * @module
 */

import type { OverlayView } from "./alert_operations.ts";

/** What is set, in words, such as `maintenance of till-3 until 2026-11-22T12:00:00.000Z`. */
export function describeOverlay({ kind, who, ...overlay }: OverlayView): string {
  const what = { maintenance: "maintenance", plan: "planned absence", snooze: "snooze" }[kind];
  return `${what} of ${who} ${spanOf(overlay)}`;
}

/** For how long something is set, in words. */
export function spanOf(
  { until, until_back, every, zone }: Pick<OverlayView, "until" | "until_back" | "every" | "zone">,
): string {
  if (every !== null) return `every ${every} (${zone})`;
  if (until === null) return "until it is back";
  return until_back ? `until it is back, at most until ${until}` : `until ${until}`;
}
