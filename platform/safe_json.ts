/**
 * JSON that is safe to look at: ASCII controls, DEL, C1, bidi, zero-width and other invisible characters
 * inside strings are written as `\u` escapes, which every JSON reader turns back into the same text.
 *
 * @module
 */

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** One line of JSON; what JSON does not know (undefined, functions) becomes null, a bigint a string. */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(
    value,
    (_key, item) => typeof item === "bigint" ? item.toString() : item,
  ) ?? "null";
  // JSON.stringify() itself escapes C0 and lone surrogates, so the rest can only be inside strings.
  return json.replace(INVISIBLE, escapeUnits);
}

function escapeUnits(char: string): string {
  return char.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
