import { assertEquals } from "@std/assert";
import { SourceFile } from "./source_tree.ts";
import { testNames } from "./test_names.ts";

Deno.test("testNames() reads names, pieces and sums where tests are named, and nowhere else", () => {
  const file = new SourceFile(
    "a_test.ts",
    `
      Deno.test("one", () => { f("no"); });
      Deno.test({ name: "two", fn() {} });
      await t.step(\`three \${x(")")} four\`, () => {});
      Deno.test("five " +
        "six", () => {});
      Deno.test.only("seven", () => {});
      Deno.test.ignore("no", () => {});
      test("no"); // Deno.test("no")
    `,
  );
  assertEquals(testNames(file), ["one", "two", "three ", " four", "five ", "six", "seven"]);
});
