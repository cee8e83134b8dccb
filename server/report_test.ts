import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { reportRows } from "./command/report.ts";
import { LinkQuality } from "./link_quality.ts";
import { phi, type ReportInput, type ReportLine, reportOf } from "./report.ts";

const HOUR = 3_600_000;
const BEGIN = Date.UTC(2026, 10, 1);
const END = Date.UTC(2026, 11, 1);
const DAYS_30 = 30 * 24 * HOUR;

const iso = (at: number) => new Date(at).toISOString();

function line(at: number, data: Record<string, unknown>): ReportLine {
  return { at, kind: "state", data };
}

/** DOWN at `from` plus 50 s, and UP again at `to`. */
function outage(from: number, to: number, cause = "silent"): [ReportLine, ReportLine] {
  return [
    line(from + 50_000, { state: "DOWN", from: "SUSPECT", cause, last_seen: iso(from) }),
    line(to, { state: "UP", from: "DOWN", cause, downtime_ms: to - from }),
  ];
}

function report(lines: ReportLine[], other: Partial<ReportInput> = {}) {
  const input = {
    name: "till-3",
    revoked: false,
    lines,
    absences: [],
    days: [],
    from: BEGIN,
    to: END,
    ...other,
  };
  return reportOf(input, undefined);
}

const THERE = line(BEGIN - HOUR, { state: "UP", from: null, cause: null });

Deno.test("a month without an outage is an uptime of 1", () => {
  const { uptime, watched_ms, down_ms, outages, longest_gap_ms } = report([THERE]);
  assertEquals([uptime, watched_ms, down_ms, outages, longest_gap_ms], [1, DAYS_30, 0, [], null]);
});

Deno.test("an outage lasts from the last byte to the first one after it", () => {
  const at = BEGIN + 10 * HOUR;
  const made = report([
    THERE,
    ...outage(at, at + 3 * HOUR),
    ...outage(at + 9 * HOUR, at + 10 * HOUR, "connection lost"),
  ]);
  assertEquals(made.down_ms, 4 * HOUR);
  assertEquals(made.uptime, (DAYS_30 - 4 * HOUR) / DAYS_30);
  assertEquals(made.outages[0], {
    ...{ from: iso(at), to: iso(at + 3 * HOUR), ms: 3 * HOUR, cause: "silent", maintenance: false },
  });
  assertEquals(made.causes, { silent: 1, "connection lost": 1 });
  assertEquals(made.longest_gap_ms, 3 * HOUR);
});

Deno.test("an outage over the edges of the month counts within it, one that goes on has no end", () => {
  const before = BEGIN - 5 * HOUR;
  const made = report([
    line(before, {
      state: "DOWN",
      from: "SUSPECT",
      cause: "silent",
      last_seen: iso(before - 50_000),
    }),
    line(BEGIN + HOUR, { state: "UP", from: "DOWN", downtime_ms: 6 * HOUR + 50_000 }),
    line(END - HOUR, { state: "DOWN", cause: "silent", last_seen: iso(END - 2 * HOUR) }),
  ]);
  assertEquals(made.down_ms, 3 * HOUR);
  assertEquals(made.outages.map(({ to, ms }) => [to, ms]), [
    [iso(BEGIN + HOUR), HOUR],
    [null, 2 * HOUR],
  ]);
});

Deno.test("a client that joined in mid-month is watched from then on, one never seen not at all", () => {
  const joined = report([line(BEGIN + 20 * 24 * HOUR, { state: "UP", from: null })]);
  assertEquals([joined.watched_ms, joined.uptime, joined.from], [
    10 * 24 * HOUR,
    1,
    iso(BEGIN + 20 * 24 * HOUR),
  ]);
  const never = report([]);
  assertEquals([never.watched_ms, never.uptime], [0, null]);
});

Deno.test("what was planned is not watched, until it is overdue", () => {
  const at = BEGIN + HOUR;
  const made = report([
    THERE,
    line(at, { state: "PLANNED", from: "UP", cause: "said bye: reboot" }),
    line(at + 2 * HOUR, {
      ...{ state: "DOWN", from: "PLANNED", cause: "planned overdue", last_seen: iso(at) },
    }),
    line(at + 5 * HOUR, { state: "UP", from: "DOWN", downtime_ms: 5 * HOUR }),
  ]);
  assertEquals([made.planned_ms, made.down_ms], [2 * HOUR, 3 * HOUR]);
  assertEquals(made.watched_ms, DAYS_30 - 2 * HOUR);
});

Deno.test("what was planned and overdue ends with the first byte after it too", () => {
  const at = BEGIN + HOUR;
  const seen = iso(at);
  const made = report([
    THERE,
    line(at, { state: "PLANNED", from: "UP", cause: "said bye: reboot" }),
    line(at + HOUR, { state: "DOWN", from: "PLANNED", cause: "planned overdue", last_seen: seen }),
    line(at + 2 * HOUR + 20_000, { state: "UP", from: "DOWN", downtime_ms: 2 * HOUR }),
  ]);
  assertEquals([made.planned_ms, made.down_ms], [HOUR, HOUR]);
});

Deno.test("a client is nobody's while it is revoked, whatever it was before", () => {
  const at = BEGIN + HOUR;
  const revoked: ReportLine = { at: at + 3 * HOUR, kind: "audit", data: { action: "revoked" } };
  const back = line(at + 9 * HOUR, { state: "UP", from: null });
  for (
    const [before, down, planned] of [
      [line(at, { state: "DOWN", from: "SUSPECT", cause: "silent", last_seen: iso(at) }), 3, 0],
      [line(at, { state: "PLANNED", from: "UP", cause: "said bye: stop" }), 0, 3],
      [line(at, { state: "UP", from: "SUSPECT" }), 0, 0],
    ] as const
  ) {
    const made = report([THERE, before, revoked, back]);
    assertEquals([made.down_ms, made.planned_ms], [down * HOUR, planned * HOUR]);
    assertEquals(made.watched_ms, DAYS_30 - 6 * HOUR - planned * HOUR);
    assertEquals(made.outages.map(({ to }) => to), down > 0 ? [iso(revoked.at)] : []);
  }
  assertEquals(report([THERE, { ...revoked, at: BEGIN - 1 }]).watched_ms, 0);
  assertEquals(
    report([THERE, { ...revoked, at: BEGIN - 1 }, back]).watched_ms,
    DAYS_30 - 10 * HOUR,
  );
});

Deno.test("a client whose first line that is kept tells of a state before it was watched from the beginning", () => {
  const made = report(outage(END - 2 * HOUR, END - HOUR));
  assertEquals([made.watched_ms, made.down_ms], [DAYS_30, HOUR]);
});

Deno.test("an outage that was noticed after the month counts for the month in which it began", () => {
  const made = report([THERE, ...outage(END - 30_000, END + HOUR)]);
  assertEquals([made.down_ms, made.outages.map(({ to }) => to)], [30_000, [iso(END + HOUR)]]);
  assertEquals(report([THERE, ...outage(END + 1, END + HOUR)]).outages, []);
});

Deno.test("the time in which the server did not run is nobody's, also inside an outage", () => {
  const at = BEGIN + 10 * HOUR;
  const absences = [{ from: at + HOUR, to: at + 2 * HOUR }];
  const made = report([THERE, ...outage(at, at + 3 * HOUR)], { absences });
  assertEquals([made.server_away_ms, made.down_ms], [HOUR, 2 * HOUR]);
  assertEquals(made.watched_ms, DAYS_30 - HOUR);
});

Deno.test("an outage that began in a maintenance counts from the moment at which it became an alert", () => {
  const at = BEGIN + 10 * HOUR;
  const [down, up] = outage(at, at + 5 * HOUR);
  const muted = line(down.at, { ...down.data, muted: true });
  const excused = report([THERE, muted, up]);
  assertEquals([excused.down_ms, excused.maintenance_ms], [0, 5 * HOUR]);
  const opened = {
    at: at + 2 * HOUR,
    kind: "alert" as const,
    data: { state: "open", status: "down" },
  };
  const late = report([THERE, muted, opened, up]);
  assertEquals([late.down_ms, late.maintenance_ms], [3 * HOUR, 2 * HOUR]);
  assertEquals(late.outages.map(({ maintenance }) => maintenance), [true]);
});

Deno.test("flapping is measured beside its outages", () => {
  const at = BEGIN + HOUR;
  const made = report([
    THERE,
    ...outage(at, at + 60_000),
    line(at + 200_000, {
      state: "DOWN",
      cause: "silent",
      last_seen: iso(at + 150_000),
      flapping: true,
    }),
    line(at + 200_000, { state: "FLAPPING", from: "DOWN", cause: "flapping" }),
    line(at + 300_000, { state: "UP", from: "DOWN", downtime_ms: 150_000, flapping: true }),
    line(at + 900_000, { state: "UP", from: "FLAPPING" }),
  ]);
  assertEquals([made.flapping_ms, made.down_ms, made.outages.length], [700_000, 210_000, 2]);
});

Deno.test("gaps and round trips are those of all days, the longest one an outage where that is longer", () => {
  const links = new LinkQuality(60_000);
  for (const [day, gap] of [[0, 18_000], [0, 22_000], [1, 20_000], [1, 20_000]] as const) {
    links.addGap("k1", gap, BEGIN + day * 24 * HOUR);
    links.addRoundTrip("k1", gap / 10_000, BEGIN);
  }
  const days = links.take();
  const made = report([THERE], { days });
  assertEquals([made.gap_ms, made.jitter_ms, made.rtt_ms, made.longest_gap_ms], [
    ...[20_000, 1_414, 2, 22_000],
  ]);
  const at = BEGIN + HOUR;
  assertEquals(report([THERE, ...outage(at, at + HOUR)], { days }).longest_gap_ms, HOUR);
});

Deno.test("watched, down, planned, maintenance and absence never add up to more than the span", () => {
  const anyState = fc.constantFrom("UP", "LATE", "SUSPECT", "DOWN", "PLANNED");
  const anyLine = fc.record({
    ms: fc.integer({ min: 1, max: 40 * HOUR }),
    state: anyState,
    muted: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(anyLine, { maxLength: 40 }),
      fc.array(fc.nat(700), { maxLength: 5 }),
      (steps, away) => {
        let at = BEGIN - HOUR;
        const lines = steps.map(({ ms, state, muted }) => {
          at += ms;
          return line(at, {
            state,
            cause: "silent",
            last_seen: iso(at - ms / 2),
            ...(muted ? { muted } : {}),
          });
        }).filter((one) => one.at < END);
        const absences = away.map((hour) => ({
          from: BEGIN + hour * HOUR,
          to: BEGIN + (hour + 3) * HOUR,
        }));
        const made = report(lines, { absences });
        const span = Date.parse(made.to) - Date.parse(made.from);
        assert(made.down_ms <= made.watched_ms);
        assert(made.watched_ms + made.server_away_ms <= span);
        assert(made.uptime === null || made.uptime >= 0 && made.uptime <= 1);
      },
    ),
  );
});

Deno.test("phi() grows with silence: about 0.3 at the usual gap, 2.9 at 3 deviations", () => {
  const link = { gapMs: 20_000, jitterMs: 2_000 };
  assert(Math.abs(phi(20_000, link) - 0.301) < 0.01);
  assert(Math.abs(phi(26_000, link) - 2.87) < 0.1, String(phi(26_000, link)));
  assert(phi(10_000, link) < 0.001);
  let last = -1;
  for (let silence = 0; silence < 500_000; silence += 1_000) {
    const now = phi(silence, link);
    assert(now >= last && Number.isFinite(now), `${silence}: ${now}`);
    last = now;
  }
});

Deno.test("reportRows() has a column for each figure, and as many cells in each row", () => {
  const down = outage(BEGIN + HOUR, BEGIN + 2 * HOUR);
  const [head, row, ...others] = reportRows([report([THERE, ...down])]);
  assertEquals([head?.length, row?.length, others], [18, 18, []]);
  const cell = (name: string) => row?.[head?.indexOf(name) ?? 0];
  assertEquals([cell("name"), cell("down_ms"), cell("phi")], ["till-3", String(HOUR), ""]);
  assertEquals([cell("outages"), cell("causes")], ["1", "1 silent"]);
});
