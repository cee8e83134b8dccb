import { assertEquals } from "@std/assert";
import { EXIT } from "../exit_code.ts";
import { exitCodeOf, storedLine } from "./send_report.ts";

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
