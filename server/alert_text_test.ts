import { assertEquals, assertStringIncludes } from "@std/assert";
import { alertText, duration, type Evidence, evidenceOf, recoveryText } from "./alert_text.ts";
import { newPresence, type StateChange } from "./presence.ts";

const EVIDENCE: Evidence = {
  last_seen: "2026-11-22T10:00:00.000Z",
  detection_ms: 50_000,
  gap_ms: 20_000,
  jitter_ms: 12,
  rtt_ms: 0.8,
  connected: true,
};
const NOTHING: Evidence = {
  last_seen: "2026-11-22T10:00:00.000Z",
  detection_ms: null,
  gap_ms: null,
  jitter_ms: null,
  rtt_ms: null,
  connected: true,
};

Deno.test("alertText() says who, why and on what evidence", () => {
  assertEquals(
    alertText("till-3", { cause: "silent", address: "10.0.0.7", evidence: EVIDENCE }),
    "ALERT till-3 is DOWN, silent: its connection is open but nothing comes (network cut, machine frozen " +
      "or asleep); last byte 2026-11-22T10:00:00.000Z, noticed after 50.0 s, usually every 20.0 s ± 12 ms, " +
      "round trip 0.8 ms, address 10.0.0.7",
  );
});

Deno.test("alertText() does not speak of a connection that is not there", () => {
  const text = alertText("till-3", {
    cause: "silent",
    address: "",
    evidence: { ...EVIDENCE, connected: false },
  });
  assertStringIncludes(text, "it has not come back since this server started");
});

Deno.test("alertText() says only what is known", () => {
  assertEquals(
    alertText("till-3", { cause: "connection lost", address: "", evidence: NOTHING }),
    "ALERT till-3 is DOWN, connection lost: it closed without a goodbye (process killed, crashed or " +
      "powered off); last byte 2026-11-22T10:00:00.000Z",
  );
  const overdue = alertText("till-3", {
    cause: "planned overdue",
    address: "",
    evidence: { ...NOTHING, gap_ms: 1_000 },
  });
  assertEquals(
    overdue,
    "ALERT till-3 is DOWN, planned overdue: it should have been back by now; last byte 2026-11-22T10:00:00.000Z, " +
      "usually every 1.0 s",
  );
  const unknown = alertText("x", { cause: "new cause", address: "", evidence: NOTHING });
  assertEquals(unknown, "ALERT x is DOWN, new cause; last byte 2026-11-22T10:00:00.000Z");
});

Deno.test("recoveryText() says how long it took and what it was", () => {
  assertEquals(
    recoveryText("till-3", { cause: "silent", downtimeMs: 250_000 }),
    "RECOVERED till-3 is UP again after 4 min 10 s (silent)",
  );
});

for (
  const [ms, text] of [
    [0, "0 ms"],
    [850, "850 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [12_345, "12.3 s"],
    [59_940, "59.9 s"],
    [60_000, "1 min 0 s"],
    [250_999, "4 min 10 s"],
    [3_599_999, "59 min 59 s"],
    [3_600_000, "1 h 0 min"],
    [10_920_000, "3 h 2 min"],
    [48 * 3_600_000 - 1, "47 h 59 min"],
    [48 * 3_600_000, "2 d 0 h"],
    [121 * 3_600_000, "5 d 1 h"],
  ] as const
) {
  Deno.test(`duration() shows ${ms} ms as ${text}`, () => assertEquals(duration(ms), text));
}

Deno.test("duration() never shows a number that belongs to the next unit", () => {
  assertEquals([duration(999.6), duration(59_960)], ["1.0 s", "1 min 0 s"]);
});

Deno.test("evidenceOf() turns monotonic moments into times of day and rounds what is measured", () => {
  const change: StateChange = {
    from: "SUSPECT",
    to: "DOWN",
    cause: "silent",
    at: 60_000,
    lastHeard: 10_000,
    downtimeMs: undefined,
    detectionMs: 50_000.4,
    flapping: false,
  };
  const presence = {
    ...newPresence(0),
    gapMs: 20_000.6,
    jitterMs: 9.87654,
    roundTripMs: undefined,
  };
  const wall = Date.UTC(2026, 10, 22, 10, 1);
  assertEquals(evidenceOf(change, { presence, clock: { now: 70_000, wall } }), {
    last_seen: "2026-11-22T10:00:00.000Z",
    detection_ms: 50_000,
    gap_ms: 20_001,
    jitter_ms: 9.877,
    rtt_ms: null,
    connected: false,
  });
});
