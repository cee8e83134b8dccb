import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { FAILPOINTS, killPlan, seededRandom } from "./kill_plan.ts";

Deno.test("killPlan() is the same for the same seed and another one for another seed", () => {
  assertEquals(killPlan({ seed: 7, kills: 50 }), killPlan({ seed: 7, kills: 50 }));
  assertNotEquals(killPlan({ seed: 7, kills: 50 }), killPlan({ seed: 8, kills: 50 }));
});

Deno.test("killPlan() kills both programs in turn and only at failpoints of theirs", () => {
  const plan = killPlan({ seed: 3, kills: 200 });
  assertEquals(plan.map(({ number }) => number), Array.from({ length: 200 }, (_, n) => n + 1));
  assertEquals(plan.filter(({ victim }) => victim === "server").length, 100);
  for (const [index, { victim, failpoint }] of plan.entries()) {
    assertEquals(victim, index % 2 === 0 ? "server" : "client");
    if (failpoint !== undefined) assert(FAILPOINTS[victim].includes(failpoint.name));
  }
});

Deno.test("killPlan() of 200 kills has each failpoint several times, SIGKILLs and early kills", () => {
  const plan = killPlan({ seed: 1, kills: 200 });
  for (const victim of ["server", "client"] as const) {
    for (const name of FAILPOINTS[victim]) {
      const times = plan.filter((kill) => kill.victim === victim && kill.failpoint?.name === name);
      assert(times.length >= 5, `${name}: ${times.length}`);
    }
  }
  assert(plan.filter(({ failpoint }) => failpoint === undefined).length >= 40);
  assert(plan.some(({ early }) => early) && plan.some(({ early }) => !early));
});

Deno.test("killPlan() without failpoints has SIGKILLs only", () => {
  const plan = killPlan({ seed: 1, kills: 20, failpoints: { server: [], client: [] } });
  assertEquals(plan.filter(({ failpoint }) => failpoint !== undefined), []);
});

Deno.test("killPlan() asks some to stop where that is wanted, and kills all otherwise", () => {
  const plan = killPlan({ seed: 1, kills: 200, stops: 0.5 });
  const stopped = plan.filter(({ signal }) => signal === "SIGTERM");
  assert(stopped.length >= 20, `${stopped.length}`);
  assert(stopped.every(({ failpoint }) => failpoint === undefined));
  const kills = killPlan({ seed: 1, kills: 200 });
  assert(kills.every(({ signal }) => signal === "SIGKILL"));
});

Deno.test("seededRandom() stays in [0, 1) and does not repeat itself at once", () => {
  const random = seededRandom(0);
  const numbers = Array.from({ length: 1_000 }, random);
  assert(numbers.every((number) => number >= 0 && number < 1));
  assertEquals(new Set(numbers).size, 1_000);
});
