/**
 * A notice for tests.
 *
 * @module
 */

import type { Notice } from "./notice.ts";

/** The notice of an alert of one client, with whatever a test wants otherwise. */
export function fakeNotice(other: Partial<Notice> = {}): Notice {
  return {
    id: "0193568a-7c00-7000-8000-000000000001",
    kind: "alert",
    severity: "critical",
    at: Date.UTC(2026, 10, 22, 10),
    alert: 1,
    cause: "silent",
    clients: ["till-3"],
    tags: ["shop"],
    title: "till-3 is DOWN",
    text: "ALERT till-3 is DOWN, silent",
    ...other,
  };
}
