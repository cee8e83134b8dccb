import { assertEquals } from "@std/assert";
import { runSteps, type Step, type StepResult } from "./step.ts";

function step(name: string, result: Partial<StepResult>): Step {
  const whole = { passed: 0, failed: 0, output: "", ...result };
  return { name, run: () => Promise.resolve(whole) };
}

/** What is written and returned for `steps`, each of which takes 1.5 s. */
async function run(...steps: Step[]) {
  let written = "";
  let time = 0;
  const totals = await runSteps(steps, {
    write: (text) => written += text,
    now: () => time += 1500,
  });
  return { written, totals };
}

Deno.test("runSteps() writes a line with the time of every step and counts", async () => {
  assertEquals(await run(step("one", { passed: 1 }), step("two", { passed: 41, note: "fine" })), {
    written: "ok      1.5 s  one\nok      1.5 s  two: fine\n42 passed, 0 failed\n",
    totals: { passed: 42, failed: 0 },
  });
});

Deno.test("runSteps() stops at the first failure, shows its output and names what did not run", async () => {
  const failing = step("two", { passed: 2, failed: 3, output: "why\n\n" });
  assertEquals(
    await run(step("one", { passed: 1 }), failing, step("three", {}), step("four", {})),
    {
      written:
        "ok      1.5 s  one\nFAIL    1.5 s  two\nwhy\nnot run: three, four\n3 passed, 3 failed\n",
      totals: { passed: 3, failed: 3 },
    },
  );
});

Deno.test("runSteps() counts a step that throws as failed and shows the error", async () => {
  const throwing = { name: "one", run: () => Promise.reject(new Error("Cannot do it")) };
  const { written, totals } = await run(throwing);
  assertEquals(totals, { passed: 0, failed: 1 });
  assertEquals(written.includes("Cannot do it"), true);
});

Deno.test("runSteps() shows the beginning and the end of long output", async () => {
  const output = Array.from({ length: 500 }, (_, index) => `line ${index}`).join("\n");
  const { written } = await run(step("one", { failed: 1, output }));
  assertEquals(written.includes("line 99\n... 100 lines left out ...\nline 200\n"), true);
  assertEquals(written.endsWith("line 499\n0 passed, 1 failed\n"), true);
});
