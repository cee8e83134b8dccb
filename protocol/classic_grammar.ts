/**
 * What tokens of the classic dialect look like, as questions about bytes: is this a keyword, an offer, the
 * start of a token. It holds no state; the tokeniser in classic.ts decides when to ask.
 *
 * @module
 */

import { MAX_NAME_BYTES } from "./limits.ts";

/** Longest name of an offer, in bytes: the buffer of a classic peer. Longer, and the token is text. */
const MAX_OFFER_NAME_BYTES = 4096;
/** Digits of 2^53 - 1. */
const MAX_SIZE_DIGITS = 16;
/** How much of a bad size is worth showing, in bytes. */
export const MAX_SIZE_TEXT_BYTES = 32;
/** Glued closing words that are looked at before the first one counts as a whole token. */
const MAX_CLOSING_RUN = 16;
/** Line feed. */
export const LF = 0x0a;
/** Carriage return. */
export const CR = 0x0d;
/** What stands between the name and the size of an offer. */
export const PIPE = 0x7c;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** The keyword that is recognised without waiting. */
export const HEARTBEAT = encoder.encode("HEARTBEAT");
const END = encoder.encode("END");
const BYES = ["bye", "BYE", "Bye"].map((word) => encoder.encode(word));
/** All keywords, in every spelling. */
export const KEYWORDS = [HEARTBEAT, END, ...BYES];

/** Where `NAME|SIZE` stands in bytes that begin with it. */
export interface OfferSpan {
  /** Index of the `|` that ends the name. */
  pipe: number;
  /** Index behind the last byte of the size. */
  end: number;
  /** Whether the size is nothing but digits. */
  digits: boolean;
}

/** One array with the bytes of both. */
export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Whether a byte is an ASCII digit. */
export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** Whether the word stands at an index. */
export function startsWith(bytes: Uint8Array, word: Uint8Array, at = 0): boolean {
  return bytes.length - at >= word.length && word.every((byte, i) => bytes[at + i] === byte);
}

/** Whether all the bytes are the first of a word that is longer. */
export function isProperPrefix(bytes: Uint8Array, word: Uint8Array): boolean {
  return bytes.length < word.length && bytes.every((byte, i) => word[i] === byte);
}

/** Length of the LF or CRLF at an index, 0 if there is none. */
export function newlineLength(bytes: Uint8Array, at: number): number {
  if (bytes[at] === LF) return 1;
  return bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0;
}

/** Index of the first HEARTBEAT from `from` that is glued to a visible character before it, or -1. */
export function gluedHeartbeat(bytes: Uint8Array, from = 0): number {
  for (let at = from; (at = bytes.indexOf(HEARTBEAT[0] ?? 0, at)) >= 0; at++) {
    if (at > 0 && !isBlank(bytes[at - 1]) && startsWith(bytes, HEARTBEAT, at)) return at;
  }
  return -1;
}

/** The closing word at the start, if it is a whole token: before a newline, the end or another keyword. */
export function closingWord(bytes: Uint8Array, settled: boolean): "end" | "bye" | undefined {
  let first: "end" | "bye" | undefined;
  let at = 0;
  while (first === undefined || !startsWith(bytes, HEARTBEAT, at)) {
    if (at >= MAX_CLOSING_RUN * END.length) return first;
    const isBye = BYES.some((word) => startsWith(bytes, word, at));
    if (!isBye && !startsWith(bytes, END, at)) return undefined;
    first ??= isBye ? "bye" : "end";
    at += END.length;
    let behind = at;
    while (isBye && (bytes[behind] === 0x20 || bytes[behind] === 0x09)) behind++;
    if (newlineLength(bytes, behind) > 0) return first;
    const left = bytes.length - behind;
    if (left === 0 || (left === 1 && bytes[behind] === CR)) return settled ? first : undefined;
    if (behind > at) return undefined;
  }
  return first;
}

/** Whether a chunk is nothing but keywords, at least one, without any newline. */
export function isKeywordRun(chunk: Uint8Array): boolean {
  let at = 0;
  while (at < chunk.length) {
    const word = KEYWORDS.find((word) => startsWith(chunk, word, at));
    if (word === undefined) return false;
    at += word.length;
  }
  return at > 0;
}

/** Reads all the bytes as `NAME|SIZE`, split at the last `|`; undefined if that is plain text. */
export function readOffer(bytes: Uint8Array): OfferSpan | undefined {
  const pipe = bytes.lastIndexOf(PIPE);
  if (pipe < 1 || pipe > MAX_OFFER_NAME_BYTES) return undefined;
  const head = decoder.decode(bytes.subarray(pipe + 1, pipe + 3));
  if (!/^[+-]?[0-9.]/.test(head)) return undefined;
  const length = bytes.length - pipe - 1;
  const digits = length <= MAX_SIZE_TEXT_BYTES && bytes.subarray(pipe + 1).every(isDigit);
  return { pipe, end: bytes.length, digits };
}

/** Reads `NAME|digits` at the start with other bytes directly behind, which may be the file's first bytes. */
export function readGluedOffer(bytes: Uint8Array): OfferSpan | undefined {
  const pipe = offerPipe(bytes);
  if (pipe < 0) return undefined;
  let end = pipe + 1;
  while (isDigit(bytes[end])) end++;
  if (end === bytes.length || sizeOf(bytes.subarray(pipe + 1, end)) === undefined) return undefined;
  if (newlineLength(bytes, end) > 0) return undefined;
  const behind = decoder.decode(bytes.subarray(end, end + 3));
  if (/^(?:[.,][0-9]|[eE][+-]?[0-9]|\r$)/.test(behind)) return undefined;
  return { pipe, end, digits: true };
}

/** Whether the bytes behind a glued offer are its whole file, followed by nothing or by another token. */
export function isWholeFileBehind(bytes: Uint8Array, { pipe, end }: OfferSpan): boolean {
  const size = sizeOf(bytes.subarray(pipe + 1, end)) ?? Infinity;
  return bytes.length - end >= size && isTokenStart(bytes.subarray(end + size));
}

/** Index of the `|` before a digit that ends a name of at most {@linkcode MAX_NAME_BYTES} without LF, or -1. */
function offerPipe(bytes: Uint8Array): number {
  const near = bytes.subarray(0, MAX_NAME_BYTES + 2);
  const lf = near.indexOf(LF);
  for (let at = 1; (at = near.indexOf(PIPE, at)) >= 0; at++) {
    if (lf >= 0 && at > lf) return -1;
    if (isDigit(near[at + 1])) return at;
  }
  return -1;
}

/** The size that the text of an offer gives, in bytes; undefined unless a whole number up to 2^53 - 1. */
export function sizeOf(text: Uint8Array): number | undefined {
  if (text.length === 0 || text.length > MAX_SIZE_DIGITS || !text.every(isDigit)) return undefined;
  const size = Number(decoder.decode(text));
  return Number.isSafeInteger(size) ? size : undefined;
}

/** The longest length up to `max` that does not cut a UTF-8 sequence in two. */
export function cutLength(bytes: Uint8Array, max: number): number {
  if (bytes.length <= max) return bytes.length;
  for (let length = max; length > max - 4; length--) {
    if (((bytes[length] ?? 0) & 0xc0) !== 0x80) return length;
  }
  return max; // No UTF-8 at all: any place is as good.
}

/**
 * Whether bytes directly behind a file can be the next token: nothing, HEARTBEAT, END or bye as a whole token,
 * `NAME|digits`, or one newline and then one of these. If not, they are surplus of the file.
 */
export function isTokenStart(bytes: Uint8Array): boolean {
  const start = bytes.subarray(newlineLength(bytes, 0));
  return start.length === 0 || startsWith(start, HEARTBEAT) ||
    closingWord(start, true) !== undefined || offerPipe(start) > 0;
}

/**
 * Whether bytes that are no {@linkcode isTokenStart} yet can become one when TCP delivers the rest, so that
 * the session had better wait for {@linkcode CLASSIC_SETTLE_MS} before it calls them surplus.
 */
export function mayBecomeTokenStart(bytes: Uint8Array): boolean {
  const start = bytes.subarray(newlineLength(bytes, 0));
  return !start.includes(LF) && start.length <= MAX_NAME_BYTES + 1;
}
