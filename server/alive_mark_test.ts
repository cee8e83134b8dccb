import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import type { Logger } from "../platform/log.ts";
import { AliveMark, AWAY_MS, MARK_MS } from "./alive_mark.ts";
import { openFakeStore } from "./fake_store.ts";
import { Roster } from "./roster.ts";
import type { Store } from "./store.ts";
import { Timeline } from "./timeline.ts";

const log = { info: () => {}, warn: () => {}, error: () => {} } as unknown as Logger;

/** A database of a server, and how it is started on it. */
function openServer() {
  const place = openFakeStore();
  const store = place.store as unknown as Store;
  const start = async (clock: FakeClock) => {
    const timeline = new Timeline({ clock, store, log, roster: new Roster(), absentMs: MARK_MS });
    const mark = new AliveMark({ clock, log, store, timeline });
    await mark.start();
    return mark;
  };
  const lines = () =>
    place.store.events({ kinds: ["audit"] }).map(({ at, data }) => {
      const { action, away_from: from } = data as { action: string; away_from?: string };
      return [action, at, from === undefined ? from : Date.parse(from)];
    });
  return { start, lines, [Symbol.dispose]: () => place[Symbol.dispose]() };
}

Deno.test("AliveMark says at a start since when the server was away: exactly after a stop, from its last mark on after a crash", async () => {
  using server = openServer();
  const { start, lines } = server;
  const clock = new FakeClock();
  const begin = clock.wall();
  {
    await using _mark = await start(clock);
    await clock.advance(2 * MARK_MS + 1_000);
  }
  const stopped = clock.wall();
  assertEquals(clock.waiting, 0);
  // This one is killed: its clock stops for good.
  const first = new FakeClock({ wall: stopped + 3_600_000 });
  const crashed = await start(first);
  await first.advance(MARK_MS + 59_000);
  const second = new FakeClock({ wall: first.wall() + 5 * MARK_MS });
  const next = await start(second);
  assertEquals(lines(), [
    ["started", begin, undefined],
    ["stopped", stopped, undefined],
    ["started", stopped + 3_600_000, stopped],
    ["started", second.wall(), stopped + 3_600_000 + MARK_MS],
  ]);
  await next[Symbol.asyncDispose]();
  await crashed[Symbol.asyncDispose]();
});

Deno.test("AliveMark says so when a mark is missing: the server stood still, or its clock was put forward", async () => {
  using server = openServer();
  const { start, lines } = server;
  const clock = new FakeClock();
  const begin = clock.wall();
  await using _mark = await start(clock);
  clock.jumpWall(AWAY_MS - MARK_MS);
  await clock.advance(MARK_MS);
  assertEquals(lines().length, 1, "as late as that a timer may be");
  const last = clock.wall();
  clock.jumpWall(3_600_000);
  await clock.advance(10 * MARK_MS);
  assertEquals(lines(), [["started", begin, undefined], [
    "away",
    last + 3_600_000 + MARK_MS,
    last,
  ]]);
  clock.jumpWall(-3_600_000);
  await clock.advance(10 * MARK_MS);
  assertEquals(lines().length, 2, "a clock that is put back is no absence");
});

Deno.test("AliveMark goes on without marks while the database takes none", async () => {
  using place = openFakeStore();
  const clock = new FakeClock();
  const store = {
    lastAlive: () => Promise.reject(new Error("disk full")),
    noteAlive: () => Promise.reject(new Error("disk full")),
    addEvents: (events: Parameters<typeof place.store.addEvents>[0]) =>
      Promise.resolve(place.store.addEvents(events)),
  } as unknown as Store;
  const timeline = new Timeline({ clock, store, log, roster: new Roster(), absentMs: MARK_MS });
  await using mark = new AliveMark({ clock, log, store, timeline });
  await mark.start();
  await clock.advance(5 * MARK_MS);
  assertEquals(place.store.events({}).length, 1, "it was there all the time");
});
