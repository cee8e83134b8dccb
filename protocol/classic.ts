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
  closingWord,
  concat,
  CR,
  cutLength,
  gluedHeartbeat,
  HEARTBEAT,
  isDigit,
  isKeywordRun,
  isProperPrefix,
  isTokenStart,
  isWholeFileBehind,
  KEYWORDS,
  LF,
  MAX_SIZE_TEXT_BYTES,
  newlineLength,
  type OfferSpan,
  PIPE,
  readGluedOffer,
  readOffer,
  sizeOf,
  startsWith,
} from "./classic_grammar.ts";
import { CLASSIC_PREFIX_SETTLE_MS, CLASSIC_SETTLE_MS, MAX_CLASSIC_TOKEN_BYTES } from "./limits.ts";

export { isTokenStart, mayBecomeTokenStart } from "./classic_grammar.ts";

const EMPTY: Uint8Array = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

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

/** How much is known about the end of what is held: nothing, that it ends in LF, or that no more comes. */
type Mode = "more" | "lines" | "settled";

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
  /** Index of the first LF in #held, -1 if there is none, undefined if nobody has looked. */
  #lf: number | undefined;
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
    if (this.#lf === -1) this.#lf = undefined;
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
    if (this.#mark > 0) this.#hold(this.#held.slice(0, this.#mark));
    this.#drain("settled", tokens);
    if (this.#state === "offered") this.#rest = concat(this.#rest, behind);
    if (this.#state !== "open") return;
    this.#tail = "none";
    this.#hold(behind);
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
      const lf = this.#lf ??= this.#held.indexOf(LF);
      const overlong = this.#held.length > MAX_CLASSIC_TOKEN_BYTES;
      if (mode !== "more" || (overlong && lf >= 0)) this.#takeLine(lf, mode, tokens);
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
  #takeLine(lf: number, mode: Mode, tokens: ClassicToken[]): void {
    const held = this.#held;
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
      this.#hold(concat(held.subarray(0, end), behind));
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

  #hold(bytes: Uint8Array): void {
    this.#held = bytes;
    this.#lf = undefined;
    this.#searched = 0;
    this.#mark = 0;
  }

  #consume(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
    if (this.#lf !== undefined && this.#lf >= 0) {
      this.#lf = this.#lf < bytes ? undefined : this.#lf - bytes;
    }
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
