import { assertEquals } from "@std/assert";
import { type CaseResult, latencyOf, quantile, speedRatio, summarize } from "./bench_result.ts";

const usage = (cpuSeconds: number, peakBytes: number, growthBytes?: number) => ({
  cpuSeconds,
  peakBytes,
  ...(growthBytes === undefined ? {} : { growthBytes }),
});

Deno.test("summarize() takes the median of times and the greatest of peaks", () => {
  const rounds = [
    { seconds: 3, sender: usage(1, 10, 5), receiver: usage(9, 1) },
    { seconds: 1, sender: usage(2, 30, 1), receiver: usage(7, 2) },
    { seconds: 2, sender: usage(6, 20, 2), receiver: usage(8, 3) },
  ];
  assertEquals(summarize({ contestant: "a", rounds }), {
    seconds: 2,
    sender: usage(2, 30, 5),
    receiver: usage(8, 3),
  });
});

Deno.test("summarize() says nothing of a side that one round could not measure", () => {
  const rounds = [{ seconds: 1, sender: usage(1, 1) }, { seconds: 2 }];
  assertEquals(summarize({ contestant: "a", rounds }), { seconds: 1.5 });
  assertEquals(summarize({ contestant: "a", rounds: [] }), undefined);
});

Deno.test("speedRatio() is above 1 for the faster one and undefined without both figures", () => {
  const result: CaseResult = {
    name: "one",
    title: "",
    medium: "disk",
    files: 1,
    bytes: 1,
    entries: [
      { contestant: "hb-tls", rounds: [{ seconds: 2 }] },
      { contestant: "scp", rounds: [{ seconds: 5 }] },
      { contestant: "ncat", rounds: [], problem: "missing: ncat" },
    ],
  };
  assertEquals(speedRatio(result, "hb-tls", "scp"), 2.5);
  assertEquals(speedRatio(result, "scp", "hb-tls"), 0.4);
  assertEquals(speedRatio(result, "hb-tls", "ncat"), undefined);
  assertEquals(speedRatio(result, "hb-tls", "rsync"), undefined);
});

Deno.test("quantile() interpolates, and latencyOf() of nothing claims nothing", () => {
  assertEquals(quantile([4, 1, 3, 2], 0.5), 2.5);
  assertEquals(quantile([1, 2, 3], 1), 3);
  assertEquals(latencyOf([5]), { samples: 1, p50: 5, p99: 5, max: 5 });
  assertEquals(latencyOf([]), { samples: 0, p50: NaN, p99: NaN, max: NaN });
});
