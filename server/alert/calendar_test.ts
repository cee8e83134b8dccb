import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import {
  CalendarError,
  checkZone,
  endOf,
  isWithin,
  nextChange,
  parseWeeklyWindow,
} from "./calendar.ts";

const at = (text: string) => Date.parse(text);
const iso = (wall: number | undefined) =>
  wall === undefined ? undefined : new Date(wall).toISOString();

Deno.test("parseWeeklyWindow() reads days, ranges of days, lists and every day", () => {
  const days = (text: string) => parseWeeklyWindow(text, "UTC").days;
  assertEquals(days("Sun 02:00-04:00"), [7]);
  assertEquals(days("Mon-Fri 22:00-06:00"), [1, 2, 3, 4, 5]);
  assertEquals(days("Fri-Mon 22:00-06:00"), [1, 5, 6, 7]);
  assertEquals(days("sat,Sunday 00:00-24:00"), [6, 7]);
  assertEquals(days("22:00-07:00"), [1, 2, 3, 4, 5, 6, 7]);
});

for (
  const text of ["", "Sun", "Sun 02:00", "Sun 2-4", "Fun 02:00-04:00", "Sun 25:00-26:00"]
    .concat(["Sun 02:60-03:00", "Sun 02:00-02:00", "Sun 24:00-02:00", "Mon-Tue-Wed 01:00-02:00"])
) {
  Deno.test(`parseWeeklyWindow() refuses "${text}" in words`, () => {
    const error = assertThrows(() => parseWeeklyWindow(text, "UTC"), CalendarError);
    assert(error.message.includes(`"${text}"`), error.message);
  });
}

Deno.test("checkZone() refuses a zone that there is not", () => {
  assertEquals(checkZone("Europe/Berlin"), "Europe/Berlin");
  assertThrows(() => checkZone("Europe/Atlantis"), CalendarError, "Europe/Atlantis");
});

Deno.test("a window holds from its beginning up to its end", () => {
  const window = parseWeeklyWindow("Sun 02:00-04:00", "UTC");
  const sunday = at("2026-11-22T00:00Z");
  const hours = (count: number) => sunday + count * 3_600_000;
  assertEquals([isWithin(window, hours(2) - 1), isWithin(window, hours(2))], [false, true]);
  assertEquals([isWithin(window, hours(4) - 1), isWithin(window, hours(4))], [true, false]);
  assertEquals(endOf(window, hours(3)), hours(4));
  assertEquals(endOf(window, hours(5)), undefined);
  assertEquals([nextChange(window, hours(0)), nextChange(window, hours(2))], [hours(2), hours(4)]);
  assertEquals(nextChange(window, hours(4)), hours(7 * 24 + 2));
});

Deno.test("a window over midnight belongs to the day on which it begins", () => {
  const window = parseWeeklyWindow("Fri 22:00-06:00", "UTC");
  assert(isWithin(window, at("2026-11-21T05:59Z")), "Saturday morning");
  assert(!isWithin(window, at("2026-11-20T05:59Z")), "Friday morning");
});

Deno.test("whole days that touch are one window", () => {
  const window = parseWeeklyWindow("Sat,Sun 00:00-24:00", "UTC");
  assertEquals(iso(endOf(window, at("2026-11-21T12:00Z"))), "2026-11-23T00:00:00.000Z");
});

const CHANGES: [string, string, string, [string, string][]][] = [
  // In spring 02:00 to 03:00 is left out: the window begins when it would have, and lasts an hour less.
  ["Europe/Berlin in spring", "Sun 02:30-04:00", "Europe/Berlin", [
    ["2026-03-29T01:30:00.000Z", "2026-03-29T02:00:00.000Z"],
  ]],
  // In autumn 02:00 to 03:00 is there twice, and both are in it.
  ["Europe/Berlin in autumn", "Sun 02:00-04:00", "Europe/Berlin", [
    ["2026-10-25T00:00:00.000Z", "2026-10-25T03:00:00.000Z"],
  ]],
  ["Europe/Berlin in autumn, within the hour that is twice", "Sun 02:15-02:45", "Europe/Berlin", [
    ["2026-10-25T00:15:00.000Z", "2026-10-25T01:45:00.000Z"],
  ]],
  ["America/New_York in spring", "Sun 01:00-05:00", "America/New_York", [
    ["2026-03-08T06:00:00.000Z", "2026-03-08T09:00:00.000Z"],
  ]],
  ["America/New_York in autumn", "Sun 01:00-05:00", "America/New_York", [
    ["2026-11-01T05:00:00.000Z", "2026-11-01T10:00:00.000Z"],
  ]],
  ["Australia/Lord_Howe, which changes by half an hour", "Sun 01:00-03:00", "Australia/Lord_Howe", [
    ["2026-04-04T14:00:00.000Z", "2026-04-04T16:30:00.000Z"],
    ["2026-10-03T14:30:00.000Z", "2026-10-03T16:00:00.000Z"],
  ]],
];
for (const [where, text, zone, spans] of CHANGES) {
  Deno.test(`a window follows the clocks of ${where}`, () => {
    const window = parseWeeklyWindow(text, zone);
    for (const [begin, end] of spans) {
      const before = nextChange(window, at(begin) - 60_000);
      assertEquals([iso(before), iso(endOf(window, before))], [begin, end]);
    }
  });
}

const anyWindow = fc.tuple(
  fc.subarray(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], { minLength: 1 }),
  fc.integer({ min: 0, max: 1_439 }),
  fc.integer({ min: 1, max: 1_440 }),
  fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
).filter(([, from, to]) => from !== to).map(([days, from, to, zone]) => {
  const clock = (minutes: number) =>
    `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
  return parseWeeklyWindow(`${days.join(",")} ${clock(from)}-${clock(to)}`, zone);
});

Deno.test("nextChange() is always later, and the window is the same all the way to it", () => {
  fc.assert(
    fc.property(
      anyWindow,
      fc.integer({ min: at("2026-01-01"), max: at("2027-01-01") }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (window, wall, part) => {
        const next = nextChange(window, wall);
        assert(next > wall);
        // Another window of the same words has searched nothing yet.
        const fresh = parseWeeklyWindow(window.text, window.zone);
        const between = Math.floor(wall + (next - wall) * part);
        assertEquals(isWithin(fresh, between), isWithin(window, wall));
        assertEquals(isWithin(fresh, next), !isWithin(window, wall));
        if (isWithin(window, wall)) assertEquals(endOf(window, wall), next);
      },
    ),
    { numRuns: 500 },
  );
});
