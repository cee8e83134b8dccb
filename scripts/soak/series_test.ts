import { assertAlmostEquals, assertEquals } from "@std/assert";
import { increments, type Point, rangeOf, secondHalf, slopeOf } from "./series.ts";

function points(...values: number[]): Point[] {
  return values.map((value, at) => ({ at, value }));
}

Deno.test("slopeOf() is that of a line, and 0 for what is level or too little", () => {
  assertEquals(slopeOf(points(3, 5, 7, 9)), 2);
  assertEquals(slopeOf(points(4, 4, 4)), 0);
  assertEquals(slopeOf(points(4)), 0);
  assertEquals(slopeOf([]), 0);
});

Deno.test("slopeOf() of scattered points is the least squares' one", () => {
  assertAlmostEquals(slopeOf(points(1, 3, 2, 5)), 1.1);
  assertAlmostEquals(slopeOf([{ at: 10, value: 0 }, { at: 30, value: -5 }]), -0.25);
});

Deno.test("secondHalf() is that of the time, not of the points", () => {
  const all = [0, 1, 2, 8, 10].map((at) => ({ at, value: at }));
  assertEquals(secondHalf(all).map(({ at }) => at), [8, 10]);
  assertEquals(secondHalf([]), []);
});

Deno.test("rangeOf() and increments() tell least, greatest and growth", () => {
  assertEquals(rangeOf(points(3, -1, 7)), { min: -1, max: 7 });
  assertEquals(increments(points(3, 4, 9)).map(({ value }) => value), [1, 5]);
});
