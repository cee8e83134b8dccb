import { assertEquals, assertMatch } from "@std/assert";
import { fixtureTree } from "./fixture_tree.ts";
import { checkStep, coverageResult, okSteps, testResult } from "./ok.ts";
import type { StepResult } from "./step.ts";

const PROJECT = {
  "deno.json": "{}\n",
  "mod.ts": "export {};\n",
  "protocol/mod.ts": '/**\n * ```ts\n * import { a } from "./a.ts";\n * a(1);\n * ```\n */\n\n' +
    'export { a } from "./a.ts";\n',
  "protocol/a.ts":
    "export function a(b: number): number {\n  if (b > 1) {\n    return 2;\n  }\n  return 1;\n}\n",
  "protocol/a_test.ts":
    'import { a } from "./a.ts";\n\nDeno.test("a", () => {\n  a(1);\n  a(2);\n});\n',
  "platform/a.ts": "export {};\n",
  "server/a.ts": "export {};\n",
  "client/a.ts": "export {};\n",
  "tests/a_test.ts": 'Deno.test("a", () => {});\n',
  "scripts/a.ts": "export {};\n",
};

/** Runs the named steps, in order, on the sound project with `changes`. */
async function run(names: string[], changes: Record<string, string> = {}): Promise<StepResult[]> {
  await using tree = await fixtureTree({ ...PROJECT, ...changes });
  const root = await Deno.realPath(tree.root);
  const steps = okSteps(root, `${root}/coverage`);
  const results: StepResult[] = [];
  for (const name of names) {
    const step = steps.find((step) => step.name === name);
    if (step === undefined) throw new Error(`Cannot find step "${name}"`);
    results.push(await step.run());
  }
  return results;
}

function verdicts(results: StepResult[]): string[] {
  return results.map(({ passed, failed }) => `${passed} passed, ${failed} failed`);
}

Deno.test("okSteps() checks everything in order, and leaves out tests without a coverage folder", () => {
  const quick = okSteps("/p").map(({ name }) => name);
  assertEquals(quick, [
    "formatting",
    "lint",
    "types",
    "layers, cycles, house rules",
    "specification",
    "documents",
    "sanitizers",
  ]);
  assertEquals(okSteps("/p", "/c").map(({ name }) => name), [
    ...quick,
    "tests of protocol/",
    "coverage of protocol/",
    "examples",
    "tests",
  ]);
});

Deno.test("okSteps() pass on a sound project", async () => {
  const names = [
    "formatting",
    "lint",
    "types",
    "tests of protocol/",
    "coverage of protocol/",
    "examples",
    "tests",
  ];
  const results = await run(names);
  assertEquals(results.filter(({ failed }) => failed > 0), []);
  assertEquals(results.map(({ passed }) => passed), Array(7).fill(1));
  assertEquals(results[4]?.note, "100.0 % of lines, at least 95 %");
});

Deno.test("okSteps() fail on bad formatting, lint and types, also where nothing imports the file", async () => {
  const results = await run(["formatting", "lint", "types"], {
    "client/a.ts": "var a : number = ''\n",
  });
  assertEquals(verdicts(results), Array(3).fill("0 passed, 1 failed"));
});

Deno.test("okSteps() fail on failing tests, failing examples and low coverage", async () => {
  const results = await run(["tests of protocol/", "coverage of protocol/", "examples"], {
    "protocol/a_test.ts":
      'import { a } from "./a.ts";\nDeno.test("a", () => void a(1));\nDeno.test("b", () => { throw a; });',
    "mod.ts": "/**\n * ```ts\n * throw 1;\n * ```\n */\nexport const b = 1;\n",
  });
  assertEquals(verdicts(results), [
    "1 passed, 1 failed",
    "0 passed, 1 failed",
    "1 passed, 1 failed",
  ]);
  assertMatch(results[1]?.output ?? "", /^protocol\/a\.ts: lines 3, 4 never ran$/);
});

Deno.test("okSteps() fail when a folder of tests is missing or there is no test", async () => {
  const [missing] = await run(["tests of protocol/"], { "protocol/a_test.ts": "export {};" });
  assertEquals(missing?.note, "0 passed, 0 failed, exit code 0");
  assertEquals(missing?.failed, 1);
  await using tree = await fixtureTree({ "deno.json": "{}" });
  const step = okSteps(tree.root, `${tree.root}/coverage`).find(({ name }) => name === "tests");
  assertEquals((await step?.run())?.failed, 1);
});

Deno.test("testResult() takes a bad exit code and a missing summary for failures", () => {
  const summary = "ok | 3 passed | 0 failed (1s)\n";
  const result = (code: number, stdout: string) => {
    const { passed, failed, note } = testResult({ code, stdout, stderr: "" });
    return { passed, failed, note };
  };
  assertEquals(result(0, summary), { passed: 3, failed: 0, note: "3 passed, 0 failed" });
  assertEquals(result(1, summary), {
    passed: 3,
    failed: 1,
    note: "3 passed, 0 failed, exit code 1",
  });
  const failed =
    "a ... ok (1ms)\nb ... FAILED (1ms)\n\n ERRORS \n\nb\n\nFAILED | 1 passed | 1 failed (1s)\n";
  const { output } = testResult({ code: 1, stdout: failed, stderr: "" });
  assertEquals(output, failed.slice(failed.indexOf(" ERRORS ")), "what passed is left out");
  assertEquals(result(0, ""), { passed: 0, failed: 1, note: "no result" });
});

Deno.test("checkStep() passes without violations and lists them, and its detail, otherwise", async () => {
  const pass = checkStep(
    "a",
    () => Promise.resolve([]),
    () => Promise.reject(new Error("unwanted")),
  );
  assertEquals(await pass.run(), { passed: 1, failed: 0, output: "" });
  const violation = { file: "b.ts", line: 2, rule: "c" };
  const fail = checkStep("a", () => Promise.resolve([violation]), () => Promise.resolve(["d"]));
  assertEquals(await fail.run(), {
    passed: 0,
    failed: 1,
    note: "1 found",
    output: "b.ts:2: c\nd",
  });
});

Deno.test("coverageResult() passes at 95 % and fails below and for code that no test loads", () => {
  const file = (hit: number) => ({ path: "/p/protocol/a.ts", lines: 100, hit, missed: [] });
  const known = [{ path: "protocol/a.ts", runs: true }, { path: "protocol/types.ts", runs: false }];
  const other = { path: "/p/protocol/a_test.ts", lines: 1000, hit: 1000, missed: [] };
  assertEquals(coverageResult("/p", known, [file(95), other]).failed, 0);
  assertEquals(coverageResult("/p", known, [file(94), other]).failed, 1);
  const unseen = [...known, { path: "protocol/b.ts", runs: true }];
  const result = coverageResult("/p", unseen, [file(100)]);
  assertEquals([result.failed, result.output], [1, "protocol/b.ts: no test loads it"]);
  assertEquals(coverageResult("/p", [], []).failed, 1);
});
