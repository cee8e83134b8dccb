import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { type HealthOptions, healthTrouble, STORE_LIMIT_MS } from "./health.ts";

function health(other: Partial<HealthOptions> = {}): HealthOptions {
  return {
    clock: new FakeClock(),
    store: { deliveriesOf: () => Promise.resolve([]) },
    courier: { trouble: undefined },
    ownPort: { trouble: () => Promise.resolve(undefined) },
    address: { hostname: "127.0.0.1", port: 5001 },
    ...other,
  };
}

Deno.test("healthTrouble() finds none in a server that works", async () => {
  assertEquals(await healthTrouble(health()), undefined);
});

Deno.test("healthTrouble() tells of a database that fails or gives no answer", async () => {
  const fails = { deliveriesOf: () => Promise.reject(new Error("the disk is gone")) };
  assertEquals(await healthTrouble(health({ store: fails })), "the disk is gone");
  const clock = new FakeClock();
  const stuck = { deliveriesOf: () => new Promise<never>(() => {}) };
  const asking = healthTrouble(health({ clock, store: stuck }));
  await clock.advance(STORE_LIMIT_MS);
  assertEquals(await asking, "the database gives no answer within 5 s");
  assertEquals(clock.waiting, 0);
});

Deno.test("healthTrouble() tells of a port that nobody serves and of alerts that nobody takes", async () => {
  const ownPort = { trouble: () => Promise.resolve("nobody accepts") };
  assertEquals(await healthTrouble(health({ ownPort })), "nobody accepts");
  assertEquals(await healthTrouble(health({ courier: { trouble: "no channel" } })), "no channel");
});
