import { assertEquals, assertRejects } from "@std/assert";
import type { OutgoingFrame } from "../protocol/mod.ts";
import { AnswerQueue } from "./answer_queue.ts";

function frame(n: number): OutgoingFrame {
  return { verb: "PING", n };
}

/** A queue, what it has sent, and work that ends when the test says so. */
function begin(limit = 4) {
  const sent: unknown[] = [];
  const queue = new AnswerQueue(limit, (frame) => void sent.push((frame as { n: number }).n));
  const gate = () => Promise.withResolvers<OutgoingFrame[]>();
  return { sent, queue, gate };
}

Deno.test("AnswerQueue sends answers in order, whatever work ends first", async () => {
  const { sent, queue, gate } = begin();
  const [one, two] = [gate(), gate()];
  await queue.add(() => one.promise);
  await queue.add(() => two.promise);
  two.resolve([frame(2), frame(3)]);
  await Promise.resolve();
  assertEquals([sent, queue.isBusy], [[], true]);
  one.resolve([frame(1)]);
  await queue.drained();
  assertEquals([sent, queue.isBusy], [[1, 2, 3], false]);
});

Deno.test("AnswerQueue lets no more work be open than its limit", async () => {
  const { queue, gate } = begin(2);
  const [one, two] = [gate(), gate()];
  await queue.add(() => one.promise);
  let isTaken = false;
  const second = queue.add(() => two.promise).then(() => isTaken = true);
  two.resolve([]);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(isTaken, false);
  one.resolve([]);
  await second;
  await queue.drained();
});

Deno.test("AnswerQueue is drained only when nothing is under way, although later work has failed", async () => {
  const { sent, queue, gate } = begin();
  const one = gate();
  await queue.add(() => one.promise);
  await queue.add(() => Promise.reject(new Error("broken")));
  let isDrained = false;
  const drained = assertRejects(() => queue.drained(), Error, "broken")
    .then(() => isDrained = true);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(isDrained, false);
  one.resolve([frame(1)]);
  await drained;
  assertEquals(sent, [1]);
});

Deno.test("AnswerQueue sends nothing behind an answer that could not be given, and takes no more work", async () => {
  const { sent, queue, gate } = begin();
  const [one, two] = [gate(), gate()];
  await queue.add(() => one.promise);
  await queue.add(() => two.promise);
  two.resolve([frame(2)]);
  one.reject(new Error("broken"));
  await assertRejects(() => queue.drained(), Error, "broken");
  assertEquals([sent, queue.isBusy], [[], false]);
  await assertRejects(() => queue.add(() => Promise.resolve([])), Error, "broken");
});
