import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Clock, Timer } from "../platform/clock.ts";
import { FakeClock } from "../platform/fake_clock.ts";
import { timingOf } from "./presence.ts";
import { Watch, type WatchedChange } from "./watch.ts";

const P = 20_000;
const TIMING = timingOf(P);
/** The timer of the earliest deadline and the one of the self-check. */
const TIMERS = 2;

/** A fake clock on a machine that can stand still: time passes, and no timer fires in it. */
class StoppingClock implements Clock {
  readonly fake = new FakeClock();
  #stopped = 0;

  now(): number {
    return this.fake.now() + this.#stopped;
  }

  wall(): number {
    return this.fake.wall() + this.#stopped;
  }

  after(ms: number, run: () => void): Timer {
    return this.fake.after(ms, run);
  }

  /** The process gets no processor for `ms`. */
  standStill(ms: number): void {
    this.#stopped += ms;
  }
}

function begin(clock: Clock = new FakeClock()) {
  const changes: WatchedChange[] = [];
  const doubts: string[] = [];
  const watch = new Watch({
    clock,
    timing: TIMING,
    onChange: (change) => changes.push(change),
    onDoubt: (reason) => doubts.push(reason),
  });
  const path = (client: string) =>
    changes.filter((change) => change.client === client)
      .map(({ from, to }) => `${from ?? "new"}>${to}`);
  return { watch, changes, doubts, path };
}

Deno.test("Watch tells of a client that it has never seen, and of each change after it", async () => {
  const clock = new FakeClock();
  const { watch, changes, path } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  assertEquals(path("till-3"), ["new>UP"]);
  await clock.advance(2.5 * P);
  assertEquals(path("till-3"), ["new>UP", "UP>LATE", "LATE>SUSPECT", "SUSPECT>DOWN"]);
  assertEquals(changes.map(({ at }) => at), [0, 1.25 * P, 1.5 * P, 2.5 * P]);
  assertEquals(watch.get("till-3")?.state, "DOWN");
  assertEquals(watch.get("till-4"), undefined);
});

Deno.test("Watch needs one timer for a thousand clients, and none once it is disposed of", async () => {
  const clock = new FakeClock();
  const { watch, changes } = begin(clock);
  for (let index = 0; index < 1_000; index++) {
    watch.event(`c${index}`, { kind: "connected", watched: true });
    await clock.advance(1);
    assertEquals(clock.waiting, TIMERS);
  }
  await clock.advance(10 * P);
  assertEquals(changes.filter(({ to }) => to === "DOWN").length, 1_000);
  assertEquals(clock.waiting, 1, "nothing is due: only the self-check is left");
  watch[Symbol.dispose]();
  assertEquals(clock.waiting, 0);
});

Deno.test("Watch notices each of many clients at its own deadline", async () => {
  const clock = new FakeClock();
  const { watch, changes } = begin(clock);
  using _watch = watch;
  for (const client of ["a", "b", "c"]) {
    watch.event(client, { kind: "connected", watched: true });
    await clock.advance(777);
  }
  await clock.advance(3 * P);
  const downs = changes.filter(({ to }) => to === "DOWN").map(({ client, at }) => [client, at]);
  assertEquals(downs, [["a", 2.5 * P], ["b", 2.5 * P + 777], ["c", 2.5 * P + 1_554]]);
});

Deno.test("[HB-42] Watch raises nothing in a day of 1,000 clients that beat regularly", async () => {
  const clock = new FakeClock();
  const { watch, changes, doubts } = begin(clock);
  using _watch = watch;
  const groups = 4;
  const clients = Array.from({ length: 1_000 }, (_, index) => `c${index}`);
  for (const client of clients) watch.event(client, { kind: "connected", watched: true });
  assertEquals(changes.splice(0).length, clients.length);
  for (let step = 0; step < 24 * 3_600_000 / (P / groups); step++) {
    for (let at = step % groups; at < clients.length; at += groups) {
      watch.event(clients[at] ?? "", { kind: "beat" });
    }
    await clock.advance(P / groups);
  }
  assertEquals([changes, doubts], [[], []]);
  assertEquals(watch.get("c17")?.gapMs, P);
});

Deno.test("[HB-47] Watch gives everyone a full period after its process stood still", async () => {
  const clock = new StoppingClock();
  const { watch, path, doubts } = begin(clock);
  using _watch = watch;
  watch.event("up", { kind: "connected", watched: true });
  watch.event("lost", { kind: "connected", watched: true });
  watch.event("lost", { kind: "lost" });
  await clock.fake.advance(1_000);
  clock.standStill(3_600_000);
  await clock.fake.advance(500);
  assertEquals(doubts, ["this server stood still for 3600.0 s"]);
  assertEquals(path("up"), ["new>UP"]);
  assertEquals(path("lost"), ["new>UP", "UP>SUSPECT"]);
  await clock.fake.advance(3.5 * P - 501);
  assertEquals(path("lost").at(-1), "UP>SUSPECT");
  await clock.fake.advance(502);
  assertEquals(path("lost").at(-1), "SUSPECT>DOWN");
  assertEquals(path("up").at(-1), "SUSPECT>DOWN");
  assertEquals(doubts.length, 1);
});

Deno.test("[HB-47] Watch doubts itself before it believes a deadline that is due", async () => {
  const clock = new StoppingClock();
  const { watch, path, doubts } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  await clock.fake.advance(1.25 * P - 400);
  clock.standStill(60_000);
  await clock.fake.advance(400);
  assertEquals(doubts.length, 1);
  assertEquals(path("till-3"), ["new>UP"]);
});

Deno.test("[HB-47] Watch doubts itself before it takes an event after a standstill", () => {
  const clock = new StoppingClock();
  const { watch, path, doubts } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  watch.event("till-4", { kind: "connected", watched: true });
  clock.standStill(60_000);
  watch.event("till-3", { kind: "beat" });
  assertEquals(doubts.length, 1);
  assertEquals(watch.get("till-4")?.countFrom, 60_000);
  assertEquals(path("till-4"), ["new>UP"]);
});

for (const [ms, doubted] of [[2_000, 0], [2_001, 1]] as const) {
  Deno.test(`[HB-47] Watch takes ${ms} ms of standstill ${doubted ? "seriously" : "as usual"}`, async () => {
    const clock = new StoppingClock();
    const { watch, doubts } = begin(clock);
    using _watch = watch;
    clock.standStill(ms);
    await clock.fake.advance(500);
    assertEquals(doubts.length, doubted);
  });
}

for (const ms of [3_600_000, -3_600_000]) {
  Deno.test(`[HB-47] Watch gives a full period when the wall clock jumps by ${ms} ms`, async () => {
    const clock = new FakeClock();
    const { watch, path, doubts } = begin(clock);
    using _watch = watch;
    watch.event("till-3", { kind: "connected", watched: true });
    await clock.advance(1_000);
    clock.jumpWall(ms);
    await clock.advance(500);
    assertEquals(doubts, ["this machine's clock jumped by 3600.0 s"]);
    await clock.advance(3.5 * P - 1);
    assertEquals(path("till-3"), ["new>UP", "UP>LATE", "LATE>SUSPECT"]);
    await clock.advance(1);
    assertEquals(path("till-3").at(-1), "SUSPECT>DOWN");
    assertEquals(doubts.length, 1);
  });
}

Deno.test("[HB-47] Watch is not moved by a wall clock that is set slowly", async () => {
  const clock = new FakeClock();
  const { watch, doubts } = begin(clock);
  using _watch = watch;
  for (let turn = 0; turn < 100; turn++) {
    clock.jumpWall(5_000);
    await clock.advance(500);
  }
  assertEquals(doubts, []);
});

Deno.test("[HB-47] Watch gives restored clients 3.5 intervals and tells nothing before", async () => {
  const clock = new FakeClock();
  const { watch, changes, path } = begin(clock);
  using _watch = watch;
  const known = { cause: undefined, silentForMs: 86_400_000, watched: true };
  for (const state of ["UP", "LATE", "SUSPECT"] as const) watch.restore(state, { ...known, state });
  watch.restore("DOWN", { ...known, state: "DOWN", cause: "silent" });
  watch.restore("PLANNED", { ...known, state: "PLANNED", watched: false });
  assertEquals(changes, []);
  await clock.advance(3.5 * P - 1);
  assertEquals(changes.filter(({ to }) => to === "DOWN"), []);
  await clock.advance(1);
  assertEquals(changes.filter(({ to }) => to === "DOWN").map(({ client }) => client), [
    "UP",
    "LATE",
    "SUSPECT",
  ]);
  await clock.advance(100 * P);
  assertEquals([path("DOWN"), path("PLANNED")], [[], []]);
});

Deno.test("[HB-47] Watch raises nothing for clients that come back after a restart", async () => {
  const clock = new FakeClock();
  const { watch, changes } = begin(clock);
  using _watch = watch;
  for (let index = 0; index < 100; index++) {
    watch.restore(`c${index}`, {
      state: "UP",
      cause: undefined,
      silentForMs: 90_000,
      watched: true,
    });
  }
  for (let index = 0; index < 100; index++) {
    await clock.advance(200);
    watch.event(`c${index}`, { kind: "connected", watched: true });
  }
  await clock.advance(5_000);
  assertEquals(changes, []);
});

Deno.test("[HB-47] Watch holds a client that has come back to the usual limits", async () => {
  const clock = new FakeClock();
  const { watch, path } = begin(clock);
  using _watch = watch;
  watch.restore("till-3", { state: "UP", cause: undefined, silentForMs: 0, watched: true });
  await clock.advance(0.5 * P);
  watch.event("till-3", { kind: "connected", watched: true });
  watch.event("till-3", { kind: "beat" });
  watch.event("till-3", { kind: "lost" });
  await clock.advance(0.75 * P - 1);
  assertEquals(path("till-3"), ["UP>SUSPECT"]);
  await clock.advance(1);
  assertEquals(path("till-3"), ["UP>SUSPECT", "SUSPECT>DOWN"]);
});

Deno.test("[HB-47] Watch goes on waiting for a client that was let in and had given the greeting up", async () => {
  const clock = new FakeClock();
  const { watch, path } = begin(clock);
  using _watch = watch;
  watch.restore("till-3", { state: "UP", cause: undefined, silentForMs: 0, watched: true });
  await clock.advance(0.5 * P);
  watch.event("till-3", { kind: "connected", watched: true });
  watch.event("till-3", { kind: "lost" });
  await clock.advance(3 * P - 1);
  assertEquals(path("till-3"), ["UP>SUSPECT"]);
  await clock.advance(1);
  assertEquals(path("till-3"), ["UP>SUSPECT", "SUSPECT>DOWN"]);
});

Deno.test("Watch forgets a client for good", async () => {
  const clock = new FakeClock();
  const { watch, changes } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  changes.splice(0);
  watch.forget("till-3");
  watch.heard("till-3");
  await clock.advance(10 * P);
  assertEquals([changes, watch.get("till-3")], [[], undefined]);
});

Deno.test("[HB-42] Watch takes bytes as life, at a resolution of a 200th of the interval", async () => {
  const clock = new FakeClock();
  const { watch, path } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  await clock.advance(P / 200 - 1);
  watch.heard("till-3");
  assertEquals(watch.get("till-3")?.lastHeard, 0);
  await clock.advance(1);
  watch.heard("till-3");
  assertEquals(watch.get("till-3")?.lastHeard, P / 200);
  await clock.advance(1.5 * P);
  watch.heard("till-3");
  assertEquals(path("till-3"), ["new>UP", "UP>LATE", "LATE>SUSPECT", "SUSPECT>UP"]);
  watch.heard("a stranger");
  assertEquals(watch.get("a stranger"), undefined);
});

Deno.test("Watch hands each change out with the presence that followed it", async () => {
  const clock = new FakeClock();
  const { watch, changes } = begin(clock);
  using _watch = watch;
  watch.event("till-3", { kind: "connected", watched: true });
  watch.event("till-3", { kind: "round_trip", ms: 12 });
  await clock.advance(1.25 * P);
  assertEquals(changes.map(({ presence }) => presence.state), ["UP", "LATE"]);
  assertEquals(changes[1]?.presence.roundTripMs, 12);
  assertStringIncludes(JSON.stringify(changes[1]), '"client":"till-3"');
});
