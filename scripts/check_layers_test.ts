import { assertEquals } from "@std/assert";
import { checkLayers } from "./check_layers.ts";
import { fixtureTree } from "./fixture_tree.ts";
import { HOUSE_RULES } from "./house_rules.ts";
import { formatViolation } from "./violation.ts";

const CONFIG = JSON.stringify({ imports: { "@std/assert": "npm:a", "lib/": "npm:/lib/" } });

/** What the check says of `files`, without what it says of allowances that the fixture does not use. */
async function breaches(files: Record<string, string>): Promise<string[]> {
  await using tree = await fixtureTree({ "deno.json": CONFIG, ...files });
  return (await checkLayers(tree.root)).map(formatViolation)
    .filter((line) => !line.includes("makes no use of it"));
}

Deno.test("checkLayers() accepts the arrows, mapped names, workers and tests", async () => {
  assertEquals(
    await breaches({
      "mod.ts": `export * from "./protocol/mod.ts"; export * from "./client/a.ts";`,
      "protocol/mod.ts": `import "./a.ts"; import "node:crypto"; import "lib/x.js";`,
      "protocol/a.ts": "",
      "protocol/a_test.ts": `import "@std/assert"; import "./a.ts"; import "./fake_b.ts";`,
      "protocol/fake_b.ts": `import "../tests/c.ts";`,
      "platform/a.ts": `import type { A } from "../protocol/mod.ts";`,
      "server/a.ts": `import "../platform/a.ts"; new Worker(new URL("./w.ts", import.meta.url));`,
      "server/w.ts": `import "node:sqlite";`,
      "server/a_test.ts": `import "../protocol/a.ts"; import "../protocol/fake_b.ts";`,
      "client/a.ts": `import "../protocol/mod.ts";`,
      "tests/c.ts": "",
      "tests/a_test.ts": `import "../server/a.ts"; import "../client/a.ts"; import "../mod.ts";`,
      "scripts/a.ts": `import "../server/a.ts"; import "../client/a.ts";`,
    }),
    [],
  );
});

Deno.test("checkLayers() rejects arrows that point the wrong way, whatever kind the import is", async () => {
  assertEquals(
    await breaches({
      "protocol/mod.ts": `\nexport { A } from "../platform/a.ts";`,
      "platform/a.ts": `import type { A } from "../server/a.ts";`,
      "server/a.ts": `type A = import("../client/a.ts").A;`,
      "client/a.ts": `new URL("../tests/a.ts", import.meta.url);\nawait import("../mod.ts");`,
      "mod.ts": `import "./scripts/a.ts";`,
      "tests/a.ts": "",
      "scripts/a.ts": "",
    }),
    [
      'client/a.ts:1: client may not import tests ("tests/a.ts")',
      'client/a.ts:2: client may not import mod.ts ("mod.ts")',
      'mod.ts:1: mod.ts may not import scripts ("scripts/a.ts")',
      'platform/a.ts:1: platform may not import server ("server/a.ts")',
      'protocol/mod.ts:2: protocol may not import platform ("platform/a.ts")',
      'server/a.ts:1: server may not import client ("client/a.ts")',
    ],
  );
});

Deno.test("checkLayers() rejects a unit test that reaches across", async () => {
  assertEquals(
    await breaches({ "server/a_test.ts": `import "../client/a.ts";`, "client/a.ts": "" }),
    ['server/a_test.ts:1: server may not import client ("client/a.ts")'],
  );
});

Deno.test("checkLayers() rejects side doors into protocol and imports of tests and fakes", async () => {
  assertEquals(
    await breaches({
      "protocol/a.ts": "",
      "protocol/fake_b.ts": "",
      "protocol/mod.ts": `import "./fake_b.ts";`,
      "platform/a.ts": `import "./a_test.ts";`,
      "platform/a_test.ts": "",
      "server/a.ts": `import "../protocol/a.ts";`,
      "scripts/a.ts": `import "../protocol/a.ts";`,
    }),
    [
      'platform/a.ts:1: only tests may import a test or a fake ("platform/a_test.ts")',
      'protocol/mod.ts:1: only tests may import a test or a fake ("protocol/fake_b.ts")',
      'scripts/a.ts:1: only protocol/mod.ts may be imported from outside protocol ("protocol/a.ts")',
      'server/a.ts:1: only protocol/mod.ts may be imported from outside protocol ("protocol/a.ts")',
    ],
  );
});

Deno.test("checkLayers() rejects cycles, through types, workers and one file too", async () => {
  assertEquals(
    await breaches({
      "server/a.ts": `import type { B } from "./b.ts";`,
      "server/b.ts": `\nnew Worker(new URL("./c.ts", import.meta.url));`,
      "server/c.ts": `export * from "./a.ts";`,
      "client/a.ts": `import "./a.ts";`,
    }),
    [
      "client/a.ts:1: imports form a cycle: client/a.ts -> client/a.ts",
      "server/a.ts:1: imports form a cycle: server/a.ts -> server/b.ts -> server/c.ts -> server/a.ts",
    ],
  );
});

Deno.test("checkLayers() rejects what cannot be reached, read or found", async () => {
  assertEquals(
    await breaches({
      "scripts/a.ts":
        `import "jsr:@std/a";\nimport "npm:b";\nimport "https://c.example/c.ts";\nimport "d";\n` +
        `await import(name);\nimport "./gone.ts";\nimport "/tmp/e.ts";`,
      "protocol/mod.ts": `import "node:fs";`,
    }),
    [
      'protocol/mod.ts:1: protocol may import only node:buffer, node:crypto of the runtime ("node:fs")',
      'scripts/a.ts:1: import a name mapped in deno.json instead of "jsr:@std/a"',
      'scripts/a.ts:2: import a name mapped in deno.json instead of "npm:b"',
      'scripts/a.ts:3: import a name mapped in deno.json instead of "https://c.example/c.ts"',
      'scripts/a.ts:4: deno.json does not map "d"',
      "scripts/a.ts:5: cannot check a computed import",
      'scripts/a.ts:6: "scripts/gone.ts" does not exist',
      'scripts/a.ts:7: "scripts/tmp/e.ts" does not exist',
    ],
  );
});

/** For each house rule, by its place in the table: code that breaks it, one breach per line. */
const BREACHES = [
  [
    "Deno.args;",
    "Deno.exit(1);",
    "Deno.exitCode = 1;",
    "Deno\n.addSignalListener;",
    "Deno.env.get(n);",
  ],
  ["Deno.listen;", "Deno.listenTls;", "Deno.connect;", "Deno.startTls;", "Deno.serve;"],
  ['import "node:net";', 'import "node:process";', 'import "node:timers/promises";'],
  [
    "Date.now();",
    "performance.now();",
    "new Date();",
    "new Date;",
    "setTimeout(f);",
    "setInterval(f);",
  ]
    .concat(["AbortSignal.timeout(1);", "globalThis.setTimeout(f);"]),
  ["Math.random();", "crypto.randomUUID();", "crypto.getRandomValues(b);"]
    .concat(['import { randomBytes } from "node:crypto";']),
  ["new DatabaseSync(p);"],
  [
    '"SELECT 1";',
    "`INSERT INTO ${t}`;",
    "'update'; 'UPDATE t SET a = 1';",
    '"PRAGMA journal_mode";',
  ]
    .concat(["`\n  CREATE TABLE t (a)`;", '"DELETE FROM t";']),
  ["console.log(1);", "globalThis.console.log(1);"],
  ["const { args } = Deno;", 'globalThis["fetch"];', "f(Deno);"],
];

for (const [index, rule] of HOUSE_RULES.entries()) {
  Deno.test(`checkLayers() rejects ${rule.what} in product code that is not named`, async () => {
    const lines = BREACHES[index] ?? [];
    const found = await breaches({ "server/any.ts": lines.join("\n") });
    const only = rule.allow.length === 0 ? "nowhere" : `only in ${rule.allow.join(", ")}`;
    assertEquals(found.length, lines.length, found.join("\n"));
    assertEquals(found.filter((line) => !line.endsWith(`: ${rule.what} ${only}`)), []);
  });

  Deno.test(`checkLayers() allows ${rule.what} in tests, scripts and the files named`, async () => {
    const text = (BREACHES[index] ?? []).join("\n");
    const paths = ["tests/any.ts", "server/fake_any.ts", "scripts/any.ts", ...rule.allow];
    assertEquals(await breaches(Object.fromEntries(paths.map((path) => [path, text]))), []);
  });
}

Deno.test("checkLayers() reads no house rule out of comments, texts, properties and parameters", async () => {
  assertEquals(
    await breaches({
      "server/any.ts": `
        // Date.now() Deno.exit(1) console.log
        /* Math.random() DatabaseSync SELECT 1 */
        const text = "Deno.args", other = \`console.log \${clock.setTimeout(1)}\`;
        new Date("2020-01-01"), new Date(at), clock.now(), options.randomBytes(4), x.Deno;
        const conn: Deno.Conn = globalThis.structuredClone(1), name = "Select a file to update";
      `,
    }),
    [],
  );
});

Deno.test("checkLayers() rejects allowances that no file needs", async () => {
  await using tree = await fixtureTree({ "deno.json": CONFIG, "platform/clock.ts": "" });
  const lines = (await checkLayers(tree.root)).map(formatViolation);
  assertEquals(
    lines.filter((line) => line.startsWith("platform/clock.ts")),
    [
      "platform/clock.ts:1: allowed clocks and timers by scripts/house_rules.ts and is absent or makes no use of it",
    ],
  );
});
