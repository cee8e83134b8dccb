import { assertEquals } from "@std/assert";
import { TransferLocks } from "./transfer_locks.ts";

const KEY = { client: "till-3", id: "1" };

/** Whether `promise` is settled once everything that can go on has gone on. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => settled = true);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return settled;
}

Deno.test("[HB-114] TransferLocks asks whoever has a transfer to let go, and waits until it has", async () => {
  const locks = new TransferLocks();
  let interrupts = 0;
  const first = await locks.take(KEY, { interrupt: () => interrupts++ });
  const second = locks.take(KEY, {});
  assertEquals([await isSettled(second), interrupts], [false, 1]);
  first?.[Symbol.dispose]();
  assertEquals(await second === undefined, false);
});

Deno.test("TransferLocks keeps transfers of other clients and other ids apart", async () => {
  const locks = new TransferLocks();
  const interrupt = () => {
    throw new Error("nobody wants this");
  };
  using _one = await locks.take(KEY, { interrupt });
  using _two = await locks.take({ ...KEY, id: "2" }, { interrupt });
  using _other = await locks.take({ ...KEY, client: "till-4" }, { interrupt });
});

Deno.test("[HB-114] TransferLocks gives a transfer to one at a time, also when several wait", async () => {
  const locks = new TransferLocks();
  const first = await locks.take(KEY, {});
  let open = 1;
  let most = 1;
  const waiting = Array.from({ length: 5 }, async () => {
    const lock = await locks.take(KEY, {});
    most = Math.max(most, ++open);
    await Promise.resolve();
    open--;
    lock?.[Symbol.dispose]();
  });
  open--;
  first?.[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals([most, open], [1, 0]);
});

Deno.test("TransferLocks lets whoever waits leave, who then holds nothing", async () => {
  const locks = new TransferLocks();
  const first = await locks.take(KEY, {});
  const over = Promise.withResolvers<void>();
  const second = locks.take(KEY, { over: over.promise });
  assertEquals(await isSettled(second), false);
  over.resolve();
  assertEquals(await second, undefined);
  first?.[Symbol.dispose]();
  using third = await locks.take(KEY, {});
  assertEquals(third === undefined, false);
});

Deno.test("TransferLocks keeps the next holder's transfer when the last one is disposed of twice", async () => {
  const locks = new TransferLocks();
  const first = await locks.take(KEY, {});
  first?.[Symbol.dispose]();
  using _second = await locks.take(KEY, {});
  first?.[Symbol.dispose]();
  assertEquals(await isSettled(locks.take(KEY, {})), false);
});
