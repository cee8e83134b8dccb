/**
 * Figures over time: their slope, their range, and whether they stay within a bound. Pure.
 *
 * @module
 */

/** One figure at one moment. */
export interface Point {
  /** When, in any unit. */
  readonly at: number;
  readonly value: number;
}

/** The slope of the straight line nearest to the points (least squares), per unit of `at`; 0 for fewer than two. */
export function slopeOf(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [at, value] = [mean((point) => point.at), mean((point) => point.value)];
  let [above, below] = [0, 0];
  for (const point of points) {
    above += (point.at - at) * (point.value - value);
    below += (point.at - at) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** The points from the middle of the time on. */
export function secondHalf(points: readonly Point[]): Point[] {
  const [first, last] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0];
  return points.filter(({ at }) => at >= (first + last) / 2);
}

/** The least and the greatest value. */
export function rangeOf(points: readonly Point[]): { min: number; max: number } {
  const values = points.map(({ value }) => value);
  return { min: Math.min(...values), max: Math.max(...values) };
}

/** How much the value grew from each point to the next, at the later one; for figures that only count up. */
export function increments(points: readonly Point[]): Point[] {
  return points.slice(1).map(({ at, value }, index) => ({
    at,
    value: value - (points[index]?.value ?? 0),
  }));
}
