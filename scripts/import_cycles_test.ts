import { assertEquals } from "@std/assert";
import { importCycles } from "./import_cycles.ts";

function cycles(graph: Record<string, string[]>): string[][] {
  return importCycles(new Map(Object.entries(graph)));
}

Deno.test("importCycles() finds none in a tree and in a diamond", () => {
  assertEquals(cycles({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }), []);
});

Deno.test("importCycles() tells a cycle once, from its first module, however it is reached", () => {
  assertEquals(cycles({ a: ["b"], b: ["c"], c: ["d"], d: ["b"] }), [["b", "c", "d"]]);
});

Deno.test("importCycles() tells the shortest way and then what that leaves out", () => {
  assertEquals(cycles({ b: ["c"], c: ["d", "b"], d: ["b"] }), [["b", "c"], ["d", "b", "c"]]);
});

Deno.test("importCycles() finds a module that imports itself and cycles apart from each other", () => {
  assertEquals(cycles({ a: ["a"], b: ["c"], c: ["d"], d: ["b"] }), [["a"], ["b", "c", "d"]]);
});
