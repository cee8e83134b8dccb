import { assertEquals } from "@std/assert";
import { parseWeeklyWindow } from "./calendar.ts";
import { fakeNotice } from "./fake_notice.ts";
import { lateNotice, MAX_SUMMARISED, summaryNotice } from "./quiet_summary.ts";

const QUIET = parseWeeklyWindow("22:00-07:00", "UTC");

Deno.test("summaryNotice() tells each alert once, as it is by now, open ones first", () => {
  const notices = [
    fakeNotice({ id: "1", alert: 1, title: "a is DOWN" }),
    fakeNotice({ id: "2", alert: 2, title: "b is DOWN", severity: "warning", clients: ["b"] }),
    fakeNotice({ id: "3", alert: 1, kind: "recovery", title: "a is UP again" }),
    fakeNotice({
      id: "4",
      alert: 2,
      kind: "update",
      title: "b and c are DOWN",
      clients: ["b", "c"],
    }),
  ];
  const summary = summaryNotice(notices, { id: "s", at: 5, quiet: QUIET });
  assertEquals([summary.id, summary.kind, summary.severity, summary.at], [
    "s",
    "summary",
    "critical",
    5,
  ]);
  assertEquals(summary.title, "While it was quiet: 1 still open, 1 over");
  assertEquals(
    summary.text,
    "While it was quiet (22:00-07:00): still open: b and c are DOWN; over: a is UP again",
  );
  assertEquals(summary.clients, ["b", "c", "till-3"]);
});

Deno.test("summaryNotice() counts what is too much to name", () => {
  const notices = Array.from(
    { length: MAX_SUMMARISED + 5 },
    (_, at) => fakeNotice({ id: `n${at}`, alert: at, title: `m${at} is DOWN` }),
  );
  const { title, text } = summaryNotice(notices, { id: "s", at: 5, quiet: QUIET });
  assertEquals(title, "While it was quiet: 35 still open");
  assertEquals(text.endsWith("m29 is DOWN and 5 more"), true);
});

Deno.test("lateNotice() says that it comes late, and from when it is", () => {
  const { title, text } = lateNotice(fakeNotice(), QUIET);
  assertEquals(title, "Late: till-3 is DOWN");
  assertEquals(
    text,
    "ALERT till-3 is DOWN, silent (told late, as it was quiet 22:00-07:00; decided at 2026-11-22T10:00:00.000Z)",
  );
});
