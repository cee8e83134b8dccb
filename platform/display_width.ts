/**
 * How many columns a text takes on a terminal, for aligned tables.
 *
 * An estimate by Unicode's own classes, good for alignment and for nothing that must be exact: terminals
 * disagree about emoji. (`@std/cli/unicode-width` cannot be used: its npm build lacks its data file.)
 *
 * @module
 */

/** Emoji that belong together count as one pair of columns, as most terminals draw them. */
const EMOJI_SEQUENCE =
  /\p{Emoji_Presentation}\p{Emoji_Modifier}?(?:\u200d\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)*/gu;
const NO_COLUMN = /[\p{Mn}\p{Me}\p{Cc}\p{Cf}]/u;
/** The blocks whose characters are wide or fullwidth (UAX #11), emoji aside. */
const TWO_COLUMNS =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;

/** The number of columns of a text of one line. */
export function displayWidth(text: string): number {
  let columns = 0;
  const rest = text.replace(EMOJI_SEQUENCE, () => {
    columns += 2;
    return "";
  });
  for (const char of rest) {
    if (!NO_COLUMN.test(char)) columns += TWO_COLUMNS.test(char) ? 2 : 1;
  }
  return columns;
}
