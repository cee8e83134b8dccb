import { assertEquals, assertStringIncludes } from "@std/assert";
import { reportSvg } from "./bench_plot.ts";
import { fakeEntry, fakeReport } from "./fake_report.ts";

/** Widths of the bars of a class, in the order of the file. */
function widths(svg: string, kind: string): number[] {
  return [...svg.matchAll(new RegExp(`<rect class="${kind}"[^>]* width="([\\d.]+)"`, "g"))]
    .map(([, width]) => Number(width));
}

Deno.test("reportSvg() draws bars in proportion to speed, cuts that of cp and marks those of hb", () => {
  const svg = reportSvg(fakeReport({ heartbeats: { problem: "left out" } }));
  const [hb = 0] = widths(svg, "bar-hb");
  const [gcm = 0, scp = 0, cp = 0] = widths(svg, "bar");
  assertEquals([hb / gcm, hb / scp, hb / cp], [2, 4, 1]);
  assertStringIncludes(svg, ">4000 MB/s, 0.50 s (bar cut)<");
});

Deno.test("reportSvg() shows files per second for small files", () => {
  const [first] = fakeReport().cases;
  const small = { title: "10,000 files", files: 10_000, bytes: 40_960_000 };
  const cases = first ? [{ ...first, ...small, entries: [fakeEntry("hb-tls", 2)] }] : [];
  assertStringIncludes(reportSvg(fakeReport({ cases })), ">5000 files/s, 2.00 s<");
});

Deno.test("reportSvg() shows a problem in place of a bar, escaped and without control characters", () => {
  const [first] = fakeReport().cases;
  const entries = [{ contestant: "scp", rounds: [], problem: "failed: <a> & \x1b[31mb" }];
  const svg = reportSvg(fakeReport({ cases: first ? [{ ...first, entries }] : [] }));
  assertStringIncludes(svg, ">failed: &lt;a> &amp;  [31mb<");
  assertEquals(svg.includes("\x1b"), false);
  assertEquals(svg.includes("NaN"), false);
});

Deno.test("reportSvg() says what was left out, follows the page's colours and names the machine", () => {
  const cases = fakeReport().cases.map((one) => ({ ...one, leftOut: "no room", entries: [] }));
  const svg = reportSvg(fakeReport({ cases }));
  assertStringIncludes(svg, ">left out<");
  assertStringIncludes(svg, ">no room<");
  assertStringIncludes(svg, "prefers-color-scheme: dark");
  assertStringIncludes(svg, "2026-11-23, A &lt;Fast> &amp; Small CPU, 2 cores");
  assertEquals(/NaN|Infinity/.test(svg), false);
});
