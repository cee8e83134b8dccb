/**
 * Lines of text from bytes that come in pieces: what a person or another program writes to stdin.
 *
 * @module
 */

/** Longest line that is handed out, in UTF-16 code units; a longer one comes in several pieces. */
export const MAX_INPUT_LINE_CHARS = 64 * 1024;

/** Splits UTF-8 bytes into lines without their LF or CR LF; broken UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #pending = "";

  /** Takes bytes and returns the lines that they complete. */
  push(bytes: Uint8Array): string[] {
    this.#pending += this.#decoder.decode(bytes, { stream: true });
    const lines: string[] = [];
    let start = 0;
    for (let end = this.#lineEnd(start); end !== undefined; end = this.#lineEnd(start)) {
      lines.push(withoutCarriageReturn(this.#pending.slice(start, end)));
      start = this.#pending[end] === "\n" ? end + 1 : end;
    }
    this.#pending = this.#pending.slice(start);
    return lines;
  }

  /** Says that no more bytes will come and returns the last line, if no LF has ended it. */
  end(): string[] {
    const last = this.#pending + this.#decoder.decode();
    this.#pending = "";
    return last === "" ? [] : [withoutCarriageReturn(last)];
  }

  /** Where the line from `start` ends: at its LF or at the limit; undefined when more must come. */
  #lineEnd(start: number): number | undefined {
    const limit = start + MAX_INPUT_LINE_CHARS;
    const end = this.#pending.indexOf("\n", start);
    if (end >= 0 && end <= limit) return end;
    return this.#pending.length > limit ? limit : undefined;
  }
}

function withoutCarriageReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
