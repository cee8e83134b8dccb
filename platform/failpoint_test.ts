import { assert, assertEquals, assertThrows } from "@std/assert";
import { armedFailpoint, armFailpoint, disarmFailpoint, failpoint } from "./failpoint.ts";

class Crash extends Error {}

function crash(name: string): never {
  throw new Crash(name);
}

/** Passes failpoints; the name and number of the one that crashed. */
function pass(...names: string[]): [string, number] | undefined {
  for (const [index, name] of names.entries()) {
    try {
      failpoint(name);
    } catch (error) {
      if (error instanceof Crash) return [error.message, index + 1];
      throw error;
    }
  }
  return undefined;
}

Deno.test("failpoint() crashes at the armed name and passage, once", () => {
  try {
    assertEquals(pass("after_hash"), undefined);
    armFailpoint("after_hash", crash);
    assertEquals(pass("after_fsync", "after_hash"), ["after_hash", 2]);
    armFailpoint("after_hash:3", crash);
    assertEquals(armedFailpoint()?.spec, "after_hash:3");
    assertEquals(pass("after_hash", "x", "after_hash", "after_hash"), ["after_hash", 4]);
    assertEquals(pass("after_hash", "after_hash"), undefined);
  } finally {
    disarmFailpoint();
  }
  assertEquals([pass("after_hash"), armedFailpoint()], [undefined, undefined]);
});

Deno.test("failpoint() blocks its thread for the armed time at every passage", () => {
  try {
    armFailpoint("store_commit=sleep:20", crash);
    const startedAt = performance.now();
    assertEquals(pass("store_commit", "other", "store_commit"), undefined);
    assert(performance.now() - startedAt >= 39, "two passages of 20 ms");
  } finally {
    disarmFailpoint();
  }
});

Deno.test("armFailpoint() refuses what names no failpoint", () => {
  for (
    const spec of [
      "",
      "After",
      "a:0",
      "a:",
      "a:1.5",
      "a:-1",
      "a b",
      ":1",
      "a:1:2",
      "a=sleep:0",
      "a=sleep",
      "a:1=sleep:1",
    ]
  ) {
    assertThrows(() => armFailpoint(spec, crash), TypeError, `it is "${spec}"`);
  }
  assertEquals(armedFailpoint(), undefined);
});
