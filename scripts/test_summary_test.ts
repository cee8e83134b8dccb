import { assertEquals } from "@std/assert";
import { readTestSummary } from "./test_summary.ts";

Deno.test("readTestSummary() reads the last summary, with steps, ignored and filtered tests or without", () => {
  assertEquals(readTestSummary("ok | 1 passed | 0 failed (7ms)\n"), {
    passed: 1,
    failed: 0,
    ignored: 0,
  });
  assertEquals(
    readTestSummary(
      "ok | 9 passed | 9 failed\nx\nFAILED | 12 passed (3 steps) | 2 failed (1 step) | 4 ignored | 5 filtered out (1m2s)\n",
    ),
    { passed: 12, failed: 2, ignored: 4 },
  );
});

Deno.test("readTestSummary() does not take other lines for a summary", () => {
  assertEquals(readTestSummary(""), undefined);
  assertEquals(readTestSummary("a ok | 1 passed | 0 failed\nok | passed | failed\n"), undefined);
});
