import { assertEquals } from "@std/assert";
import { VERSION_MAX, VERSION_MIN } from "./limits.ts";
import { commonVersion, OWN_VERSIONS, type VersionRange } from "./version.ts";

Deno.test("commonVersion() chooses the highest version of both ranges, whichever stands first [HB-21]", () => {
  const cases: [VersionRange, VersionRange, number | undefined][] = [
    [[1, 1], [1, 1], 1],
    [[1, 3], [2, 5], 3],
    [[1, 9], [2, 4], 4],
    [[1, 2], [2, 3], 2],
    [[1, 1], [2, 2], undefined],
    [[0, 0], [1, 9], undefined],
  ];
  for (const [one, other, common] of cases) {
    assertEquals(commonVersion(one, other), common);
    assertEquals(commonVersion(other, one), common);
  }
});

Deno.test("OWN_VERSIONS is the range of limits.ts", () => {
  assertEquals(OWN_VERSIONS, [VERSION_MIN, VERSION_MAX]);
  assertEquals(commonVersion(OWN_VERSIONS, OWN_VERSIONS), VERSION_MAX);
});
