import { assertEquals } from "@std/assert";
import { moduleReferences } from "./module_references.ts";
import { SourceFile } from "./source_tree.ts";

function references(text: string): (string | undefined)[] {
  return moduleReferences(new SourceFile("a.ts", text)).map((reference) => reference.specifier);
}

Deno.test("moduleReferences() finds static, type and side-effect imports", () => {
  assertEquals(
    references(`
      import "./a.ts";
      import b, { type B, from as c } from "./b.ts";
      import type { D } from "./d.ts";
      import * as e from '@std/e';
      import from from "./f.ts";
      import data from "./g.json" with { type: "json" };
    `),
    ["./a.ts", "./b.ts", "./d.ts", "@std/e", "./f.ts", "./g.json"],
  );
});

Deno.test("moduleReferences() finds re-exports and no export of declarations", () => {
  assertEquals(
    references(`
      export * from "./a.ts";
      export * as b from "./b.ts";
      export { c, type C } from "./c.ts";
      export type { D } from "./d.ts";
      export type E = "from" | "./no.ts";
      export { e };
      export const from = "./no.ts";
      export default from;
    `),
    ["./a.ts", "./b.ts", "./c.ts", "./d.ts"],
  );
});

Deno.test("moduleReferences() finds dynamic imports and tells computed ones", () => {
  assertEquals(
    references(
      "import('./a.ts'); await import(`./b.ts`); import(c); import(`./${d}.ts`); x.import('./no.ts');",
    ),
    ["./a.ts", "./b.ts", undefined, undefined],
  );
  assertEquals(
    references("type A = import('./a.ts').A; import.meta.resolve('./b.ts'); import.meta.url"),
    [
      "./a.ts",
      "./b.ts",
    ],
  );
});

Deno.test("moduleReferences() finds workers in either branch and ignores other URLs", () => {
  const choice = `import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js"`;
  assertEquals(references(`new Worker(new URL(${choice}, import.meta.url), {})`), ["./worker.ts"]);
  assertEquals(references(`new URL("./x.ts", base); new URL("./page.html", import.meta.url)`), []);
});

Deno.test("moduleReferences() reads @ts-types comments and no other comment or string", () => {
  assertEquals(
    references(`
      // @ts-types="./a.d.ts"
      import { a } from "@std/a";
      // import "./no.ts"
      /** import "./no.ts" */
      const s = 'import "./no.ts"', t = \`import "./no.ts"\`;
    `),
    ["./a.d.ts", "@std/a"],
  );
});

Deno.test("moduleReferences() gives the line of each reference", () => {
  const file = new SourceFile(
    "a.ts",
    `/*\n*/ import {\n a } from "./a.ts";\nexport * from "./b.ts";\n`,
  );
  assertEquals(moduleReferences(file).map((reference) => reference.line), [2, 4]);
});
