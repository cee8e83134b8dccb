import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Publisher } from "./publisher.ts";
import { publishLoad } from "./publish_load.ts";

const never = new Promise<never>(() => {});
const options = { text: "t", window: 3, warmUpMs: 5, measureMs: 40 };

/** Acknowledges every message in a later turn and notes how many were under way at most. */
class PromptPublisher implements Publisher {
  failed = never;
  most = 0;
  underWay = 0;
  published = 0;

  publish(_text: string, acknowledged: () => void): void {
    this.published++;
    this.most = Math.max(this.most, ++this.underWay);
    setTimeout(() => {
      this.underWay--;
      acknowledged();
    }, 1);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

Deno.test("publishLoad() keeps each publisher's window full and waits for everything under way", async () => {
  const publishers = [new PromptPublisher(), new PromptPublisher()];
  const { acknowledged, times, seconds } = await publishLoad(publishers, options);
  assertEquals(publishers.map(({ most, underWay }) => [most, underWay]), [[3, 0], [3, 0]]);
  const published = publishers.reduce((sum, one) => sum + one.published, 0);
  assert(acknowledged > 0 && acknowledged < published, `${acknowledged} of ${published}`);
  assert(times.length > 0 && times.length <= published);
  assert(times.every((time) => time >= 0) && seconds >= 0.039, `${seconds} s`);
});

Deno.test("publishLoad() rejects as soon as a publisher fails", async () => {
  const broken = new PromptPublisher();
  broken.publish = () => {};
  broken.failed = Promise.reject(new Error("cut"));
  await assertRejects(
    () => publishLoad([broken], { ...options, warmUpMs: 0, measureMs: 0 }),
    Error,
    "cut",
  );
});
