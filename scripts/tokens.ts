/**
 * Cuts TypeScript source into tokens: just enough to tell code from comments, strings, templates and
 * regular expressions, so that checks can read code without a compiler. It is no parser.
 *
 * @module
 */

/** What a token is; a number counts as a word, and a template gives one token per literal piece. */
export type TokenKind = "word" | "string" | "template" | "regex" | "punctuation" | "comment";

/** A piece of source, from offset `start` up to but not including `end`. */
export interface Token {
  /** What it is. */
  readonly kind: TokenKind;
  /** A string's or template piece's content with escapes resolved; otherwise the source itself. */
  readonly value: string;
  /** Offset of the first UTF-16 unit; for a template piece, of what stands between the marks. */
  readonly start: number;
  /** Offset behind the last UTF-16 unit. */
  readonly end: number;
}

const SPACE = /\s+/y;
const WORD = /[\p{ID_Continue}$#@]+/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?/y;
const COMMENT = /\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/y;
const REGEX = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const TEMPLATE_PIECE = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;
const ESCAPE = /\\(?:u\{([\da-f]+)\}|u([\da-f]{4})|x([\da-f]{2})|\r?\n|([^]))/gi;

/** Words after which a slash begins a regular expression and no division. */
const BEFORE_REGEX = new Set(
  "return typeof case in of delete void instanceof new throw await yield else do".split(" "),
);
/** Words whose parenthesised condition is followed by a statement. */
const BEFORE_CONDITION = new Set(["if", "while", "for"]);

/** Cuts `text` into its tokens, comments included; text that is no TypeScript gives tokens all the same. */
export function tokenize(text: string): Token[] {
  const tokenizer = new Tokenizer(text);
  while (tokenizer.step());
  return tokenizer.tokens;
}

class Tokenizer {
  readonly tokens: Token[] = [];
  readonly #text: string;
  /** The brackets that are open, each by what stands before or in it. */
  readonly #open: ("plain" | "condition" | "template")[] = [];
  /** The last token that is no comment. */
  #last: Token | undefined;
  #closedCondition = false;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith("#!")) this.#at = text.search(/\n|$/);
  }

  /** Takes the next token; false at the end. */
  step(): boolean {
    this.#at += this.#match(SPACE).length;
    const char = this.#text.charAt(this.#at);
    if (char === "") return false;
    if (char === "`") this.#templatePiece();
    else if (char === '"' || char === "'") this.#take("string", this.#match(STRING));
    else if (this.#match(COMMENT) !== "") this.#take("comment", this.#match(COMMENT));
    else if (this.#slashBeginsRegex() && this.#match(REGEX) !== "") {
      this.#take("regex", this.#match(REGEX));
    } else {
      const word = this.#match(NUMBER) || this.#match(WORD);
      if (word !== "") this.#take("word", word);
      else this.#punctuation(char);
    }
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0] ?? "";
  }

  #take(kind: TokenKind, source: string): void {
    const value = kind === "string" ? unescape(source.slice(1, closed(source))) : source;
    const token = { kind, value, start: this.#at, end: this.#at + source.length };
    this.tokens.push(token);
    if (kind !== "comment") this.#last = token;
    this.#at = token.end;
  }

  #punctuation(char: string): void {
    const opensCondition = char === "(" && BEFORE_CONDITION.has(this.#last?.value ?? "");
    this.#take("punctuation", char);
    this.#closedCondition = false;
    if ("([{".includes(char)) this.#open.push(opensCondition ? "condition" : "plain");
    if (!")]}".includes(char)) return;
    const opened = this.#open.pop();
    this.#closedCondition = opened === "condition";
    // The piece goes on behind the brace, as the first one does behind the backtick.
    if (opened === "template") {
      this.#at--;
      this.#templatePiece();
    }
  }

  /** Takes a piece of template behind the mark here, up to the next `${` or backtick. */
  #templatePiece(): void {
    this.#at++;
    const source = this.#match(TEMPLATE_PIECE);
    const start = this.#at;
    this.#last = { kind: "template", value: unescape(source), start, end: start + source.length };
    this.tokens.push(this.#last);
    this.#at = this.#last.end;
    if (this.#text.charAt(this.#at) === "$") {
      this.#at++;
      this.#take("punctuation", "{");
      this.#open.push("template");
    } else {
      this.#at++;
    }
  }

  #slashBeginsRegex(): boolean {
    const last = this.#last;
    if (last === undefined) return true;
    if (last.kind === "word") return BEFORE_REGEX.has(last.value);
    if (last.kind !== "punctuation") return false;
    if (last.value === ")") return this.#closedCondition;
    return last.value !== "]" && last.value !== "}";
  }
}

/** Where a string's content ends: before its closing quote, if it has one. */
function closed(source: string): number {
  return source.length > 1 && source.at(-1) === source[0] ? -1 : source.length;
}

const SINGLE_ESCAPES: Record<string, string> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  0: "\0",
};

function unescape(source: string): string {
  return source.replace(ESCAPE, (_all, wide, four, two, single) => {
    const code = wide ?? four ?? two;
    if (code !== undefined) return String.fromCodePoint(Math.min(parseInt(code, 16), 0x10ffff));
    return single === undefined ? "" : SINGLE_ESCAPES[single] ?? single;
  });
}
