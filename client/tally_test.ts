import { assertEquals } from "@std/assert";
import { summaryLine } from "./tally.ts";

Deno.test("summaryLine() counts what was stored, and whatever else there is", () => {
  const none = { id: "1", as: "photos", already: 0, skipped: 0, failed: 0, exitCodes: new Set([]) };
  assertEquals(
    summaryLine({ ...none, stored: 1, bytes: 5 }, "photos"),
    'stored 1 file (5 B): photos as "photos"',
  );
  const all = { ...none, as: "photos (2)", already: 1_000, skipped: 3, failed: 2 };
  assertEquals(
    summaryLine({ ...all, stored: 1_998, bytes: 8_598_323 }, "./photos"),
    'stored 1,998 files (8.2 MiB), 1,000 already stored, skipped 3, failed 2: ./photos as "photos (2)"',
  );
});
