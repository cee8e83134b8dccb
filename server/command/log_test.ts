import { assertEquals } from "@std/assert";
import type { EventView } from "../json_view.ts";
import { showLine } from "./log.ts";

const HEAD = { at: "2026-11-23T10:00:00.000Z", client: "till-3" };

function words(line: Record<string, unknown>): string {
  const [, text] = showLine({ ...HEAD, ...line } as EventView) as [unknown, string];
  return text.trim();
}

Deno.test("showLine() says what a minute of heartbeats was like", () => {
  const beat = { kind: "beat", beats: 3, seq: 7, gap_ms: 20_004, gap_max_ms: 20_160 };
  assertEquals(
    words({ ...beat, rtt_ms: 0.7, rtt_max_ms: 2, skew_ms: -3, vitals: { cpu: 0.07, up: 60 } }),
    "3 heartbeats, every 20.0 s (longest 20.2 s), round trip 0.7 ms (longest 2 ms), " +
      "clock 3 ms behind, cpu 7 %, up 1 min",
  );
  const nothing = { gap_ms: null, gap_max_ms: null, rtt_ms: null, rtt_max_ms: null, skew_ms: null };
  assertEquals(words({ ...beat, ...nothing, beats: 1, vitals: null }), "1 heartbeat");
});

Deno.test("showLine() says how far a message has come, and when it did", () => {
  const message = { kind: "message", from: "server", to: "till-3", text: "hello" };
  const times = { stored_at: "2026-11-23T11:00:00.000Z", shown_at: null };
  assertEquals(
    words({ ...message, state: "stored", ...times }),
    "server -> till-3 (stored 2026-11-23T11:00:00.000Z): hello",
  );
  assertEquals(
    words({ ...message, state: "queued", stored_at: null, shown_at: null }),
    "server -> till-3 (queued): hello",
  );
  assertEquals(
    words({ ...message, from: "till-3", to: "server", state: "stored", ...times }),
    "till-3 -> server (stored): hello",
  );
});

Deno.test("showLine() tells a client's journal in words", () => {
  assertEquals(
    words({ kind: "journal", event: "server_lost", reason: "reset", client_at: "x" }),
    "the machine was on, but had lost the server: reset",
  );
});
