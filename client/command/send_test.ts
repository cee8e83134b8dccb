import { assertEquals } from "@std/assert";
import { ClientError } from "../client_error.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { exitCodeOf, storedLine } from "./send.ts";

const failures = (...codes: ExitCode[]) =>
  codes.map((exitCode) => new ClientError("x", { exitCode }));

Deno.test("exitCodeOf() is 0 without failures, the failure's own when all failed alike, else 5", () => {
  assertEquals(exitCodeOf([], 3), EXIT.done);
  assertEquals(exitCodeOf(failures(EXIT.noSpace), 1), EXIT.noSpace);
  assertEquals(exitCodeOf(failures(EXIT.source, EXIT.source), 2), EXIT.source);
  assertEquals(exitCodeOf(failures(EXIT.source), 2), EXIT.some);
  assertEquals(exitCodeOf(failures(EXIT.source, EXIT.noSpace), 2), EXIT.some);
});

Deno.test("storedLine() tells the name and size on the server", () => {
  const file = { id: "1", path: "report.pdf", as: "report (2).pdf", bytes: 1_258_291, sha256: "0" };
  assertEquals(storedLine(file), 'stored report.pdf as "report (2).pdf" (1.2 MiB)');
});
