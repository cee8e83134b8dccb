/** Types of `@std/cli/unicode-width`; the npm build carries none. Columns that a text takes on a terminal. */
export function unicodeWidth(text: string): number;
