/**
 * Turns one text into the value of one option, or says what would have been accepted.
 *
 * @module
 */

import { type Address, ADDRESS_SYNTAX, parseAddress } from "./address.ts";
import type { OptionSpec } from "./option_spec.ts";
import {
  DURATION_SYNTAX,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_SYNTAX,
} from "./quantity.ts";
import { UsageError } from "./usage_error.ts";
import { visible } from "./visible_text.ts";

/** One value of one option. */
export type OptionValue = boolean | string | number | Address;

/** Longest piece of a bad value that an error message repeats, in characters. */
const MAX_QUOTED_CHARS = 80;
const TRUE_WORDS = ["true", "1", "yes", "on"];
const FALSE_WORDS = ["false", "0", "no", "off"];
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;

/**
 * Reads `text` as a value of `option`; `source` names where it came from (`--listen`, `HB_LISTEN`) in the
 * `UsageError` for a value that does not fit.
 */
export function readOptionValue(option: OptionSpec, text: string, source: string): OptionValue {
  const value = convert(option, text);
  if (value === undefined) {
    throw new UsageError(
      `Cannot use ${quoted(text)} for ${source}: it takes ${describeValues(option)}`,
    );
  }
  return value;
}

/** What an option accepts, as a phrase: `a number from 1 to 60`. */
export function describeValues(option: OptionSpec): string {
  switch (option.kind) {
    case "flag":
      return "true or false";
    case "text":
      return "a text that is not empty";
    case "number":
      return `a ${option.integer === true ? "whole " : ""}number${range(option, String)}`;
    case "size":
      return `${SIZE_SYNTAX}${range(option, formatSize)}`;
    case "duration":
      return `${DURATION_SYNTAX}${range(option, formatDuration)}`;
    case "address":
      return `${ADDRESS_SYNTAX}${option.allowOff === true ? ", or off" : ""}`;
    case "choice":
      return `one of ${option.choices.join(", ")}`;
  }
}

/** A text from outside in double quotes, harmless on a terminal and of bounded length. */
export function quoted(text: string): string {
  return `"${visible(text, { maxChars: MAX_QUOTED_CHARS })}"`;
}

function convert(option: OptionSpec, text: string): OptionValue | undefined {
  switch (option.kind) {
    case "flag":
      return readBoolean(text);
    case "text":
      return text === "" ? undefined : text;
    case "number":
      return inRange(readNumber(text, option.integer === true), option);
    case "size":
      return inRange(parseSize(text), option);
    case "duration":
      return inRange(parseDuration(text), option);
    case "address":
      if (option.allowOff === true && text === "off") return "off";
      return parseAddress(text, { hostname: option.defaultHostname, port: option.defaultPort });
    case "choice":
      return option.choices.includes(text) ? text : undefined;
  }
}

function readBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE_WORDS.includes(word)) return true;
  return FALSE_WORDS.includes(word) ? false : undefined;
}

function readNumber(text: string, integer: boolean): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return integer && !Number.isSafeInteger(value) ? undefined : value;
}

/** The optional ends of a range of numbers. */
interface Range {
  readonly min?: number;
  readonly max?: number;
}

function inRange(value: number | undefined, { min, max }: Range): number | undefined {
  if (value === undefined) return undefined;
  if (min !== undefined && value < min) return undefined;
  return max !== undefined && value > max ? undefined : value;
}

function range({ min, max }: Range, show: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return ` from ${show(min)} to ${show(max)}`;
  if (min !== undefined) return `, at least ${show(min)}`;
  return max !== undefined ? `, at most ${show(max)}` : "";
}
