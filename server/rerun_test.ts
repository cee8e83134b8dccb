import { assertEquals, assertRejects } from "@std/assert";
import { Rerun } from "./rerun.ts";

Deno.test("Rerun runs once at a time, and once more for all who asked meanwhile", async () => {
  let runs = 0;
  let gate = Promise.withResolvers<void>();
  const rerun = new Rerun(() => {
    runs++;
    return gate.promise;
  });
  const first = rerun.request();
  for (let asked = 0; asked < 3; asked++) await rerun.request();
  assertEquals(runs, 1);
  gate.resolve();
  gate = Promise.withResolvers();
  gate.resolve();
  await first;
  assertEquals(runs, 2);
  await rerun.request();
  assertEquals(runs, 3);
});

Deno.test("Rerun ends its round when the work throws, and can be asked again", async () => {
  let fails = true;
  const rerun = new Rerun(() => fails ? Promise.reject(new Error("no")) : Promise.resolve());
  await assertRejects(() => rerun.request(), Error, "no");
  fails = false;
  await rerun.request();
});
