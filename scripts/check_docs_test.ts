import { assertEquals } from "@std/assert";
import { checkDocs } from "./check_docs.ts";
import { fixtureTree } from "./fixture_tree.ts";
import { formatViolation } from "./violation.ts";

/** A project without fault, which each test then makes worse. */
const SOUND = {
  "deno.json": "{}",
  "README.md": `# A
[architecture](ARCHITECTURE.md#reading-order), [site](https://a.example/no.md), [wire](protocol/)
\`\`\`sh
hbserver invite   --name till-3   # prints a "key"
$ npx -y deno task demo
cd somewhere
\`\`\`
`,
  "ARCHITECTURE.md": `## Reading order
\`protocol/mod.ts\`, a.ts, \`*_test.ts\`, \`server/<name>.ts\`, \`.ci/run\` and \`https://b.example/c.ts\`.
\`\`\`
server/   b.ts
\`\`\`
\`\`\`ts
import { a } from "./gone.ts";
\`\`\`
`,
  "CHANGELOG.md": "",
  "protocol/SPEC.md":
    "[architecture](../ARCHITECTURE.md), [own](#parts), [data](testdata)\n# Parts\n",
  "protocol/testdata/a.json": "[]",
  "protocol/mod.ts": `/** Door.\n * @module\n */\nexport { a } from "./a.ts";\n`,
  "protocol/a.ts": `/** File.\n * @module\n */\n\n/** One. */\nexport const a: number = 1;\n`,
  "server/b.ts":
    `/** File. @module */\n\n/** One. */\nexport function b(a: 1): 1;\nexport function b(a: 2): 2;\n` +
    `/** Two. */\nexport async function* c() {}\nexport type { A } from "../protocol/mod.ts";\n`,
  "server/b_test.ts": "export const free = 1;",
  "server/b.d.ts": "export const free: number;",
  "mod.ts": `/** Door. @module */\nexport { a } from "./protocol/mod.ts";\n`,
  ".ci/run": "",
  "tests/readme_commands.ts":
    `export const COMMANDS = ["hbserver invite --name till-3", "npx -y deno task demo"];`,
  "tests/readme_test.ts": `import { COMMANDS } from "./readme_commands.ts";`,
};

/** What the check says of the sound project with `changes`; an empty text removes a file. */
async function breaches(changes: Record<string, string>): Promise<string[]> {
  const files = Object.entries({ ...SOUND, ...changes }).filter(([path, text]) =>
    text !== "" || !(path in changes)
  );
  await using tree = await fixtureTree(Object.fromEntries(files));
  return (await checkDocs(tree.root)).map(formatViolation);
}

Deno.test("checkDocs() accepts a sound project", async () => {
  assertEquals(await breaches({}), []);
});

Deno.test("checkDocs() rejects documents and doors that do not exist", async () => {
  assertEquals(
    await breaches({ "README.md": "", "CHANGELOG.md": "", "protocol/SPEC.md": "", "mod.ts": "" }),
    [
      "CHANGELOG.md:1: does not exist",
      "README.md:1: does not exist",
      "mod.ts:1: does not exist",
      "protocol/SPEC.md:1: does not exist",
    ],
  );
});

Deno.test("checkDocs() rejects links that lead nowhere", async () => {
  assertEquals(
    await breaches({
      "CHANGELOG.md":
        "[a](gone)\n[b](README.md#gone) [c](#gone)\n[d]: protocol/README.md\n[e](/etc)\n",
    }),
    [
      'CHANGELOG.md:1: link to "gone" leads nowhere',
      'CHANGELOG.md:2: link to "#gone": no heading gives "#gone"',
      'CHANGELOG.md:2: link to "README.md#gone": no heading gives "#gone"',
      'CHANGELOG.md:3: "protocol/README.md" does not exist',
      'CHANGELOG.md:3: link to "protocol/README.md" leads nowhere',
      'CHANGELOG.md:4: link to "/etc" leads nowhere',
    ],
  );
});

Deno.test("checkDocs() rejects file names that do not exist, in prose, code spans and blocks", async () => {
  assertEquals(
    await breaches({
      "CHANGELOG.md": "gone.ts, `server/gone.ts`, protocol/testdata/gone.json, `.ci/gone`\n" +
        "settings.json /etc/gone.md ~/gone.md gone.tsx `report (2).pdf`\n```\nclient/gone.ts\n```\n",
    }),
    [
      'CHANGELOG.md:1: ".ci/gone" does not exist',
      'CHANGELOG.md:1: "gone.ts" does not exist',
      'CHANGELOG.md:1: "protocol/testdata/gone.json" does not exist',
      'CHANGELOG.md:1: "server/gone.ts" does not exist',
      'CHANGELOG.md:4: "client/gone.ts" does not exist',
    ],
  );
});

Deno.test("checkDocs() rejects commands of the README that the tests do not know", async () => {
  assertEquals(
    await breaches({
      "README.md":
        "```bash\n\nHB_DATA=d hbclient   send \\\n  'a  # b' # c\n```\n```sh\ndeno task gone\n```\n" +
        "```\nhbserver in no shell\n```\n",
      "tests/readme_test.ts": "",
    }),
    [
      "README.md:3: tests/readme_commands.ts does not list `HB_DATA=d hbclient send 'a  # b'`",
      "README.md:7: tests/readme_commands.ts does not list `deno task gone`",
      "tests/readme_test.ts:1: is absent or does not import tests/readme_commands.ts",
    ],
  );
});

Deno.test("checkDocs() rejects source files that ARCHITECTURE.md does not mention", async () => {
  assertEquals(
    await breaches({
      "client/new.ts": "/** File. @module */",
      "client/new_test.ts": "/** File. @module */",
      "client/deep/new.ts": "/** File. @module */",
    }),
    ["ARCHITECTURE.md:1: does not mention client/new.ts"],
  );
});

Deno.test("checkDocs() rejects exports and files without a comment", async () => {
  assertEquals(
    await breaches({
      "server/b.ts": `/** File. @module */
export const bare = 1;
// no documentation
export type Bare = 1;
/** For something else. */
const own = 1;
export { own };
export abstract class Bared {}
`,
      "platform/c.ts": `/** Documented. */\nexport const d = 1;\n`,
      "ARCHITECTURE.md": "b.ts c.ts a.ts mod.ts\n# Reading order",
    }),
    [
      "platform/c.ts:1: does not begin with a comment for the file (@module)",
      'server/b.ts:2: export "bare" has no comment',
      'server/b.ts:4: export "Bare" has no comment',
      'server/b.ts:8: export "Bared" has no comment',
    ],
  );
});

Deno.test("checkDocs() rejects undocumented members behind the doors and doors that do not load", async () => {
  assertEquals(
    await breaches({
      "protocol/a.ts":
        `/** File.\n * @module\n */\n\n/** One. */\nexport interface A {\n  b: number;\n}\n/** A. */\nexport const a: A = { b: 1 };\n`,
      "protocol/mod.ts": `/** Door.\n * @module\n */\nexport { type A, a } from "./a.ts";\n`,
    }),
    [
      "protocol/a.ts:7: exported symbol is missing JSDoc documentation (deno doc --lint, missing-jsdoc, seen from protocol/mod.ts)",
    ],
  );
  const broken = await breaches({ "mod.ts": `/** Door. @module */\nexport { a from` });
  assertEquals(broken.map((line) => line.slice(0, 25)), ["mod.ts:1: deno doc --lint"]);
});
