import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MAX_TIMER_MS, nextTurn, sleep, systemClock } from "./clock.ts";
import { FakeClock } from "./fake_clock.ts";

Deno.test("systemClock.now() never goes back", () => {
  let last = systemClock.now();
  for (let i = 0; i < 1000; i++) {
    const now = systemClock.now();
    assert(now >= last);
    last = now;
  }
});

Deno.test("systemClock.wall() is the time of day", () => {
  assert(Math.abs(systemClock.wall() - new Date().getTime()) < 1000);
});

Deno.test("systemClock.after() calls once, and not when cancelled", async () => {
  const calls: string[] = [];
  using cancelled = systemClock.after(0, () => calls.push("cancelled"));
  cancelled.cancel();
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    systemClock.after(-5, () => calls.push("early"));
    systemClock.after(2, () => resolve());
  });
  assertEquals(calls, ["early"]);
});

Deno.test("systemClock.after() does not fire early for delays beyond 2^31 - 1 ms", async () => {
  let fired = false;
  for (const ms of [MAX_TIMER_MS, MAX_TIMER_MS + 1, Number.MAX_SAFE_INTEGER, Infinity]) {
    using _timer = systemClock.after(ms, () => fired = true);
    await sleep(systemClock, 5);
  }
  assertEquals(fired, false);
});

Deno.test("after() refuses NaN", () => {
  assertThrows(() => systemClock.after(NaN, () => {}), RangeError);
  assertThrows(() => new FakeClock().after(NaN, () => {}), RangeError);
});

Deno.test("sleep() resolves when its time has passed and leaves no timer", async () => {
  const clock = new FakeClock();
  let done = false;
  const controller = new AbortController();
  const slept = sleep(clock, 100, controller.signal).then(() => done = true);
  await clock.advance(99);
  assertEquals(done, false);
  await clock.advance(1);
  await slept;
  assertEquals([done, clock.waiting], [true, 0]);
  controller.abort();
});

Deno.test("sleep() rejects with the reason of its signal and leaves no timer", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const slept = sleep(clock, 100, controller.signal);
  const reason = new Error("stopped");
  controller.abort(reason);
  assertEquals(await assertRejects(() => slept), reason);
  assertEquals(clock.waiting, 0);
  assertEquals(await assertRejects(() => sleep(clock, 100, controller.signal)), reason);
  assertEquals(clock.waiting, 0);
});

Deno.test("FakeClock.advance() fires timers in order, each at its own moment", async () => {
  const clock = new FakeClock({ now: 1000 });
  const seen: [string, number][] = [];
  const note = (name: string) => () => void seen.push([name, clock.now()]);
  clock.after(30, note("c"));
  clock.after(10, note("a"));
  clock.after(10, note("b"));
  clock.after(41, note("never"));
  await clock.advance(40);
  assertEquals(seen, [["a", 1010], ["b", 1010], ["c", 1030]]);
  assertEquals([clock.now(), clock.waiting], [1040, 1]);
});

Deno.test("FakeClock.advance() fires timers that timers and promises start", async () => {
  const clock = new FakeClock();
  const beats: number[] = [];
  const beat = () => {
    beats.push(clock.now());
    clock.after(20, beat);
  };
  clock.after(20, beat);
  await clock.advance(100);
  assertEquals(beats, [20, 40, 60, 80, 100]);

  const naps: number[] = [];
  const nap = (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 5);
      naps.push(clock.now());
    }
  })();
  await clock.advance(15);
  await nap;
  assertEquals(naps, [105, 110, 115]);
});

Deno.test("FakeClock.advance() does not fire a timer that an earlier one cancelled", async () => {
  const clock = new FakeClock();
  let fired = false;
  const second = clock.after(20, () => fired = true);
  clock.after(10, () => second.cancel());
  await clock.advance(50);
  assertEquals(fired, false);
});

Deno.test("FakeClock.advance() rejects with the error of a timer and refuses to go back", async () => {
  const clock = new FakeClock();
  clock.after(1, () => {
    throw new TypeError("inside");
  });
  await assertRejects(() => clock.advance(5), TypeError, "inside");
  await assertRejects(() => clock.advance(-1), RangeError);
  await assertRejects(() => clock.advance(NaN), RangeError);
});

Deno.test("FakeClock.jumpWall() moves the wall clock alone", async () => {
  const clock = new FakeClock({ wall: 5_000 });
  let fired = false;
  using _timer = clock.after(1000, () => fired = true);
  clock.jumpWall(3_600_000);
  assertEquals([clock.now(), clock.wall()], [0, 3_605_000]);
  clock.jumpWall(-3_605_000);
  await clock.advance(999);
  assertEquals([clock.now(), clock.wall(), fired], [999, 999, false]);
});

Deno.test("nextTurn() lets work that is due go first", async () => {
  const order: string[] = [];
  const due = new Promise<void>((resolve) => setTimeout(resolve, 0)).then(() => order.push("due"));
  await nextTurn();
  order.push("own");
  await due;
  assertEquals(order, ["due", "own"]);
});
