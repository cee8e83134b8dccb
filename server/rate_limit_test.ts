import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { RateLimit } from "./rate_limit.ts";

Deno.test("RateLimit lets a burst through and then one per refill", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ clock, burst: 3, refillMs: 1_000 });
  assertEquals([1, 2, 3, 4].map(() => limit.take("a")), [0, 0, 0, undefined]);
  await clock.advance(999);
  assertEquals(limit.take("a"), undefined);
  await clock.advance(1);
  assertEquals([limit.take("a"), limit.take("a")], [2, undefined]);
});

Deno.test("RateLimit says how often it refused since the last success", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ clock, burst: 1, refillMs: 1_000 });
  const outcomes = [1, 2, 3].map(() => limit.take("a"));
  await clock.advance(1_000);
  outcomes.push(limit.take("a"));
  await clock.advance(1_000);
  outcomes.push(limit.take("a"));
  assertEquals(outcomes, [0, undefined, undefined, 2, 0]);
});

Deno.test("RateLimit never holds more than a burst, however long nothing happens", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ clock, burst: 2, refillMs: 10 });
  limit.take("a");
  await clock.advance(1_000_000);
  assertEquals([1, 2, 3].map(() => limit.take("a")), [0, 0, undefined]);
});

Deno.test("RateLimit counts every key on its own", () => {
  const limit = new RateLimit({ clock: new FakeClock(), burst: 1, refillMs: 1_000 });
  assertEquals(["a", "b", "a", "b"].map((key) => limit.take(key)), [0, 0, undefined, undefined]);
});

Deno.test("RateLimit remembers 4,096 keys and forgets the longest unused first", () => {
  const limit = new RateLimit({ clock: new FakeClock(), burst: 1, refillMs: 1_000 });
  for (let key = 0; key < 4_096; key++) limit.take(`${key}`);
  assertEquals(limit.take("0"), undefined, "used again: 1 is the oldest now");
  limit.take("one more");
  assertEquals([limit.take("0"), limit.take("1")], [undefined, 0]);
});
