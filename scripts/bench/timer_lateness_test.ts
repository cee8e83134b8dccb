import { assert, assertEquals } from "@std/assert";
import { GRID_MS, latenessAt, ownLateness, TimerLateness, waitedMsOf } from "./timer_lateness.ts";

Deno.test("latenessAt() counts every moment that a stall covers", () => {
  assertEquals(latenessAt(100, 100), { times: [0], next: 105 });
  assertEquals(latenessAt(100, 112), { times: [12, 7, 2], next: 115 });
});

Deno.test("latenessAt() notes nothing where a timer fires early", () => {
  assertEquals(latenessAt(100, 99.9), { times: [], next: 100 });
});

Deno.test("ownLateness() leaves out what was waited for a processor", () => {
  assertEquals(ownLateness([12, 7, 2], 5), [7, 2, 0]);
  assertEquals(waitedMsOf("74382 2500000 31\n"), 2.5);
});

Deno.test("TimerLateness sees a thread that is blocked", async () => {
  using lateness = new TimerLateness();
  await new Promise((resolve) => setTimeout(resolve, 3 * GRID_MS));
  lateness.take();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
  await new Promise((resolve) => setTimeout(resolve, 3 * GRID_MS));
  const { times } = lateness.take();
  assert(Math.max(...times) > 50, `${times}`);
  assert(times.filter((time) => time > 20).length >= 6, `${times}`);
});
