import { assertEquals } from "@std/assert";
import { fixtureTree } from "./fixture_tree.ts";
import { checkSanitizers } from "./sanitizers.ts";
import { formatViolation } from "./violation.ts";

async function breaches(files: Record<string, string>): Promise<string[]> {
  await using tree = await fixtureTree(files);
  return (await checkSanitizers(tree.root)).map(formatViolation);
}

Deno.test("checkSanitizers() accepts sanitizers that are on", async () => {
  const config = JSON.stringify({ test: { sanitizeOps: true, sanitizeResources: true } });
  assertEquals(
    await breaches({
      "deno.json": config,
      "a_test.ts": `f({ sanitizeOps: true }); // sanitizeOps: false`,
    }),
    [],
  );
});

Deno.test("checkSanitizers() rejects sanitizers that are off, for all tests or for one", async () => {
  assertEquals(
    await breaches({
      "deno.json": '{ "test": { "sanitizeOps": false } }',
      "a_test.ts": "Deno.test({\n  sanitizeExit: false,\n sanitizeResources: LEAKS });",
    }),
    [
      "a_test.ts:2: sanitizeExit may not be turned off",
      "a_test.ts:3: sanitizeResources may not be turned off",
      'deno.json:1: "test" does not turn sanitizeOps on',
      'deno.json:1: "test" does not turn sanitizeResources on',
    ],
  );
});
