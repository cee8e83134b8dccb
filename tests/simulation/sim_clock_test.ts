import { assertEquals } from "@std/assert";
import { EventQueue, onGrid } from "./event_queue.ts";
import { SimClock } from "./sim_clock.ts";
import { SimRandom } from "./sim_random.ts";
import { TraceHash } from "./trace_hash.ts";

Deno.test("EventQueue lets things happen in order of time, then in the order in which they were set", () => {
  const queue = new EventQueue();
  const random = new SimRandom(3);
  const seen: [number, number][] = [];
  const expected: [number, number][] = [];
  for (let index = 0; index < 1_000; index++) {
    const at = random.below(50);
    expected.push([at, index]);
    queue.at(at, () => seen.push([queue.time, index]));
  }
  queue.run(100);
  assertEquals(seen, expected.sort(([a, i], [b, j]) => a - b || i - j));
  assertEquals([queue.time, queue.fired], [100, 1_000]);
});

Deno.test("a slot fires when it was set to last, again and again, and not when it was cleared", () => {
  const queue = new EventQueue();
  const seen: number[] = [];
  const slot = queue.slot({
    happen: () => {
      seen.push(queue.time);
      if (seen.length < 3) queue.set(slot, queue.time + 10);
    },
  });
  queue.set(slot, 50);
  queue.set(slot, 5);
  assertEquals(queue.dueOf(slot), 5);
  queue.run(100);
  assertEquals(seen, [5, 15, 25]);
  assertEquals(queue.dueOf(slot), Infinity);
  queue.set(slot, 200);
  queue.clear(slot);
  queue.run(300);
  assertEquals(seen.length, 3);
});

Deno.test("moments lie on a grid on which sums are exact", () => {
  assertEquals(onGrid(0.1), 7 / 64);
  assertEquals(onGrid(86_400_000.25), 86_400_000.25);
});

Deno.test("SimClock: timers of a stalled process are late, and its clock has gone on", () => {
  const queue = new EventQueue();
  const clock = new SimClock(queue);
  const seen: number[] = [];
  clock.after(1_000, () => seen.push(clock.now()));
  clock.after(9_000, () => seen.push(clock.now()));
  const wall = clock.wall();
  queue.at(500, () => clock.stall(5_000));
  queue.run(20_000);
  assertEquals(seen, [5_500, 9_000]);
  assertEquals(clock.wall() - wall, 20_000);
});

Deno.test("SimClock: a pause that the monotonic clock misses moves its timers, and parts it from the wall clock", () => {
  const queue = new EventQueue();
  const clock = new SimClock(queue);
  const seen: number[] = [];
  clock.after(1_000, () => seen.push(queue.time));
  const wall = clock.wall();
  queue.at(500, () => clock.pause(60_000));
  queue.run(100_000);
  assertEquals(seen, [61_000]);
  assertEquals([clock.now(), clock.wall() - wall], [40_000, 100_000]);
});

Deno.test("SimClock: a jump of the wall clock moves no timer, and a cancelled timer never fires", () => {
  const queue = new EventQueue();
  const clock = new SimClock(queue);
  const seen: number[] = [];
  clock.after(1_000, () => seen.push(queue.time));
  const cancelled = clock.after(1_000, () => seen.push(-1));
  const wall = clock.wall();
  clock.jumpWall(-3_600_000);
  cancelled.cancel();
  cancelled.cancel();
  queue.run(2_000);
  assertEquals([seen, clock.wall() - wall], [[1_000], 2_000 - 3_600_000]);
});

Deno.test("SimRandom gives the same numbers for the same seed, others for others, and evenly", () => {
  const take = (seed: number, stream = 0) => {
    const random = new SimRandom(seed, stream);
    return Array.from({ length: 4 }, () => random.next());
  };
  assertEquals(take(1), take(1));
  const firsts = new Set([take(1), take(2), take(1, 1), take(2 ** 32 + 1)].map(String));
  assertEquals(firsts.size, 4);
  const random = new SimRandom(9);
  const buckets = new Array<number>(10).fill(0);
  let sum = 0;
  for (let round = 0; round < 100_000; round++) {
    const at = random.below(10);
    buckets[at] = (buckets[at] ?? 0) + 1;
    sum += random.roughlyExponential(2);
  }
  assertEquals(buckets.filter((count) => count < 9_500 || count > 10_500), []);
  assertEquals(Math.round(sum / 10_000) / 10, 2);
  assertEquals(random.choose(3, 3), [0, 1, 2]);
});

Deno.test("TraceHash changes with each word, its order and the time", () => {
  const hash = (...words: number[]) => {
    const trace = new TraceHash();
    for (const word of words) trace.add(word);
    return trace.toString();
  };
  assertEquals(hash(1, 2), hash(1, 2));
  assertEquals(new Set([hash(), hash(1), hash(0, 1), hash(1, 0), hash(1, 2), hash(2, 1)]).size, 6);
  const at = (ms: number) => {
    const trace = new TraceHash();
    trace.addTime(ms);
    return trace.toString();
  };
  assertEquals(at(1) === at(1 + 1 / 64), false);
  assertEquals(hash().length, 16);
});
