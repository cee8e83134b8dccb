/**
 * The classic tokeniser over its vectors, and under every split that TCP can make.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  classicReady,
  classicReject,
  classicText,
  type ClassicToken,
  ClassicTokeniser,
  isTokenStart,
  mayBecomeTokenStart,
} from "./classic.ts";
import {
  CLASSIC_PREFIX_SETTLE_MS,
  CLASSIC_SETTLE_MS,
  MAX_CLASSIC_TOKEN_BYTES,
  MAX_NAME_BYTES,
} from "./limits.ts";
import rows from "./testdata/classic.json" with { type: "json" };

/** A chunk as text or hex, or `<settle>`, `<end>`, `<take>`, `<reject>`. */
type Step = string | { hex: string };

interface Row {
  clause: string;
  check: string;
  expect: string;
  why: string;
  input: Step[];
  tokens?: string[];
  answer?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const vectors = rows as Row[];

function bytesOf(step: Step): Uint8Array {
  return typeof step === "string" ? encoder.encode(step) : Uint8Array.fromHex(step.hex);
}

function line(token: ClassicToken): string {
  switch (token.kind) {
    case "text":
      return `text ${token.text}`;
    case "offer":
      return `offer ${token.size} ${token.name}`;
    case "bad_offer":
      return `bad_offer ${token.sizeText} ${token.name}`;
    default:
      return token.kind;
  }
}

/** Plays one vector; what happened, in words. */
function play({ input }: Row): string[] {
  const tokeniser = new ClassicTokeniser();
  return input.flatMap((step) => {
    if (step === "<settle>") return tokeniser.settle().map(line);
    if (step === "<end>") return tokeniser.end().map(line);
    if (step === "<take>") return [`rest ${decoder.decode(tokeniser.takeRest())}`];
    if (step === "<reject>") {
      const { tokens, droppedBytes } = tokeniser.rejected();
      return [...tokens.map(line), `dropped ${droppedBytes}`];
    }
    return tokeniser.push(bytesOf(step)).map(line);
  });
}

function replay(row: Row): unknown {
  const bytes = bytesOf(row.input[0] ?? "");
  switch (row.check) {
    case "tokens":
      return { ...row, tokens: play(row) };
    case "start":
      return { ...row, expect: isTokenStart(bytes) ? "ok" : "surplus" };
    case "ready":
      return { ...row, answer: decoder.decode(classicReady(bytes)) };
    case "reject":
      return { ...row, answer: decoder.decode(classicReject(bytes)) };
    case "text":
      return { ...row, answer: decoder.decode(classicText(String(row.input[0]))) };
  }
  throw new Error(`Cannot replay vector: unknown check "${row.check}"`);
}

function assertVectors(clause: string): void {
  const asked = vectors.filter((row) => row.clause === clause);
  assertEquals(asked.length > 0, true);
  assertEquals(asked.map(replay), asked);
}

Deno.test("ClassicTokeniser finds HEARTBEAT however it is split or joined [HB-90]", () => {
  assertVectors("HB-90");
});

Deno.test("ClassicTokeniser takes bye and END only as whole tokens [HB-91]", () => {
  assertVectors("HB-91");
});

Deno.test("ClassicTokeniser takes the boundary of a read as a hint [HB-92]", () => {
  assertVectors("HB-92");
});

Deno.test("ClassicTokeniser splits an offer at its last bar [HB-93]", () => {
  assertVectors("HB-93");
});

Deno.test("ClassicTokeniser gives a bad offer for a size that is no whole number [HB-94]", () => {
  assertVectors("HB-94");
});

Deno.test("ClassicTokeniser completes lines and keeps LF out of names [HB-95]", () => {
  assertVectors("HB-95");
});

Deno.test("ClassicTokeniser passes on long text in pieces [HB-96]", () => {
  assertVectors("HB-96");
});

Deno.test("ClassicTokeniser hands over or drops what is glued behind an offer [HB-97]", () => {
  assertVectors("HB-97");
});

Deno.test("isTokenStart() tells the next token from surplus [HB-98]", () => {
  assertVectors("HB-98");
});

Deno.test("classicReady(), classicReject() and classicText() are exact [HB-99]", () => {
  assertVectors("HB-99");
});

Deno.test("classicReady() repeats bytes that are no UTF-8", () => {
  const name = Uint8Array.of(0xff, 0x2e, 0x80);
  const tokeniser = new ClassicTokeniser();
  const [token] = tokeniser.push(Uint8Array.of(...name, 0x7c, 0x35, 0x0a));
  assertEquals(token?.kind === "offer" ? token.nameBytes : undefined, name);
  assertEquals(classicReady(name).subarray(6), name);
});

Deno.test("ClassicTokeniser says how long the session waits before settle()", () => {
  const cases: [string, number | undefined][] = [
    ["", undefined],
    ["HEARTBEAT", undefined],
    ["hello\n", undefined],
    ["a.txt|5\n", undefined],
    ["END\n", undefined],
    ["H", CLASSIC_PREFIX_SETTLE_MS],
    ["HEARTBEA", CLASSIC_PREFIX_SETTLE_MS],
    ["HEARTBEATE", CLASSIC_PREFIX_SETTLE_MS],
    ["B", CLASSIC_PREFIX_SETTLE_MS],
    ["by", CLASSIC_PREFIX_SETTLE_MS],
    ["a.txt|", CLASSIC_PREFIX_SETTLE_MS],
    ["END", CLASSIC_SETTLE_MS],
    ["bye", CLASSIC_SETTLE_MS],
    ["a.txt|5", CLASSIC_SETTLE_MS],
    ["hello", CLASSIC_SETTLE_MS],
    ["h", CLASSIC_SETTLE_MS],
    ["a\nb", CLASSIC_SETTLE_MS],
  ];
  for (const [chunk, expected] of cases) {
    const tokeniser = new ClassicTokeniser();
    tokeniser.push(encoder.encode(chunk));
    assertEquals(tokeniser.settleAfterMs, expected, chunk);
    tokeniser.settle();
    assertEquals(tokeniser.settleAfterMs, undefined, chunk);
  }
});

Deno.test("ClassicTokeniser waits longer for a HEARTBEAT that has begun behind an offer", () => {
  const tokeniser = new ClassicTokeniser();
  tokeniser.push(encoder.encode("a.txt|5"));
  assertEquals(tokeniser.push(encoder.encode("HEART")), []);
  assertEquals(tokeniser.settleAfterMs, CLASSIC_PREFIX_SETTLE_MS);
});

Deno.test("ClassicTokeniser drops the rest of an offer that is too long to hold [HB-96]", () => {
  const tokeniser = new ClassicTokeniser();
  const [token] = tokeniser.push(encoder.encode("a|99999" + "x".repeat(MAX_CLASSIC_TOKEN_BYTES)));
  assertEquals(token && line(token), `bad_offer 99999${"x".repeat(27)} a`);
  assertEquals(tokeniser.rejected(), { tokens: [], droppedBytes: 0 });
  assertEquals(tokeniser.push(encoder.encode("END")), []);
  assertEquals(tokeniser.push(encoder.encode("\nhello\n")).map(line), ["text hello"]);
});

Deno.test("ClassicTokeniser keeps what comes while the session decides", () => {
  const tokeniser = new ClassicTokeniser();
  tokeniser.push(encoder.encode("a|9\nabc"));
  tokeniser.settle();
  assertEquals(tokeniser.push(encoder.encode("def")), []);
  assertEquals(tokeniser.settle(), []);
  assertEquals(decoder.decode(tokeniser.takeRest()), "abcdef");
  assertEquals(tokeniser.takeRest().length, 0);
});

Deno.test("ClassicTokeniser does not keep or change the caller's chunk", () => {
  const tokeniser = new ClassicTokeniser();
  const chunk = encoder.encode("hello");
  tokeniser.push(chunk);
  chunk.fill(0x78);
  assertEquals(tokeniser.settle().map(line), ["text hello"]);
});

Deno.test("mayBecomeTokenStart() holds for every proper prefix of a token start [HB-98]", () => {
  for (const { check, expect, input } of vectors) {
    if (check !== "start" || expect !== "ok") continue;
    const bytes = bytesOf(input[0] ?? "");
    for (let length = 0; length < bytes.length; length++) {
      const prefix = bytes.subarray(0, length);
      const promising = isTokenStart(prefix) || mayBecomeTokenStart(prefix);
      assertEquals(promising, true, decoder.decode(prefix));
    }
  }
  assertEquals(mayBecomeTokenStart(encoder.encode("hello\n")), false);
  assertEquals(mayBecomeTokenStart(new Uint8Array(MAX_NAME_BYTES + 1).fill(0x78)), true);
  assertEquals(mayBecomeTokenStart(new Uint8Array(MAX_NAME_BYTES + 2).fill(0x78)), false);
});

/** A session that accepts every good offer; what happened, in words, with each file's bytes. */
class Session {
  readonly log: string[] = [];
  readonly #tokeniser = new ClassicTokeniser();
  #name = "";
  #file: number[] | undefined;
  #missing = 0;

  read(chunk: Uint8Array): void {
    if (this.#file === undefined) this.#take(this.#tokeniser.push(chunk));
    else this.#receive(chunk);
  }

  settle(): void {
    if (this.#file === undefined) this.#take(this.#tokeniser.settle());
  }

  #take(tokens: ClassicToken[]): void {
    for (const token of tokens) {
      if (token.kind === "bad_offer") {
        this.log.push(line(token));
        this.#take(this.#tokeniser.rejected().tokens);
      } else if (token.kind === "offer") {
        this.#name = token.name;
        this.#file = [];
        this.#missing = token.size;
        this.#receive(this.#tokeniser.takeRest());
      } else this.log.push(line(token));
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.#file === undefined) return;
    const own = chunk.subarray(0, this.#missing);
    this.#file.push(...own);
    this.#missing -= own.length;
    if (this.#missing > 0) return;
    this.log.push(`file ${this.#name} ${decoder.decode(Uint8Array.from(this.#file))}`);
    this.#file = undefined;
    const glued = chunk.subarray(own.length);
    if (!isTokenStart(glued) && !mayBecomeTokenStart(glued)) this.log.push("surplus");
    else this.#take(this.#tokeniser.push(glued));
  }
}

/** Cuts bytes at the given places, which may be in any order and beyond the end. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((place, i) => bytes.subarray(place, places[i] ?? bytes.length));
}

function logOf(chunks: readonly Uint8Array[]): string[] {
  const session = new Session();
  for (const chunk of chunks) session.read(chunk);
  // For files that came early and do not end in LF: each one may uncover another offer.
  for (let seen = -1; seen < session.log.length;) {
    seen = session.log.length;
    session.settle();
  }
  return session.log;
}

const cuts = fc.array(fc.nat(200), { maxLength: 12 });
const fileBytes = fc.oneof(
  fc.constantFrom(
    "",
    "hello",
    "\n",
    "HEARTBEAT",
    "END\n",
    "bye",
    "b|5\n",
    "x|HEARTBEAT\nEND",
    "1",
    "\r\n",
  ),
  // An unterminated `|0` at the end of early bytes reads as a name with LF, which is refused.
  fc.string({ unit: "grapheme-ascii", maxLength: 8 }).filter((file) => !/\|[0-9]/.test(file)),
);
const fileName = fc.constantFrom("a.txt", "b", "END", "my bye.txt", "HEART", "отчёт", "e", "by");

interface Piece {
  /** What the client sends in one go. */
  send: string;
  /** What it sends after READY. */
  file?: string;
  log: string[];
}

const filePiece = fc.tuple(fileName, fileBytes).map(([name, file]): Piece => ({
  send: `${name}|${encoder.encode(file).length}`,
  file,
  log: [`file ${name} ${file}`],
}));
const textPiece = fc.constantFrom(
  "hello",
  "goodbye",
  "FRIEND",
  "bye bye",
  "the END is near",
  "HEART",
  "héé 😀",
  "a | b",
  "my HEARTBEAT is fast",
  "yes|no",
  "END ",
)
  .map((text): Piece => ({ send: text, log: [`text ${text}`] }));
const beatPiece = fc.constant<Piece>({ send: "HEARTBEAT", log: ["heartbeat"] });
const gluedPiece = fc.constant<Piece>({ send: "helloHEARTBEAT", log: ["text hello", "heartbeat"] });
const badPiece = fc.constantFrom("-1", "+5", "-1.5", ".5").map((size): Piece => ({
  send: `a|${size}`,
  log: [`bad_offer ${size} a`],
}));

/** Leaves out text directly behind a file: glued to the file's last byte it is surplus, and meant to be. */
function withoutSurplus(pieces: Piece[]): Piece[] {
  const kept: Piece[] = [];
  for (const piece of pieces) {
    const isSurplus = kept.at(-1)?.file !== undefined && piece.log[0]?.startsWith("text");
    if (!isSurplus) kept.push(piece);
  }
  return kept;
}

Deno.test("ClassicTokeniser gives the same tokens for every split of terminated tokens [HB-95]", () => {
  const piece = fc.oneof(filePiece, textPiece, beatPiece, gluedPiece);
  const pieces = fc.array(piece, { maxLength: 8 }).map(withoutSurplus);
  const newline = fc.constantFrom("\n", "\r\n");
  fc.assert(
    fc.property(pieces, newline, cuts, fc.boolean(), (sent, newline, places, ends) => {
      const text = sent.map(({ send, file = "" }) => send + newline + file).join("");
      const log = sent.flatMap(({ log }) => log);
      const bytes = encoder.encode(ends ? `${text}END${newline}` : text);
      const expected = ends ? [...log, "end"] : log;
      assertEquals(logOf(split(bytes, places)), expected);
      assertEquals(logOf([...bytes].map((byte) => Uint8Array.of(byte))), expected);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("ClassicTokeniser gives the same tokens for every split of a bad offer's line [HB-94]", () => {
  fc.assert(fc.property(badPiece, cuts, ({ send, log }, places) => {
    assertEquals(logOf(split(encoder.encode(send + "\r\n"), places)), log);
  }));
});

Deno.test("ClassicTokeniser gives the same tokens for every split of unterminated tokens [HB-92]", () => {
  const piece = fc.oneof(filePiece, textPiece, beatPiece, gluedPiece, badPiece);
  const pieces = fc.array(fc.tuple(piece, cuts, cuts), { maxLength: 8 });
  fc.assert(
    fc.property(pieces, (sent) => {
      const session = new Session();
      for (const [{ send, file }, places, filePlaces] of sent) {
        // A split that leaves exactly a keyword reads as one, so text is split in two at most.
        const cutPlaces = send.includes("|") ? places : places.slice(0, 1);
        const chunks = split(encoder.encode(send), cutPlaces);
        if (chunks.some((chunk) => /^(?:bye|END|HEARTBEAT)$/.test(decoder.decode(chunk)))) {
          chunks.splice(0, chunks.length, encoder.encode(send));
        }
        for (const chunk of chunks) session.read(chunk);
        session.settle();
        for (const chunk of split(encoder.encode(file ?? ""), filePlaces)) session.read(chunk);
      }
      assertEquals(session.log, sent.flatMap(([{ log }]) => log));
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("ClassicTokeniser finds n heartbeats in every split of n [HB-90]", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), cuts, (count, places) => {
    const chunks = split(encoder.encode("HEARTBEAT".repeat(count)), places);
    assertEquals(logOf(chunks), Array(count).fill("heartbeat"));
  }));
  const twice = encoder.encode("HEARTBEATHEARTBEAT");
  for (let i = 0; i <= twice.length; i++) {
    for (let j = i; j <= twice.length; j++) {
      assertEquals(logOf(split(twice, [i, j])), ["heartbeat", "heartbeat"]);
    }
  }
});

/** Bytes in which what the tokeniser looks for is far more likely than by chance. */
const spicyBytes = fc.array(
  fc.oneof(
    fc.constantFrom(
      "HEARTBEAT",
      "END",
      "bye",
      "a|5",
      "|",
      "9",
      "\n",
      "\r",
      "\r\n",
      "HEAR",
      "E",
      " ",
    ),
    fc.constantFrom(
      "x".repeat(MAX_CLASSIC_TOKEN_BYTES),
      "é".repeat(9_000),
      "a|99999" + "y".repeat(17_000),
    ),
    fc.string({ maxLength: 5 }),
  ).map((text) => encoder.encode(text)),
  { maxLength: 6 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));
const doing = fc.oneof(
  spicyBytes,
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom("settle", "take", "reject"),
);

Deno.test("ClassicTokeniser neither throws nor holds more than its ceiling [HB-96]", () => {
  fc.assert(
    fc.property(fc.array(doing, { maxLength: 12 }), (steps) => {
      const tokeniser = new ClassicTokeniser();
      for (const step of steps) {
        let tokens: ClassicToken[] = [];
        if (typeof step !== "string") tokens = tokeniser.push(step);
        else if (step === "settle") tokens = tokeniser.settle();
        else if (step === "take") tokeniser.takeRest();
        else tokens = tokeniser.rejected().tokens;
        assertEquals(tokeniser.heldBytes <= MAX_CLASSIC_TOKEN_BYTES, true);
        for (const token of tokens) {
          if (token.kind !== "text") continue;
          assertEquals(token.text.length > 0 && token.text.length <= MAX_CLASSIC_TOKEN_BYTES, true);
        }
        const offer = tokens.findIndex(({ kind }) => kind.endsWith("offer"));
        assertEquals(offer < 0 || offer === tokens.length - 1, true);
      }
      while (tokeniser.end().length > 0) tokeniser.rejected();
      assertEquals(tokeniser.settleAfterMs, undefined);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("ClassicTokeniser loses no byte of text", () => {
  fc.assert(fc.property(fc.stringMatching(/^[a-d |é]{1,40}$/), cuts, (text, places) => {
    const tokeniser = new ClassicTokeniser();
    const tokens = split(encoder.encode(text), places).flatMap((chunk) => tokeniser.push(chunk));
    assertEquals([...tokens, ...tokeniser.settle()].map(line), [`text ${text}`]);
  }));
});
