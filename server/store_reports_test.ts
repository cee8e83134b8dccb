import { assertEquals } from "@std/assert";
import { DAY, enrolled, NOW, openFakeStore } from "./fake_store.ts";
import { LinkQuality } from "./link_quality.ts";
import { MAX_REPORT_LINES } from "./store_reports.ts";

/** A year, and a month to look back at it. */
const KEPT_DAYS = 400;

Deno.test("addLinks() adds to a client's days, linkDays() gives those whose noon lies in a span, prune() lets old ones go", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const links = new LinkQuality(60_000);
  for (const gap of [10, 30]) {
    links.addGap("k1", gap, NOW);
    links.addRoundTrip("k1", gap, NOW);
    store.addLinks(links.take());
  }
  const day = Math.floor(NOW / DAY);
  const noon = (day + 0.5) * DAY;
  const sums = { gaps: 2, gapSum: 40, gapSquares: 1_000, gapMax: 30, trips: 2, tripSum: 40 };
  assertEquals(store.linkDays("k1", { from: noon, to: noon + 1 }), [{
    client: "k1",
    day,
    ...sums,
  }]);
  assertEquals(store.linkDays("k1", { from: noon + 1, to: noon + DAY }), []);
  assertEquals(store.linkDays("k1", { from: noon - DAY, to: noon }), []);
  assertEquals(store.linkDays("k2", { from: 0, to: NOW + DAY }), []);
  assertEquals(store.prune((day + KEPT_DAYS) * DAY), 0);
  assertEquals(store.prune((day + KEPT_DAYS) * DAY + 1), 1);
});

Deno.test("serverAbsences() gives when the server did not run, and when it stood still", () => {
  using place = openFakeStore();
  const { store } = place;
  const line = (at: number, data: object) => store.addEvents([{ at, kind: "audit", data }]);
  const from = new Date(NOW - 10).toISOString();
  line(NOW - 1, { action: "started", away_from: from });
  line(NOW, { action: "started" });
  line(NOW + 1, { action: "started", away_from: from });
  line(NOW + 2, { action: "stopped" });
  line(NOW + 3, { action: "away", away_from: from });
  assertEquals(store.serverAbsences(NOW), [
    { from: NOW - 10, to: NOW + 1 },
    { from: NOW - 10, to: NOW + 3 },
  ]);
});

Deno.test("noteAlive() keeps the last moment only", () => {
  using place = openFakeStore();
  const { store } = place;
  assertEquals(store.lastAlive(), undefined);
  store.noteAlive(NOW);
  store.noteAlive(NOW + 1);
  assertEquals(store.lastAlive(), NOW + 1);
});

Deno.test("reportLines() gives what a report turns on, with how its span began and what came the day after", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const state = (at: number, state: string, from: string | null) =>
    store.addEvents([{ at: NOW + at, client: "k1", kind: "state", data: { state, from } }]);
  const audit = (at: number, action: string) =>
    store.addEvents([{ at: NOW + at, client: "k1", kind: "audit", data: { action } }]);
  const lines = (from: number, to: number) =>
    store.reportLines("k1", { from: NOW + from, to: NOW + to })
      .map(({ at, data }) => `${at - NOW} ${data.state ?? data.action}`);
  state(0, "UP", null);
  state(1, "LATE", "UP");
  state(2, "SUSPECT", "LATE");
  state(3, "DOWN", "SUSPECT");
  state(3, "FLAPPING", "DOWN");
  audit(4, "replaced");
  state(5, "UP", "DOWN");
  audit(6, "revoked");
  state(7 + DAY, "UP", null);
  const first = ["0 UP", "3 DOWN", "3 FLAPPING", "5 UP", "6 revoked"];
  assertEquals(lines(0, 7), first);
  assertEquals(lines(0, 8), [...first, `${7 + DAY} UP`]);
  assertEquals(lines(3, 7), first);
  assertEquals(lines(4, 7), first.slice(1));
  assertEquals(lines(7, 7), ["3 FLAPPING", "6 revoked"]);
});

Deno.test("reportLines() has room for a month of a link that is LATE every minute", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const data = { state: "LATE", from: "UP" };
  const late = Array.from({ length: MAX_REPORT_LINES + 1 }, (_, second) => ({
    ...{ at: NOW + second * 1_000, client: "k1", kind: "state" as const, data },
  }));
  store.addEvents(late);
  const at = NOW + late.length * 1_000;
  store.addEvents([{ at, client: "k1", kind: "state", data: { state: "DOWN", from: "SUSPECT" } }]);
  const lines = store.reportLines("k1", { from: NOW, to: at + 1 });
  assertEquals(lines.map(({ data }) => data.state), ["DOWN"]);
});
