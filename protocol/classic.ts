/**
 * The classic dialect's tokeniser: plain text without terminators, in which a token is whatever one send()
 * put on the wire and TCP may have split or joined. Bytes in, tokens out; it has no timer (the session
 * calls {@linkcode ClassicTokeniser.settle}), answers nothing and judges no name.
 *
 * When two readings are possible it takes the one that publishes no wrong file: an offer that could be
 * something else is refused, and bytes that could be a file's are not read as a command.
 *
 * @module
 */

import {
  CLASSIC_PREFIX_SETTLE_MS,
  CLASSIC_SETTLE_MS,
  MAX_CLASSIC_TOKEN_BYTES,
  MAX_NAME_BYTES,
} from "./limits.ts";

/** What a classic peer said. `name` is the decoded form of `nameBytes`, which answers must repeat. */
export type ClassicToken =
  | { kind: "heartbeat" }
  | { kind: "text"; text: string }
  | { kind: "bye" }
  | { kind: "end" }
  | { kind: "offer"; name: string; nameBytes: Uint8Array; size: number }
  | { kind: "bad_offer"; name: string; nameBytes: Uint8Array; sizeText: string };

/** What {@linkcode ClassicTokeniser.rejected} made of the bytes behind a refused offer. */
export interface AfterReject {
  /** Tokens that followed the refused offer. */
  tokens: ClassicToken[];
  /** Bytes that were taken for the refused file's and thrown away. */
  droppedBytes: number;
}

/** Longest name of an offer, in bytes: the buffer of a classic peer. Longer, and the token is text. */
const MAX_OFFER_NAME_BYTES = 4096;
/** Digits of 2^53 - 1. */
const MAX_SIZE_DIGITS = 16;
/** How much of a bad size is worth showing, in bytes. */
const MAX_SIZE_TEXT_BYTES = 32;
const LF = 0x0a;
const CR = 0x0d;
const PIPE = 0x7c;
const EMPTY: Uint8Array = new Uint8Array();

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const HEARTBEAT = encoder.encode("HEARTBEAT");
const END = encoder.encode("END");
const BYES = ["bye", "BYE", "Bye"].map((word) => encoder.encode(word));
const KEYWORDS = [HEARTBEAT, END, ...BYES];

/** Where `NAME|SIZE` stands in bytes that begin with it. */
interface OfferSpan {
  /** Index of the `|` that ends the name. */
  pipe: number;
  /** Index behind the last byte of the size. */
  end: number;
  /** Whether the size is nothing but digits. */
  digits: boolean;
}

/** How much is known about the end of what is held: nothing, that it ends in LF, or that no more comes. */
type Mode = "more" | "lines" | "settled";

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

function startsWith(bytes: Uint8Array, word: Uint8Array, at = 0): boolean {
  return bytes.length - at >= word.length && word.every((byte, i) => bytes[at + i] === byte);
}

function isProperPrefix(bytes: Uint8Array, word: Uint8Array): boolean {
  return bytes.length < word.length && bytes.every((byte, i) => word[i] === byte);
}

/** Length of the LF or CRLF at an index, 0 if there is none. */
function newlineLength(bytes: Uint8Array, at: number): number {
  if (bytes[at] === LF) return 1;
  return bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0;
}

/** Index of the first HEARTBEAT from `from` that is glued to a visible character before it, or -1. */
function gluedHeartbeat(bytes: Uint8Array, from = 0): number {
  for (let at = from; (at = bytes.indexOf(HEARTBEAT[0] ?? 0, at)) >= 0; at++) {
    if (at > 0 && !isBlank(bytes[at - 1]) && startsWith(bytes, HEARTBEAT, at)) return at;
  }
  return -1;
}

/** The closing word at the start, if it is a whole token: before a newline, the end or another keyword. */
function closingWord(bytes: Uint8Array, settled: boolean): "end" | "bye" | undefined {
  let first: "end" | "bye" | undefined;
  let at = 0;
  while (first === undefined || !startsWith(bytes, HEARTBEAT, at)) {
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
function isKeywordRun(chunk: Uint8Array): boolean {
  let at = 0;
  while (at < chunk.length) {
    const word = KEYWORDS.find((word) => startsWith(chunk, word, at));
    if (word === undefined) return false;
    at += word.length;
  }
  return at > 0;
}

/** Reads all the bytes as `NAME|SIZE`, split at the last `|`; undefined if that is plain text. */
function readOffer(bytes: Uint8Array): OfferSpan | undefined {
  const pipe = bytes.lastIndexOf(PIPE);
  if (pipe < 1 || pipe > MAX_OFFER_NAME_BYTES) return undefined;
  const head = decoder.decode(bytes.subarray(pipe + 1, pipe + 3));
  if (!/^[+-]?[0-9.]/.test(head)) return undefined;
  const length = bytes.length - pipe - 1;
  const digits = length <= MAX_SIZE_TEXT_BYTES && bytes.subarray(pipe + 1).every(isDigit);
  return { pipe, end: bytes.length, digits };
}

/** Reads `NAME|digits` at the start with other bytes directly behind, which may be the file's first bytes. */
function readGluedOffer(bytes: Uint8Array): OfferSpan | undefined {
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
function isWholeFileBehind(bytes: Uint8Array, { pipe, end }: OfferSpan): boolean {
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

function sizeOf(text: Uint8Array): number | undefined {
  if (text.length === 0 || text.length > MAX_SIZE_DIGITS || !text.every(isDigit)) return undefined;
  const size = Number(decoder.decode(text));
  return Number.isSafeInteger(size) ? size : undefined;
}

/** The longest length up to `max` that does not cut a UTF-8 sequence in two. */
function cutLength(bytes: Uint8Array, max: number): number {
  if (bytes.length <= max) return bytes.length;
  for (let length = max; length > max - 4; length--) {
    if (((bytes[length] ?? 0) & 0xc0) !== 0x80) return length;
  }
  return max; // No UTF-8 at all: any place is as good.
}

function offerToken(bytes: Uint8Array, { pipe, end }: OfferSpan): ClassicToken {
  const nameBytes = bytes.slice(0, pipe);
  const name = decoder.decode(nameBytes);
  const sizeBytes = bytes.subarray(pipe + 1, end);
  const size = sizeOf(sizeBytes);
  if (size !== undefined) return { kind: "offer", name, nameBytes, size };
  const shown = sizeBytes.subarray(0, cutLength(sizeBytes, MAX_SIZE_TEXT_BYTES));
  return { kind: "bad_offer", name, nameBytes, sizeText: decoder.decode(shown) };
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

/**
 * Cuts the byte stream of one classic peer into tokens. It pauses behind every offer, good or bad, until the
 * session says what became of it; the session does not read the socket in between.
 *
 * @example
 * ```ts
 * import { ClassicTokeniser } from "./classic.ts";
 * const tokeniser = new ClassicTokeniser();
 * const tokens = tokeniser.push(new TextEncoder().encode("HEARTBEATa.txt|5\nhello"));
 * tokens.push(...tokeniser.settle());
 * if (tokens[1]?.kind !== "offer" || tokeniser.takeRest().length !== 5) throw new Error("unexpected");
 * ```
 */
export class ClassicTokeniser {
  #state: "open" | "offered" | "closed" = "open";
  /** What is not decided yet; begins at the start of a token unless #tail says otherwise. */
  #held = EMPTY;
  /** Up to here no HEARTBEAT is glued inside #held. */
  #searched = 0;
  /** Where in #held a chunk of nothing but keywords began: a token boundary, if nothing more comes. */
  #mark = 0;
  /** Where in #held a complete offer ends, while the first letters of HEARTBEAT are behind it. */
  #offerEnd = 0;
  /** What the start of #held continues: nothing, a text that was too long, or a refused token to be dropped. */
  #tail: "none" | "text" | "refused" = "none";
  /** What stands behind the offer, while the session decides. */
  #rest = EMPTY;
  #offeredSize = 0;
  #ended = false;

  /** Bytes that wait for more bytes or for {@linkcode settle}. */
  get heldBytes(): number {
    return this.#state === "open" ? this.#held.length : 0;
  }

  /** Quiet time after which the session calls {@linkcode settle}, in milliseconds; undefined if nothing is held. */
  get settleAfterMs(): number | undefined {
    if (this.heldBytes === 0) return undefined;
    const unfinished = this.#offerEnd > 0 || this.#held.at(-1) === PIPE ||
      KEYWORDS.some((word) => isProperPrefix(this.#held, word));
    return unfinished ? CLASSIC_PREFIX_SETTLE_MS : CLASSIC_SETTLE_MS;
  }

  /** Takes one chunk as it was read; an offer is always the last token of the answer. */
  push(chunk: Uint8Array): ClassicToken[] {
    // A second chunk of keywords behind the first: the boundary between them and the text was real.
    const tokens = this.#mark > 0 && isKeywordRun(chunk) ? this.settle() : [];
    if (this.#state === "closed" || chunk.length === 0) return tokens;
    if (this.#state === "offered") {
      this.#rest = concat(this.#rest, chunk);
      return tokens;
    }
    const boundary = this.#held.length;
    const offerEnd = this.#offerEnd || (this.#endsHeldOffer(chunk) ? boundary : 0);
    this.#mark = boundary > 0 && this.#tail === "none" && isKeywordRun(chunk) ? boundary : 0;
    this.#held = concat(this.#held, chunk);
    if (offerEnd > 0) this.#finishOffer(offerEnd, "more", tokens);
    else this.#drain(chunk.at(-1) === LF ? "lines" : "more", tokens);
    this.#held = this.#held.slice(); // Not a view: it must not keep a large chunk alive.
    return tokens;
  }

  /** Treats what is held as complete; called when {@linkcode settleAfterMs} passed without a byte. */
  settle(): ClassicToken[] {
    const tokens: ClassicToken[] = [];
    if (this.#state === "open") this.#settle(tokens);
    return tokens;
  }

  /** Says that the stream has ended: what is held, or comes out of {@linkcode rejected}, is complete. */
  end(): ClassicToken[] {
    this.#ended = true;
    return this.settle();
  }

  /**
   * Accepts the offer: all bytes behind it, which are the file's as far as its size goes. The session reads
   * the others itself and pushes back what follows the file, if {@linkcode isTokenStart}.
   */
  takeRest(): Uint8Array {
    const rest = this.#rest;
    this.#resume();
    this.#tail = "none";
    return rest;
  }

  /**
   * Refuses the offer. Bytes that were glued behind it cannot be a reaction to the refusal: unless they are
   * tokens they are the file's, as far as its size goes, and all of them if the size was bad.
   */
  rejected(): AfterReject {
    const rest = this.#rest;
    const droppedBytes = isTokenStart(rest) ? 0 : Math.min(this.#offeredSize, rest.length);
    this.#resume();
    const tokens = this.push(rest.subarray(droppedBytes));
    if (this.#ended) tokens.push(...this.settle());
    return { tokens, droppedBytes };
  }

  #resume(): void {
    this.#rest = EMPTY;
    if (this.#state === "offered") this.#state = "open";
  }

  #settle(tokens: ClassicToken[]): void {
    if (this.#offerEnd > 0) return void this.#finishOffer(this.#offerEnd, "settled", tokens);
    const behind = this.#mark > 0 ? this.#held.slice(this.#mark) : EMPTY;
    if (this.#mark > 0) this.#held = this.#held.slice(0, this.#mark);
    this.#drain("settled", tokens);
    if (this.#state === "offered") this.#rest = concat(this.#rest, behind);
    if (this.#state !== "open") return;
    this.#tail = "none";
    this.#held = behind;
    this.#drain("settled", tokens);
  }

  /** Whether a chunk begins so that the offer held before it cannot go on: no digit and no newline. */
  #endsHeldOffer(chunk: Uint8Array): boolean {
    const [first] = chunk;
    if (this.#tail !== "none" || isDigit(first) || first === LF || first === CR) return false;
    return readOffer(this.#held)?.digits === true;
  }

  #drain(mode: Mode, tokens: ClassicToken[]): void {
    while (this.#state === "open" && this.#held.length > 0 && this.#offerEnd === 0) {
      if (this.#takeKeyword(mode, tokens)) continue;
      const lf = this.#held.indexOf(LF);
      const overlong = this.#held.length > MAX_CLASSIC_TOKEN_BYTES;
      if (mode !== "more" || (overlong && lf >= 0)) this.#takeLine(mode, tokens);
      else if (lf >= 0 || !this.#takeRun(overlong, tokens)) return;
    }
  }

  /** Takes a newline or keyword at the start; false if there is none. */
  #takeKeyword(mode: Mode, tokens: ClassicToken[]): boolean {
    const held = this.#held;
    if (startsWith(held, HEARTBEAT)) {
      tokens.push({ kind: "heartbeat" });
      this.#consume(HEARTBEAT.length);
      this.#tail = "none";
      return true;
    }
    if (this.#tail !== "none") return false;
    const newline = newlineLength(held, 0);
    if (newline > 0) {
      this.#consume(newline);
      return true;
    }
    const word = closingWord(held, mode === "settled");
    if (word === undefined) return false;
    tokens.push({ kind: word });
    this.#state = "closed";
    this.#consume(held.length);
    return true;
  }

  /** Takes what is certain of bytes without LF that may go on; false if nothing is. */
  #takeRun(overlong: boolean, tokens: ClassicToken[]): boolean {
    const beat = gluedHeartbeat(this.#held, this.#searched);
    if (beat < 0) {
      this.#searched = Math.max(0, this.#held.length - HEARTBEAT.length);
      if (overlong) this.#cut(tokens);
      return overlong;
    }
    const head = this.#held.subarray(0, beat);
    if (this.#tail === "none") {
      const offer = readOffer(head);
      const glued = readGluedOffer(head);
      if (!offer?.digits && glued !== undefined) {
        if (!overlong) return false; // The HEARTBEAT may be part of a file that was sent early.
        if (isWholeFileBehind(this.#held, glued)) return this.#offer(glued, glued.end, tokens);
      }
      if (offer?.digits) return this.#finishOffer(beat, "more", tokens);
      if (offer !== undefined) return this.#offer(offer, beat, tokens);
    }
    this.#text(head, tokens);
    this.#consume(beat);
    this.#tail = "none";
    return true;
  }

  /** Takes the first line, or all that is held if it has no LF, up to a glued HEARTBEAT. */
  #takeLine(mode: Mode, tokens: ClassicToken[]): void {
    const held = this.#held;
    const lf = held.indexOf(LF);
    const whole = mode === "settled" && lf >= 0 ? readOffer(held) : undefined;
    if (this.#tail === "none" && whole?.digits) return void this.#offer(whole, whole.end, tokens);
    const end = lf < 0 ? held.length : lf;
    const lineEnd = held[end - 1] === CR ? end - 1 : end;
    const beat = gluedHeartbeat(held.subarray(0, lineEnd));
    const head = held.subarray(0, beat < 0 ? lineEnd : beat);
    const next = beat < 0 ? end + (lf < 0 ? 0 : 1) : beat;
    if (this.#tail === "none") {
      const offer = readOffer(head);
      if (offer?.digits && beat >= 0) return void this.#finishOffer(beat, mode, tokens);
      const glued = offer?.digits ? undefined : readGluedOffer(held);
      if (glued !== undefined && isWholeFileBehind(held, glued)) {
        return void this.#offer(glued, glued.end, tokens);
      }
      if (offer !== undefined) return void this.#offer(offer, next, tokens);
    }
    this.#text(head, tokens);
    this.#consume(next);
    this.#tail = "none";
  }

  /** Takes a piece of a token that is longer than may be held. */
  #cut(tokens: ClassicToken[]): void {
    const held = this.#held;
    if (this.#tail === "none") {
      const glued = readGluedOffer(held);
      if (glued !== undefined && isWholeFileBehind(held, glued)) {
        return void this.#offer(glued, glued.end, tokens);
      }
      const pipe = glued?.pipe ?? readOffer(held)?.pipe;
      if (pipe !== undefined) {
        this.#tail = "refused";
        return void this.#offer({ pipe, end: held.length, digits: false }, held.length, tokens);
      }
    }
    const length = cutLength(held, MAX_CLASSIC_TOKEN_BYTES);
    this.#text(held.subarray(0, length), tokens);
    this.#consume(length);
    if (this.#tail === "none") this.#tail = "text";
  }

  /**
   * Takes the offer that ends at `end`. A HEARTBEAT directly behind it comes from another thread of a client
   * that waits for READY; it goes first, and is no byte of the file.
   */
  #finishOffer(end: number, mode: Mode, tokens: ClassicToken[]): false {
    const held = this.#held;
    let at = end;
    while (startsWith(held, HEARTBEAT, at)) {
      tokens.push({ kind: "heartbeat" });
      at += HEARTBEAT.length;
      at += newlineLength(held, at);
    }
    const behind = held.subarray(at);
    if (mode === "more" && behind.length > 0 && isProperPrefix(behind, HEARTBEAT)) {
      this.#held = concat(held.subarray(0, end), behind);
      this.#offerEnd = end;
      return false;
    }
    const pipe = held.subarray(0, end).lastIndexOf(PIPE);
    return this.#offer({ pipe, end, digits: true }, at, tokens);
  }

  #offer(span: OfferSpan, rest: number, tokens: ClassicToken[]): false {
    const token = offerToken(this.#held, span);
    this.#offeredSize = token.kind === "offer" ? token.size : Infinity;
    tokens.push(token);
    this.#state = "offered";
    this.#rest = this.#held.slice(rest);
    this.#consume(this.#held.length);
    this.#offerEnd = 0;
    return false;
  }

  #text(bytes: Uint8Array, tokens: ClassicToken[]): void {
    if (this.#tail === "refused") return;
    for (let at = 0; at < bytes.length;) {
      const length = cutLength(bytes.subarray(at), MAX_CLASSIC_TOKEN_BYTES);
      tokens.push({ kind: "text", text: decoder.decode(bytes.subarray(at, at + length)) });
      at += length;
    }
  }

  #consume(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
    this.#searched = 0;
    this.#mark = Math.max(0, this.#mark - bytes);
  }
}

/** The answer that makes a classic peer send its file; no newline, because peers compare it as a whole. */
export function classicReady(nameBytes: Uint8Array): Uint8Array {
  return concat(encoder.encode("READY|"), nameBytes);
}

/** The answer that refuses a classic peer's file; no newline, because peers compare it as a whole. */
export function classicReject(nameBytes: Uint8Array): Uint8Array {
  return concat(encoder.encode("REJECT|"), nameBytes);
}

/**
 * An operator's reply for a classic peer: UTF-8 with exactly one LF added unless it ends in one. A line that
 * would read as an answer to an offer gets a space before it.
 */
export function classicText(text: string): Uint8Array {
  const safe = text.replace(/(^|[\r\n])(?=(?:READY|REJECT)\|)/g, "$1 ");
  return encoder.encode(safe.endsWith("\n") ? safe : `${safe}\n`);
}
