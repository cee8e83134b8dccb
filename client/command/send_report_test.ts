import { assertEquals } from "@std/assert";
import { EXIT } from "../exit_code.ts";
import { exitCodeOf, storedLine, summaryLine } from "./send_report.ts";

Deno.test("exitCodeOf() is 0 without failures, the failure's own when all failed alike, else 5", () => {
  assertEquals(exitCodeOf([], 3), EXIT.done);
  assertEquals(exitCodeOf([EXIT.noSpace], 1), EXIT.noSpace);
  assertEquals(exitCodeOf([EXIT.source, EXIT.source], 2), EXIT.source);
  assertEquals(exitCodeOf([EXIT.source], 2), EXIT.some);
  assertEquals(exitCodeOf([EXIT.source, EXIT.noSpace], 2), EXIT.some);
});

Deno.test("storedLine() tells the name and size on the server, and whether it was there", () => {
  const file = { id: "1", path: "report.pdf", as: "report (2).pdf", bytes: 1_258_291, sha256: "0" };
  const line = 'stored report.pdf as "report (2).pdf" (1.2 MiB)';
  assertEquals(storedLine(file), line);
  assertEquals(storedLine({ ...file, already: true }), `${line}, it was already there`);
});

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
