import { assertEquals } from "@std/assert";
import { checkSpec, coverageList } from "./check_spec.ts";
import { fixtureTree } from "./fixture_tree.ts";
import { formatViolation } from "./violation.ts";

const VECTORS = "protocol/testdata/a.json";
const READER = { "protocol/a_test.ts": `import vectors from "./testdata/a.json";` };

/** A vector file with a vector for each `clause:expect`. */
function vectors(...rows: string[]): Record<string, string> {
  const json = rows.map((row) => {
    const [clause, expect] = row.split(":");
    return { clause, expect };
  });
  return { [VECTORS]: JSON.stringify({ cases: json }), ...READER };
}

async function breaches(files: Record<string, string>): Promise<string[]> {
  await using tree = await fixtureTree(files);
  return (await checkSpec(tree.root)).map(formatViolation);
}

Deno.test("checkSpec() accepts clauses that are covered by vectors, tests or both", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": `# Spec
**HB-1** A line MUST end (see HB-2).
**HB-2** Free text,
over lines, MUST be \`MAX_A\`.
**HB-10** Free text.
`,
      "protocol/limits.ts": "export const MAX_A = 1;",
      ...vectors("HB-1:ok", "HB-1:bad_frame", "HB-10:ok"),
      "tests/b_test.ts": `Deno.test("b() is free [HB-2, HB-10]", () => {});`,
    }),
    [],
  );
});

Deno.test("checkSpec() rejects a project without specification or clauses", async () => {
  const rule = ["protocol/SPEC.md:1: has no clause to check"];
  assertEquals(await breaches({}), rule);
  assertEquals(await breaches({ "protocol/SPEC.md": "# Spec\n```\n**HB-1** no\n```\n" }), rule);
});

Deno.test("checkSpec() rejects repeated clauses and clauses out of order", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": "**HB-2** a\n**HB-10** b\n**HB-3** c\n**HB-10** d\n",
      ...vectors("HB-2:ok", "HB-3:ok", "HB-10:ok"),
    }),
    [
      "protocol/SPEC.md:3: HB-3 stands behind HB-10",
      "protocol/SPEC.md:4: HB-10 stands here a second time",
    ],
  );
});

Deno.test("checkSpec() rejects clauses that nothing covers", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": "\n**HB-1** a\n",
      "protocol/a_test.ts":
        `Deno.test.ignore("[HB-1]", f); Deno.test("HB-1", f); /* Deno.test("[HB-1]") */`,
      "protocol/a.ts": `Deno.test("[HB-1]", f);`,
      "scripts/a_test.ts": `Deno.test("[HB-1] [HB-9]", f);`,
    }),
    ['protocol/SPEC.md:2: no vector has "clause": "HB-1" and no test names [HB-1]'],
  );
});

Deno.test("checkSpec() rejects a MUST without a good and a bad vector", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": "**HB-1** MUST\n**HB-2** a\nb MUST c\n**HB-3** free\n## A\nMUST\n",
      ...vectors("HB-1:bad_name", "HB-2:ok", "HB-3:ok"),
    }),
    [
      'protocol/SPEC.md:1: HB-1 says MUST and has no good vector ("expect": "ok") and no test that names it',
      "protocol/SPEC.md:2: HB-2 says MUST and has no bad vector and no test that names it",
    ],
  );
});

Deno.test("checkSpec() rejects clauses and limits that are named but do not exist", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": "**HB-1** see HB-4, `MAX_B` and `HB_A`\n",
      "protocol/limits.ts": "export const HB_A = 1; const MAX_B = 2;",
      ...vectors("HB-1:ok", "HB-5:ok"),
      "server/a.ts": "// HB-1\n// HB-6, sHB-7, HB-8x",
      "README.md": "HB-9",
    }),
    [
      "README.md:1: HB-9 is no clause of protocol/SPEC.md",
      "protocol/SPEC.md:1: HB-4 is no clause of protocol/SPEC.md",
      "protocol/SPEC.md:1: protocol/limits.ts exports no MAX_B",
      "protocol/testdata/a.json:1: HB-5 is no clause of protocol/SPEC.md",
      "server/a.ts:2: HB-6 is no clause of protocol/SPEC.md",
    ],
  );
});

Deno.test("checkSpec() rejects vector files that are unread, empty, broken or half", async () => {
  assertEquals(
    await breaches({
      "protocol/SPEC.md": "**HB-1** a\n",
      ...vectors("HB-1:ok"),
      "protocol/testdata/unread.json": `[{"clause": "HB-1", "expect": "ok"}]`,
      "protocol/testdata/empty.json": "{}",
      "protocol/testdata/half.json": `[{"clause": "HB-1"}, {"expect": "ok"}]`,
      "tests/a_test.ts": `const paths = ["../protocol/testdata/empty.json", "half.json"];`,
    }),
    [
      "protocol/testdata/empty.json:1: holds no vector",
      'protocol/testdata/half.json:1: a vector needs "clause" and "expect" as strings: {"clause":"HB-1"}',
      'protocol/testdata/half.json:1: a vector needs "clause" and "expect" as strings: {"expect":"ok"}',
      "protocol/testdata/unread.json:1: no test reads this file",
    ],
  );
  const broken = await breaches({
    "protocol/SPEC.md": "**HB-1** a\n",
    [VECTORS]: "[{",
    "protocol/a_test.ts": `import "./testdata/a.json"; Deno.test("a [HB-1]", f);`,
  });
  assertEquals(broken.length, 1);
  assertEquals(broken[0]?.startsWith(`${VECTORS}:1: cannot be read as JSON: `), true);
});

Deno.test("coverageList() counts vectors and tests of every clause", async () => {
  await using tree = await fixtureTree({
    "protocol/SPEC.md": "**HB-1** MUST\n**HB-2** a\n",
    ...vectors("HB-1:ok", "HB-1:bad", "HB-1:worse"),
    "server/a_test.ts": `Deno.test("a [HB-2]", f); Deno.test("b [HB-2]", f);`,
  });
  assertEquals(await coverageList(tree.root), [
    "HB-1    good 1  bad 2  tests 0  MUST",
    "HB-2    good 0  bad 0  tests 2",
  ]);
});
