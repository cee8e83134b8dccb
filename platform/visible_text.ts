/**
 * Makes text from a peer harmless to look at: what a terminal, a log or a reader's eye would obey instead
 * of show becomes a visible escape. This is for showing only; stored data stays as it came.
 *
 * @module
 */

/** How {@linkcode visible} shows a text. */
export interface VisibleOptions {
  /** Longest text that is shown, in UTF-16 code units of the input. @default {16384} */
  maxChars?: number;
  /** Leaves LF as it is, for a text that may have lines; CR is escaped in any case. @default {false} */
  keepNewlines?: boolean;
}

/** Longest text that {@linkcode visible} shows unless told otherwise, in UTF-16 code units. */
export const MAX_VISIBLE_CHARS = 16_384;
/** Combining marks that one character may carry; a real script needs no more than 4. */
export const MAX_COMBINING_MARKS = 4;

/**
 * Everything that is not itself seen or changes how its neighbours are seen: controls (C0, DEL, C1), format
 * characters (bidi, zero width, tags), lone surrogates, private use, unassigned, line and paragraph
 * separators, fillers that are drawn as nothing, and variation selectors.
 */
const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\p{Variation_Selector}]/u;
/**
 * The two exceptions, within emoji only: the selector of the coloured form after a pictograph, and the
 * joiner between two pictographs. Tried before {@linkcode INVISIBLE} in one expression.
 */
const PICTOGRAPH = /(?!\p{Cn})\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?/u;
const EMOJI = `${PICTOGRAPH.source}(?:\\u200d${PICTOGRAPH.source})*`;
const EMOJI_OR_INVISIBLE = new RegExp(`(${EMOJI})|${INVISIBLE.source}`, "gu");
const SURPLUS_MARKS = new RegExp(`(\\p{M}{${MAX_COMBINING_MARKS}})(\\p{M}+)`, "gu");

/**
 * Returns `text` with every control, bidi, zero-width, format, private-use, unassigned or broken character
 * written as `\x1b`, `\u202e` or `\u{e0041}`, runs of more than 4 combining marks cut to `[+N marks]`, and
 * everything beyond `maxChars` replaced by `… (N more)`. Not an encoding: a text may already contain `\x1b`.
 */
export function visible(text: string, options: VisibleOptions = {}): string {
  const maxChars = options.maxChars ?? MAX_VISIBLE_CHARS;
  const shown = cut(text, maxChars);
  const keep = options.keepNewlines === true ? "\n" : "";
  const escaped = shown
    .replace(
      SURPLUS_MARKS,
      (_, kept: string, rest: string) => `${kept}[+${[...rest].length} marks]`,
    )
    .replace(
      EMOJI_OR_INVISIBLE,
      (char, emoji: string | undefined) => emoji ?? (char === keep ? char : escape(char)),
    );
  const more = text.length - shown.length;
  return more === 0 ? escaped : `${escaped}… (${more} more)`;
}

/** The first `maxChars` code units, one less where that would cut a surrogate pair in two. */
function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const last = text.charCodeAt(maxChars - 1);
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, splitsPair ? maxChars - 1 : maxChars);
}

function escape(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}
