/**
 * Sizes and durations as people write them (`10M`, `2GiB`, `1h30m`) and as programs show them.
 *
 * @module
 */

const SIZE_PATTERN = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?$/i;
const DURATION_PATTERN = /^(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)\s*)+$/i;
const DURATION_PART = /(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/gi;
const PLAIN_NUMBER = /^\d+(?:\.\d+)?$/;

const SIZE_POWERS = ["", "k", "m", "g", "t"];
const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** What {@linkcode parseSize} takes, for error messages and the manual. */
export const SIZE_SYNTAX = "a size such as 65536, 10M or 2GiB";
/** What {@linkcode parseDuration} takes, for error messages and the manual. */
export const DURATION_SYNTAX = "a time such as 30, 500ms, 30s, 2h or 1d";

/**
 * Reads a size in bytes: a plain number, or one with `K`, `M`, `G` or `T` (the same as `KiB`, `MiB`, `GiB`,
 * `TiB`: powers of 1024) or with `KB`, `MB`, `GB` or `TB` (powers of 1000). Letters of either case, a
 * fraction is rounded down to whole bytes. Undefined when the text is no size or no safe integer.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = "", letter = "", suffix = ""] = match;
  const power = SIZE_POWERS.indexOf(letter.toLowerCase());
  if (power === 0 && suffix.toLowerCase() === "ib") return undefined;
  const base = suffix.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.floor(Number(digits) * base ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * Reads a duration in milliseconds: `500ms`, `30s`, `5m`, `2h`, `1d`, `1w` or several together (`1h30m`);
 * a plain number is seconds. Undefined when the text is no duration or no safe integer.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  let ms = 0;
  if (PLAIN_NUMBER.test(trimmed)) {
    ms = Number(trimmed) * 1000;
  } else {
    if (!DURATION_PATTERN.test(trimmed)) return undefined;
    for (const [, digits, unit = ""] of trimmed.matchAll(DURATION_PART)) {
      ms += Number(digits) * (DURATION_UNITS_MS[unit.toLowerCase()] ?? NaN);
    }
  }
  const rounded = Math.round(ms);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Shows a number of bytes for people, in powers of 1024 with one decimal: `999 B`, `1.5 MiB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  // 1023.95 would be shown as 1024.0 of the smaller unit.
  while (unit < units.length - 1 && (unit === 0 ? value >= 1024 : value >= 1023.95)) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** Shows a duration for people by its two largest units: `250 ms`, `2.5 s`, `50 s`, `4 min 5 s`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${trimZero((ms / 1000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return twoUnits(seconds, [60, "min"], [1, "s"]);
  if (seconds < 86_400) return twoUnits(seconds, [3600, "h"], [60, "min"]);
  return twoUnits(seconds, [86_400, "d"], [3600, "h"]);
}

function trimZero(text: string): string {
  return text.endsWith(".0") ? text.slice(0, -2) : text;
}

function twoUnits(seconds: number, large: [number, string], small: [number, string]): string {
  const first = Math.floor(seconds / large[0]);
  const second = Math.floor((seconds % large[0]) / small[0]);
  return second === 0 ? `${first} ${large[1]}` : `${first} ${large[1]} ${second} ${small[1]}`;
}
