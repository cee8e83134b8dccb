import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import {
  type Clone,
  CloneGuard,
  FORGET_MS,
  MAX_SWAPS,
  PROOF_MS,
  SHUT_OUT_MS,
  SWAP_SPAN_MS,
} from "./clone_guard.ts";

function begin() {
  const clock = new FakeClock();
  const clones: Clone[] = [];
  const over: string[] = [];
  const guard = new CloneGuard({
    clock,
    onClone: (clone) => clones.push(clone),
    onOver: (client) => over.push(client),
  });
  const proven = () => guard.proven("k1", { addresses: ["10.0.0.3", "10.0.0.9"], swapped: true });
  return { clock, clones, over, guard, proven, [Symbol.dispose]: () => guard[Symbol.dispose]() };
}

/** A connection that counts how often it was asked. */
function witness() {
  return {
    asked: 0,
    ping() {
      this.asked++;
    },
  };
}

Deno.test("a connection that answers in time is alive, one that does not or ends is not", async () => {
  using place = begin();
  const { clock, guard } = place;
  const [quick, late, ends] = [witness(), witness(), witness()];
  const answers = [quick, late, ends].map((one) => guard.isAlive(one));
  guard.answered(quick);
  guard.ended(ends);
  await clock.advance(PROOF_MS);
  guard.answered(late);
  assertEquals(await Promise.all(answers), [true, false, false]);
  assertEquals([quick, late, ends].map(({ asked }) => asked), [1, 1, 1]);
  assertEquals(clock.waiting, 0);
});

Deno.test("two machines are told of with both addresses, and forgotten after a quiet time", async () => {
  using place = begin();
  const { clock, clones, guard, over } = place;
  assert(!guard.proven("k1", { addresses: ["10.0.0.3", "10.0.0.3"], swapped: false }));
  assertEquals(clones, [{ client: "k1", addresses: ["10.0.0.3"], shutOut: false }]);
  await clock.advance(FORGET_MS - 1);
  assertEquals(over, []);
  await clock.advance(1);
  assertEquals([over, clock.waiting], [["k1"], 0]);
});

Deno.test("the fourth change of place within a minute shuts both out for ten minutes", async () => {
  using place = begin();
  const { clock, clones, guard, proven } = place;
  for (let swap = 0; swap < MAX_SWAPS; swap++) assert(!proven());
  assertEquals(guard.refusal("k1"), undefined);
  assert(proven());
  assertEquals(clones.at(-1)?.shutOut, true);
  assertStringIncludes(guard.refusal("k1") ?? "", "remove the data directory");
  assertEquals(guard.refusal("k2"), undefined);
  await clock.advance(SHUT_OUT_MS - 1);
  assert(guard.refusal("k1") !== undefined);
  await clock.advance(1);
  assertEquals(guard.refusal("k1"), undefined);
});

Deno.test("changes of place that are a minute apart are borne", async () => {
  using place = begin();
  for (let swap = 0; swap < 10; swap++) {
    assert(!place.proven());
    await place.clock.advance(SWAP_SPAN_MS / 3);
  }
});

Deno.test("a guard that ends leaves no timer and lets nobody wait", async () => {
  const { clock, guard, proven } = begin();
  proven();
  const answer = guard.isAlive(witness());
  guard[Symbol.dispose]();
  assertEquals([await answer, clock.waiting], [false, 0]);
});
