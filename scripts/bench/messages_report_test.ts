import { assert, assertEquals } from "@std/assert";
import { latencyOf } from "./bench_result.ts";
import {
  medianRound,
  type MessageRound,
  type MessagesReport,
  messagesText,
  messageTargets,
} from "./messages_report.ts";

const round = (perSecond: number, ...times: number[]): MessageRound => ({
  perSecond,
  latency: latencyOf(times),
});

const entry = (contestant: string, ...rounds: MessageRound[]) => ({ contestant, rounds });

Deno.test("medianRound() is the median of each figure and the greatest of the longest times", () => {
  const median = medianRound([round(10, 1), round(30, 9), round(20, 3)]);
  assertEquals(median, {
    perSecond: 20,
    latency: { samples: 3, p50: 3, p99: 3, max: 9 },
  });
  assertEquals(medianRound([]), undefined);
});

Deno.test("messageTargets() holds 100 senders to both halves and leaves open what was not measured", () => {
  const title = "";
  const cases = [
    { name: "one", title, senders: 1, window: 1, entries: [entry("hb-tls", round(9, 4.9))] },
    { name: "many", title, senders: 100, window: 1, entries: [entry("hb-tls", round(10_000, 49))] },
    {
      name: "many-4",
      title,
      senders: 100,
      window: 4,
      entries: [entry("hb-tls", round(20_000, 50))],
    },
  ];
  const met = messageTargets({ cases }).map((target) => target.met);
  assertEquals(met, [undefined, undefined, undefined, true, false, true]);
});

Deno.test("messagesText() shows figures, what is missing and what an acknowledgement means", () => {
  const report: MessagesReport = {
    machine: { date: "d", cpu: "c", cores: 2, memoryBytes: 2 ** 30, system: "s", deno: "1" },
    ...{ loadAverage: 0.5, quick: true, rounds: 1, seconds: 2, textBytes: 100 },
    contestants: [{ name: "hb-tls", about: "about it", acknowledged: "synced" }],
    cases: [{
      ...{ name: "one", title: "one sender", senders: 1, window: 1 },
      entries: [entry("hb-tls", round(250, 4)), {
        ...entry("nats"),
        problem: "missing: nats-server is not installed",
      }],
    }],
  };
  const text = messagesText(report);
  for (const part of ["250    4.00     4.0", "missing: nats-server", "synced", "--quick"]) {
    assert(text.includes(part), `${part} in ${text}`);
  }
});
