import { assertEquals } from "@std/assert";
import { coveredPercent, readLcov } from "./line_coverage.ts";

const REPORT = `SF:/p/a.ts
FN:1,f
BRDA:2,1,0,0
DA:1,3
DA:2,0
DA:10,0
LH:1
LF:3
end_of_record
SF:/p/b.ts
DA:1,1
end_of_record
`;

Deno.test("readLcov() counts lines and names those that never ran", () => {
  assertEquals(readLcov(REPORT), [
    { path: "/p/a.ts", lines: 3, hit: 1, missed: [2, 10] },
    { path: "/p/b.ts", lines: 1, hit: 1, missed: [] },
  ]);
  assertEquals(readLcov(""), []);
});

Deno.test("coveredPercent() weighs files by their lines and takes nothing for uncovered", () => {
  assertEquals(coveredPercent(readLcov(REPORT)), 50);
  assertEquals(coveredPercent([]), 0);
});
