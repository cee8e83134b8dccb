import { assertEquals, assertThrows } from "@std/assert";
import { parseSoakOptions } from "./soak_options.ts";

const SPEC = {
  kills: { default: 200, min: 2, max: 1_000, about: "kills" },
  minutes: { default: 10, min: 0.1, max: 60, fraction: true, about: "time" },
};

Deno.test("parseSoakOptions() takes numbers, and the usual ones where none are given", () => {
  assertEquals(parseSoakOptions([], SPEC), { kills: 200, minutes: 10 });
  assertEquals(parseSoakOptions(["--kills", "40", "--minutes=0.5"], SPEC), {
    kills: 40,
    minutes: 0.5,
  });
  assertEquals(parseSoakOptions(["--kills", "40", "--help"], SPEC), "help");
});

Deno.test("parseSoakOptions() refuses what is no number, out of range, broken where it may not be, or unknown", () => {
  for (const kills of ["1", "1001", "2.5", "many", ""]) {
    assertThrows(() => parseSoakOptions(["--kills", kills], SPEC), Error, "Cannot take --kills");
  }
  for (const kills of ["2", "3", "1000"]) parseSoakOptions(["--kills", kills], SPEC);
  assertThrows(() => parseSoakOptions(["--deaths", "4"], SPEC), Error, "--deaths");
});
