import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatDuration, formatSize, parseDuration, parseSize } from "./quantity.ts";

Deno.test("parseSize() reads bytes and their multiples", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["65536", 65_536],
    ["1k", 1024],
    ["10M", 10 * 1024 ** 2],
    ["2GiB", 2 * 1024 ** 3],
    ["2 gib", 2 * 1024 ** 3],
    ["1.5G", 1.5 * 1024 ** 3],
    ["1T", 1024 ** 4],
    ["10MB", 10_000_000],
    ["7B", 7],
    [" 3K ", 3072],
    ["0.0001K", 0],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, bytes] of cases) assertEquals(parseSize(text), bytes, text);
});

Deno.test("parseSize() refuses what is no size", () => {
  for (
    const text of [
      "",
      "-1",
      "+1",
      "12abc",
      "1e3",
      "1,5G",
      "G",
      ".5M",
      "1P",
      "0x10",
      "NaN",
      "∞",
      "1iB",
    ]
      .concat("9007199254740992", "9999T", "1 0", "١٠")
  ) assertEquals(parseSize(text), undefined, text);
});

Deno.test("parseDuration() reads times in milliseconds, plain numbers as seconds", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["30", 30_000],
    ["1.5", 1500],
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["1w", 604_800_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["0.5H", 1_800_000],
    [" 2 s ", 2000],
    ["0.4ms", 0],
  ];
  for (const [text, ms] of cases) assertEquals(parseDuration(text), ms, text);
});

Deno.test("parseDuration() refuses what is no time", () => {
  for (
    const text of [
      "",
      "-1s",
      "1y",
      "s",
      "1h30",
      "1e3",
      "soon",
      "1 2",
      "Infinity",
      "99999999999999d",
    ]
  ) assertEquals(parseDuration(text), undefined, text);
});

Deno.test("parseSize() and parseDuration() answer any text with a safe integer or nothing", () => {
  const odd = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(..."0123456789.kKmMgGtTiIbBsShHdDwW -+e")).map((a) => a.join("")),
  );
  fc.assert(
    fc.property(odd, (text) => {
      for (const value of [parseSize(text), parseDuration(text)]) {
        assertEquals(value === undefined || (Number.isSafeInteger(value) && value >= 0), true);
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("formatSize() shows one decimal in powers of 1024", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
    [Number.MAX_SAFE_INTEGER, "8.0 PiB"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatSize(bytes), text);
});

Deno.test("formatDuration() shows the two largest units", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [0.2, "0 ms"],
    [999.6, "1 s"],
    [250, "250 ms"],
    [1000, "1 s"],
    [2540, "2.5 s"],
    [9960, "10 s"],
    [50_000, "50 s"],
    [59_700, "1 min"],
    [245_000, "4 min 5 s"],
    [3_600_000, "1 h"],
    [5_430_000, "1 h 30 min"],
    [273_600_000, "3 d 4 h"],
    [-1500, "-1.5 s"],
  ];
  for (const [ms, text] of cases) assertEquals(formatDuration(ms), text);
});
