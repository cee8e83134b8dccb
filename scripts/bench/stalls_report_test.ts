import { assert, assertEquals } from "@std/assert";
import { latencyOf } from "./bench_result.ts";
import { type StallsReport, stallsTargets, stallsText } from "./stalls_report.ts";

function report(p99: number): StallsReport {
  const quiet = latencyOf([1]);
  const idle = { server: quiet, bystander: quiet };
  const load = { seconds: 2, uploads: 4, uploadedBytes: 80_000_000, messages: quiet, beats: quiet };
  return {
    machine: { date: "d", cpu: "c", cores: 2, memoryBytes: 2 ** 30, system: "s", deno: "1" },
    ...{ loadAverage: 0.5, quick: false, seconds: 1, commitMs: 50, idle },
    busy: { server: latencyOf([p99]), bystander: quiet, ...load },
  };
}

Deno.test("stallsTargets() wants the 99th percentile of the server below 20 ms", () => {
  assertEquals([19.9, 20].map((p99) => stallsTargets(report(p99))[0]?.met), [true, false]);
});

Deno.test("stallsText() shows both timers, the load and the commit that was slowed", () => {
  const text = stallsText(report(20));
  for (
    const part of [
      "MISSED",
      "20.0 ms",
      "4 uploads, 40 MB/s",
      "50 ms more",
      "bystander",
      "load average 0.5",
    ]
  ) {
    assert(text.includes(part), `${part} in ${text}`);
  }
});
