/** Types of `@std/text/closest-string`; the npm build carries none. Throws when `possibleWords` is empty. */
export function closestString(givenWord: string, possibleWords: readonly string[]): string;
