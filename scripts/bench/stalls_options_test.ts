import { assertEquals, assertThrows } from "@std/assert";
import { parseStallsOptions } from "./stalls_options.ts";

Deno.test("parseStallsOptions() adds 50 ms to each commit unless told otherwise", () => {
  const { seconds, commitMs, scratch, out } = parseStallsOptions([]);
  assertEquals([seconds, commitMs, scratch, out], [20, 50, "/var/tmp", "dist/bench"]);
  assertEquals(parseStallsOptions(["--commit-ms", "0", "--seconds", "3"]).commitMs, 0);
  assertEquals(parseStallsOptions(["--quick", "--seconds", "3"]).seconds, 2);
});

Deno.test("parseStallsOptions() refuses times that there are not", () => {
  assertThrows(() => parseStallsOptions(["--seconds", "0"]), Error, 'it is "0"');
  assertThrows(() => parseStallsOptions(["--commit-ms", "-1"]), Error);
  assertThrows(() => parseStallsOptions(["--commit-ms", "10001"]), Error, 'it is "10001"');
  assertThrows(() => parseStallsOptions(["more"]), Error, "more");
});
