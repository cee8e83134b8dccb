/**
 * Names for files whose name is taken: `report.pdf`, `report (2).pdf`, `report (3).pdf`.
 *
 * @module
 */

/** Longest name of a file, in bytes of UTF-8: the limit of ext4, APFS and, in other units, NTFS. */
export const MAX_FILE_NAME_BYTES = 255;
/** Highest number that a name gets. */
export const MAX_NAME_NUMBER = 9_999;
/** Longest ending that is kept behind the number, in bytes; a longer one is no file type. */
const MAX_ENDING_BYTES = 32;

const encoder = new TextEncoder();

/** `name` itself for 1, else with ` (number)` before its ending; the stem is cut where it would be too long. */
export function numberedName(name: string, number: number): string {
  if (number === 1) return name;
  const dot = name.lastIndexOf(".");
  const isEnding = dot > 0 && byteLength(name.slice(dot)) <= MAX_ENDING_BYTES;
  const ending = isEnding ? name.slice(dot) : "";
  const suffix = ` (${number})${ending}`;
  const stem = isEnding ? name.slice(0, dot) : name;
  return cutBytes(stem, MAX_FILE_NAME_BYTES - byteLength(suffix)) + suffix;
}

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** The longest beginning of `text` with at most `max` bytes and no broken character. */
function cutBytes(text: string, max: number): string {
  const { read } = encoder.encodeInto(text, new Uint8Array(max));
  return text.slice(0, read);
}
