import { assertEquals, assertThrows } from "@std/assert";
import { parseAlarmsOptions } from "./alarms_options.ts";

Deno.test("parseAlarmsOptions() plays 20 days of each kind unless told otherwise, and one to be quick", () => {
  assertEquals(parseAlarmsOptions([]), { help: false, quick: false, seeds: 20, out: "dist/bench" });
  assertEquals(parseAlarmsOptions(["--quick", "--seeds", "7"]).seeds, 1);
  assertEquals(parseAlarmsOptions(["--seeds", "7"]).seeds, 7);
});

Deno.test("parseAlarmsOptions() refuses what it does not know", () => {
  assertThrows(() => parseAlarmsOptions(["--seeds", "0"]), Error, 'it is "0"');
  assertThrows(() => parseAlarmsOptions(["--days", "1"]), Error, "--days");
});
