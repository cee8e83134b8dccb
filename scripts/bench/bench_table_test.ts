import { assertEquals, assertStringIncludes } from "@std/assert";
import { alignedLines, reportText } from "./bench_table.ts";
import { fakeReport } from "./fake_report.ts";

Deno.test("alignedLines() aligns each column to its side and leaves no blanks at the end", () => {
  assertEquals(alignedLines([["a", "10", "x"], ["long", "5", ""]], "lrl"), [
    "  a     10  x",
    "  long   5",
  ]);
});

Deno.test("reportText() shows figures, ratios, problems, heartbeats, targets and the machine", () => {
  const text = reportText(fakeReport());
  const row = text.split("\n").find((line) => line.startsWith("  hb-tls"));
  assertEquals(row?.trim().split(/\s+/), [
    ..."hb-tls 2.00 1000 - 2.00 4.00 -".split(" "),
    ..."1.00 1.00 64 64 4.0 4.0".split(" "),
  ]);
  assertStringIncludes(text, "1 file of 2 GB, tmpfs\n");
  assertStringIncludes(text, "  ncat  missing: ncat is not installed\n");
  assertStringIncludes(text, "uploads took 9.0 s; states other than UP: none");
  assertStringIncludes(text, "A <Fast> & Small CPU, 2 cores, 8 GiB, linux 6 x86_64, Deno 2.9.5\n");
  assertEquals(text.includes("MISSED"), false);
  assertEquals(text.includes("--quick"), false);
});

Deno.test("reportText() says what was left out and that quick figures mean nothing", () => {
  const cases = fakeReport().cases.map((one) => ({ ...one, leftOut: "no room", entries: [] }));
  const heartbeats = { problem: "left out: no room" };
  const text = reportText(fakeReport({ cases, heartbeats, quick: true }));
  assertStringIncludes(text, "1 file of 2 GB, tmpfs\n  left out: no room\n");
  assertStringIncludes(text, "heartbeats: left out: no room\n");
  assertStringIncludes(text, "Sizes of --quick");
});
