/**
 * Finds what a person probably meant by a word that is slightly wrong.
 *
 * @module
 */

// @ts-types="./closest_string.d.ts"
import { closestString } from "@std/text/closest-string";

/** The nearest of `names` when it is near enough to be a slip of the keys, else undefined. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const name = closestString(word, names);
  const left = [...name];
  let shared = 0;
  for (const letter of word) {
    const at = left.indexOf(letter);
    if (at >= 0) shared += left.splice(at, 1).length;
  }
  return shared * 3 >= Math.max(word.length, name.length) * 2 ? name : undefined;
}
