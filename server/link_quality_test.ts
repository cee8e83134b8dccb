import { assertEquals } from "@std/assert";
import { LinkQuality, sumOf } from "./link_quality.ts";

const DAY_MS = 24 * 3_600_000;
const DAY_0 = Date.UTC(2026, 10, 1);
/** Its number. */
const DAY = DAY_0 / DAY_MS;

Deno.test("LinkQuality sums each client's gaps and round trips up by the day, and leaves absences out", () => {
  const links = new LinkQuality(60_000);
  links.addGap("k1", 19_000, DAY_0);
  links.addGap("k1", 21_000, DAY_0 + DAY_MS - 1);
  links.addGap("k1", 60_001, DAY_0 + 1);
  links.addGap("k1", 60_000, DAY_0 + DAY_MS);
  links.addRoundTrip("k1", 3, DAY_0 + 5);
  links.addRoundTrip("k2", 5, DAY_0 + 5);
  const none = { gaps: 0, gapSum: 0, gapSquares: 0, gapMax: 0, trips: 0, tripSum: 0 };
  const first = { gaps: 2, gapSum: 40_000, gapSquares: 802_000_000, gapMax: 21_000 };
  assertEquals(links.take(), [
    { client: "k1", day: DAY, ...first, trips: 1, tripSum: 3 },
    {
      ...none,
      client: "k1",
      day: DAY + 1,
      gaps: 1,
      gapSum: 60_000,
      gapSquares: 3.6e9,
      gapMax: 60_000,
    },
    { ...none, client: "k2", day: DAY, trips: 1, tripSum: 5 },
  ]);
  assertEquals(links.take(), []);
});

Deno.test("LinkQuality adds what could not be written to what has come since", () => {
  const links = new LinkQuality(60_000);
  links.addGap("k1", 1_000, DAY_0);
  links.addGap("k2", 1_000, DAY_0);
  const unwritten = links.take();
  links.addGap("k1", 3_000, DAY_0);
  links.giveBack(unwritten);
  const days = links.take();
  assertEquals(days.map(({ client, gaps, gapSum, gapMax }) => [client, gaps, gapSum, gapMax]), [
    ["k1", 2, 4_000, 3_000],
    ["k2", 1, 1_000, 1_000],
  ]);
});

Deno.test("sumOf() of days is as if they had been one", () => {
  const [all, parts] = [new LinkQuality(60_000), new LinkQuality(60_000)];
  const gaps = [17, 20, 23, 40, 5];
  for (const [index, gap] of gaps.entries()) {
    all.addGap("k1", gap, DAY_0);
    parts.addGap("k1", gap, DAY_0 + index * DAY_MS);
    all.addRoundTrip("k1", gap / 10, DAY_0);
    parts.addRoundTrip("k1", gap / 10, DAY_0 + index * DAY_MS);
  }
  assertEquals([sumOf("k1", parts.take())], all.take());
  assertEquals(sumOf("k1", []).gaps, 0);
});
