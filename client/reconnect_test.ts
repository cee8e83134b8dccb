import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { RECONNECT_MAX_MS, RECONNECT_MIN_MS } from "../protocol/mod.ts";
import {
  longestDelay,
  Reconnect,
  reconnectDelay,
  SHUTDOWN_SPREAD_MS,
  shutdownDelay,
} from "./reconnect.ts";

const longestMs = RECONNECT_MAX_MS;

Deno.test("[HB-48] reconnectDelay() stays between 1 s and 60 s for every attempt", () => {
  fc.assert(
    fc.property(
      fc.nat(5_000),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, chance) => {
        const ms = reconnectDelay(attempt, { random: () => chance, longestMs });
        assert(ms >= RECONNECT_MIN_MS && ms <= RECONNECT_MAX_MS);
      },
    ),
  );
});

Deno.test("reconnectDelay() doubles its ceiling up to 60 s and spreads over all of it", () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 6].map((attempt) =>
    Math.round(reconnectDelay(attempt, { random: () => 1, longestMs }))
  );
  assertEquals(ceilings, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  assertEquals(reconnectDelay(6, { random: () => 0, longestMs }), RECONNECT_MIN_MS);
  assertEquals(reconnectDelay(5, { random: () => 0.5, longestMs }), 30_500);
});

Deno.test("[HB-48] longestDelay() is 60 s at 20 s and scales with shorter intervals, never below 1 s", () => {
  assertEquals([60_000, 20_000, 1_000, 100].map(longestDelay), [60_000, 60_000, 3_000, 1_000]);
});

Deno.test("Reconnect keeps to the interval that its server has named", () => {
  const reconnect = new Reconnect(() => 1);
  reconnect.sessionEnded({ lastedMs: 0, intervalMs: 1_000 });
  const waits = [1, 2, 3, 4].map(() => Math.round(reconnect.next()));
  assertEquals(waits, [2_000, 3_000, 3_000, 3_000]);
});

Deno.test("shutdownDelay() spreads over an interval but never over more than 10 s", () => {
  assertEquals(shutdownDelay(20_000, () => 1), SHUTDOWN_SPREAD_MS);
  assertEquals(shutdownDelay(5_000, () => 1), 5_000);
  assertEquals(shutdownDelay(100, () => 1), RECONNECT_MIN_MS);
  assertEquals(shutdownDelay(20_000, () => 0), RECONNECT_MIN_MS);
});

Deno.test("Reconnect waits longer each time and starts anew after a session of an interval", () => {
  const reconnect = new Reconnect(() => 1);
  assertEquals([reconnect.next(), reconnect.next(), reconnect.next()], [2_000, 4_000, 8_000]);
  reconnect.sessionEnded({ lastedMs: 19_999, intervalMs: 20_000 });
  assertEquals(reconnect.next(), 16_000);
  reconnect.sessionEnded({ lastedMs: 20_000, intervalMs: 20_000 });
  assertEquals(reconnect.next(), 2_000);
});
