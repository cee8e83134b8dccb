import { assertEquals } from "@std/assert";
import { journalText } from "./journal_text.ts";

for (
  const [entry, words] of [
    [
      { event: "server_lost", reason: "reset" },
      "the machine was on, but had lost the server: reset",
    ],
    [{ event: "server_lost" }, "the machine was on, but had lost the server"],
    [{ event: "server_back", ms: 60_000 }, "the machine had the server again, after 1 min"],
    [{ event: "slept", ms: 3_600_000 }, "the machine slept for 1 h, or its clock was set forward"],
    [{ event: "clock_set", ms: 60_000 }, "the machine's clock was set back by 1 min"],
    [{ event: "rebooted", ms: 60_000 }, "the machine was booted; last alive 1 min before"],
    [{ event: "started" }, "the agent started for the first time"],
    [
      { event: "started", ms: 60_000, reason: "it had been stopped" },
      "the agent started; last alive 1 min before: it had been stopped",
    ],
    [{ event: "stopped", reason: "sleep" }, "the agent was stopped: sleep"],
    [
      { event: "vitals", vitals: { cpu: 0.074, mem: 0.4, up: 3_600 } },
      "the machine was on: cpu 7 %, mem 40 %, up 1 h",
    ],
    [{ event: "vitals" }, "the machine was on: nothing measured"],
    [
      { event: "server_back", ms: "x", dropped: 3 },
      "(3 entries before this are lost) the machine had the server again, after some time",
    ],
    [{ event: "of_the_future", reason: "why" }, "of_the_future: why"],
  ] as const
) {
  Deno.test(`journalText() says "${words}"`, () => assertEquals(journalText(entry), words));
}
