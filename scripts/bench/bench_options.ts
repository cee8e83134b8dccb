/**
 * What the command lines of the benchmarks have in common: whole numbers, and names of which some are wanted.
 *
 * @module
 */

/** Reads a whole number from 1 on; throws with the option's name. */
export function wholeNumber(
  text: string,
  { option, most }: { option: string; most: number },
): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`Cannot take ${option} as 1 to ${most}: it is "${text}"`);
}

/** The names in all `--only`, which commas may part; throws for one that is not among `known`. */
export function wantedNames(only: readonly string[], known: readonly string[]): string[] {
  const wanted = only.flatMap((names) => names.split(","));
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown === undefined) return wanted;
  throw new Error(`Cannot take --only as one of ${known.join(", ")}: it is "${unknown}"`);
}

/** Those of `all` that are wanted; all where none is named. */
export function chosen<T extends string>(all: readonly T[], wanted: readonly string[]): T[] {
  const named = all.filter((name) => wanted.includes(name));
  return named.length === 0 ? [...all] : named;
}
