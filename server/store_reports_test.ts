import { assertEquals } from "@std/assert";
import { DAY, enrolled, NOW, openFakeStore } from "./fake_store.ts";
import { LinkQuality } from "./link_quality.ts";

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
