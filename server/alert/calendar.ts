/**
 * Weekly windows in a time zone, such as `Sun 02:00-04:00` or `22:00-07:00`, with daylight saving. Pure; times are
 * milliseconds since 1970.
 *
 * A window begins and ends by the clock on the wall of its zone. A time that does not exist on its day, as clocks were put
 * forward over it, is the same span after midnight as before, so 02:30 becomes 03:30; of a time that there is twice, the first
 * is a beginning and the second an end, so that a window never is shorter than it says at the autumn change.
 *
 * @module
 */

/** Days of the week in their order by ISO 8601; Monday is 1. */
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const DAY_MINUTES = 24 * 60;
/** Occurrences are looked for on so many days around a moment: a window may cross midnight, and come once a week. */
const DAYS_BEFORE = 2;
const DAYS_AFTER = 9;

/** A window of every week. */
export interface WeeklyWindow {
  /** As it was given, such as `Mon-Fri 22:00-06:00`. */
  readonly text: string;
  /** The zone by its IANA name. */
  readonly zone: string;
  /** Days on which it begins; Monday is 1. */
  readonly days: readonly number[];
  /** Minutes after midnight. */
  readonly from: number;
  /** Minutes after midnight; on the next day when it is not above `from`. */
  readonly to: number;
}

/** A text that is no window, or a zone that there is not, in words for people. */
export class CalendarError extends Error {
  override readonly name = "CalendarError";
}

/** The zone of this machine. */
export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Reads `[DAYS ]HH:MM-HH:MM`; days are `Sun`, `Mon-Fri`, `Sat,Sun` or nothing for every day. Throws {@linkcode CalendarError}. */
export function parseWeeklyWindow(text: string, zone: string): WeeklyWindow {
  const refuse = (why: string): never => {
    throw new CalendarError(
      `Cannot read the window "${text}" as DAYS HH:MM-HH:MM, such as "Sun 02:00-04:00": ${why}`,
    );
  };
  const match = text.trim().match(/^(?:([A-Za-z,-]+)\s+)?(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})$/);
  const [, days = "Mon-Sun", begin = "", end = ""] = match ?? refuse("it has another form");
  const [from, to] = [parseTime(begin), parseTime(end)];
  if (from === undefined || from === DAY_MINUTES) return refuse(`${begin} is no time of a day`);
  if (to === undefined) return refuse(`${end} is no time of a day`);
  if (from === to) return refuse("it begins when it ends; a whole day is 00:00-24:00");
  const found = days.split(",").map(parseDays);
  if (found.includes(undefined)) {
    return refuse("its days are not among Mon Tue Wed Thu Fri Sat Sun");
  }
  const sorted = [...new Set(found.flatMap((part) => part ?? []))].sort();
  return { text: text.trim(), zone: checkZone(zone), days: sorted, from, to };
}

/** The zone by its name; throws {@linkcode CalendarError} when there is none. */
export function checkZone(zone: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    throw new CalendarError(
      `Cannot find the time zone "${zone}": it needs a name such as "Europe/Berlin" or "UTC"`,
    );
  }
}

/** Whether a moment lies in the window; its end does not. */
export function isWithin(window: WeeklyWindow, wall: number): boolean {
  return endOf(window, wall) !== undefined;
}

/** When the window ends in which a moment lies; undefined when it lies in none. */
export function endOf(window: WeeklyWindow, wall: number): number | undefined {
  const { occurrence } = around(window, wall);
  return occurrence?.end;
}

/** When the window begins or ends next after a moment. */
export function nextChange(window: WeeklyWindow, wall: number): number {
  return around(window, wall).next;
}

interface Occurrence {
  begin: number;
  end: number;
}

/** What holds from `since` to `next`, so that one search answers for all moments between. */
interface Stretch {
  since: number;
  next: number;
  occurrence: Occurrence | undefined;
}

const stretches = new WeakMap<WeeklyWindow, Stretch>();

function around(window: WeeklyWindow, wall: number): Stretch {
  const known = stretches.get(window);
  if (known !== undefined && wall >= known.since && wall < known.next) return known;
  const occurrences = merged(occurrencesAround(window, wall));
  const occurrence = occurrences.find(({ begin, end }) => wall >= begin && wall < end);
  const edges = occurrences.flatMap(({ begin, end }) => [begin, end]);
  const next = occurrence?.end ?? edges.find((edge) => edge > wall) ?? wall + DAY_MINUTES * 60_000;
  const since = occurrence?.begin ?? edges.findLast((edge) => edge <= wall) ?? wall;
  const stretch = { since, next, occurrence };
  stretches.set(window, stretch);
  return stretch;
}

function occurrencesAround({ zone, days, from, to }: WeeklyWindow, wall: number): Occurrence[] {
  const today = Temporal.Instant.fromEpochMilliseconds(Math.floor(wall))
    .toZonedDateTimeISO(zone).toPlainDate();
  const found: Occurrence[] = [];
  for (let offset = -DAYS_BEFORE; offset <= DAYS_AFTER; offset++) {
    const day = today.add({ days: offset });
    if (!days.includes(day.dayOfWeek)) continue;
    const begin = momentOf(day, { minutes: from, zone, which: "earlier" });
    const end = momentOf(day, {
      minutes: to > from ? to : to + DAY_MINUTES,
      zone,
      which: "later",
    });
    // Of a window within the hour that is left out nothing remains.
    if (end > begin) found.push({ begin, end });
  }
  return found;
}

/** Windows that touch, such as two whole days, are one. */
function merged(occurrences: Occurrence[]): Occurrence[] {
  const all: Occurrence[] = [];
  for (const { begin, end } of occurrences) {
    const last = all.at(-1);
    if (last !== undefined && begin <= last.end) last.end = Math.max(last.end, end);
    else all.push({ begin, end });
  }
  return all;
}

function momentOf(
  day: Temporal.PlainDate,
  { minutes, zone, which }: { minutes: number; zone: string; which: "earlier" | "later" },
): number {
  const date = day.add({ days: Math.floor(minutes / DAY_MINUTES) });
  const rest = minutes % DAY_MINUTES;
  const time = date.toPlainDateTime({ hour: Math.floor(rest / 60), minute: rest % 60 });
  const moments = ["earlier", "later"].map((disambiguation) =>
    time.toZonedDateTime(zone, { disambiguation: disambiguation as "earlier" | "later" })
  );
  const [earlier, later] = moments;
  if (earlier === undefined || later === undefined) throw new CalendarError("Cannot place a time");
  // A time that there is twice reads the same both times; one that is left out does not read as it was asked for.
  const isTwice = earlier.toPlainDateTime().equals(time);
  return (isTwice && which === "earlier" ? earlier : later).epochMilliseconds;
}

function parseTime(text: string): number | undefined {
  const [hours = NaN, minutes = NaN] = text.split(":").map(Number);
  const total = hours * 60 + minutes;
  return minutes < 60 && total <= DAY_MINUTES ? total : undefined;
}

function parseDays(text: string): number[] | undefined {
  const [first = "", last = first, ...rest] = text.split("-").map(dayNumber);
  if (rest.length > 0 || typeof first !== "number" || typeof last !== "number") return undefined;
  const count = (last - first + 7) % 7 + 1;
  return Array.from({ length: count }, (_, index) => (first + index - 1) % 7 + 1);
}

function dayNumber(text: string): number | undefined {
  const wanted = text.slice(0, 3).toLowerCase();
  const index = DAYS.findIndex((day) => day.toLowerCase() === wanted);
  return index < 0 ? undefined : index + 1;
}
