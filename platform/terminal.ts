/**
 * The only way to print. stdout is data, stderr is talk.
 *
 * Whatever is printed is made visible here, so text from a peer can be passed as it is: it cannot move the
 * cursor, change colours, fake a second line or reorder what is read. Colours are asked for by
 * {@linkcode Styled} pieces and nothing else.
 *
 * @module
 */

import { csvRow } from "./csv_row.ts";
import { displayWidth } from "./display_width.ts";
import { safeJson } from "./safe_json.ts";
import { blockingSink, queuedSink, type TextSink } from "./text_sink.ts";
import { visible } from "./visible_text.ts";

/** What a terminal is made of. */
export interface TerminalPorts {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly isStdoutTty: boolean;
  readonly isStderrTty: boolean;
  readonly isStdinTty: boolean;
  /** True for no colours at all. */
  readonly noColor: boolean;
  /** Width of the window now, in columns; undefined when there is none. */
  readonly columns: () => number | undefined;
}

/** A piece of a line in a style. */
export interface Styled {
  readonly text: string;
  readonly style: keyof typeof STYLES;
}

/** One line: plain text, or pieces of which some have a style. */
export type Line = string | readonly (string | Styled)[];

/** One cell of a table. */
export type Cell = string | Styled;

/** What is shown below the output, such as a prompt with a half-typed line, and gives way to it. */
export interface Footer {
  /** Text that takes it off the screen and leaves the cursor at the start of an empty line. */
  hide(): string;
  /** Draws it again, by {@linkcode Terminal.raw}. */
  show(): void;
}

/** Longest line that is printed, in UTF-16 code units: four times the longest message. */
export const MAX_PRINTED_CHARS = 64 * 1024;

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
const BELL = "\x07";

/** The printer of one program. */
export class Terminal {
  readonly #ports: TerminalPorts;
  #footer: Footer | undefined;

  /** Makes a printer over the given streams. */
  constructor(ports: TerminalPorts) {
    this.#ports = ports;
  }

  /** Aborted when nobody reads stdout any more: a command that goes on printing should end quietly. */
  get closed(): AbortSignal {
    return this.#ports.stdout.closed;
  }

  /** Whether a person can type lines and see the prompt. */
  get isInteractive(): boolean {
    return this.#ports.isStdinTty && this.#ports.isStderrTty;
  }

  /** Whether what goes to stderr is seen at once by a person, so that a line may be redrawn. */
  get isStderrTty(): boolean {
    return this.#ports.isStderrTty;
  }

  /** Width of the window in columns, 80 when it is not known. */
  get columns(): number {
    return this.#ports.columns() || 80;
  }

  /** Prints a line of data on stdout. */
  data(line: Line): void {
    const { stdout, isStdoutTty } = this.#ports;
    this.#print(stdout, `${this.#render(line, isStdoutTty)}\n`, isStdoutTty);
  }

  /** Prints a value as one line of JSON on stdout. */
  json(value: unknown): void {
    const { stdout, isStdoutTty } = this.#ports;
    this.#print(stdout, `${safeJson(value)}\n`, isStdoutTty);
  }

  /** Prints a row of comma-separated values on stdout, with the line end of RFC 4180. */
  csv(cells: readonly string[]): void {
    const { stdout, isStdoutTty } = this.#ports;
    this.#print(stdout, `${csvRow(cells)}\r\n`, isStdoutTty);
  }

  /** Prints the program's own text of several lines, such as its manual, on stdout. */
  page(text: string): void {
    const { stdout, isStdoutTty } = this.#ports;
    const shown = visible(text, { keepNewlines: true, maxChars: Infinity });
    this.#print(stdout, shown.endsWith("\n") ? shown : `${shown}\n`, isStdoutTty);
  }

  /** Prints rows on stdout with their columns aligned by what they take on the screen. */
  table(rows: readonly (readonly Cell[])[]): void {
    const widths: number[] = [];
    for (const row of rows) {
      row.forEach((cell, index) => {
        widths[index] = Math.max(widths[index] ?? 0, cellWidth(cell));
      });
    }
    for (const row of rows) {
      const line = row.flatMap((cell, index) => {
        const gap = (widths[index] ?? 0) - cellWidth(cell) + 2;
        return index === row.length - 1 ? [cell] : [cell, " ".repeat(gap)];
      });
      this.data(line);
    }
  }

  /** Prints a line for people on stderr. */
  talk(line: Line): void {
    const { stderr, isStderrTty } = this.#ports;
    this.#print(stderr, `${this.#render(line, isStderrTty)}\n`, isStderrTty);
  }

  /** Prints what went wrong and, where that helps, what to do: `hbclient: error: …`, `hbclient: hint: …`. */
  error(program: string, message: string, hint?: string): void {
    this.talk([`${program}: `, { text: "error:", style: "red" }, ` ${message}`]);
    if (hint !== undefined) {
      this.talk([`${program}: `, { text: "hint:", style: "cyan" }, ` ${hint}`]);
    }
  }

  /** Rings, if there is anybody to hear it. */
  bell(): void {
    if (this.#ports.isStderrTty) this.#ports.stderr.write(BELL);
  }

  /** Writes text with control sequences to a terminal on stderr: for prompts and progress bars alone. */
  raw(text: string): void {
    if (this.#ports.isStderrTty) this.#ports.stderr.write(text);
  }

  /** Keeps `footer` below everything that is printed on a terminal until the result is disposed of. */
  attachFooter(footer: Footer): Disposable {
    this.#footer = footer;
    return {
      [Symbol.dispose]: () => {
        if (this.#footer === footer) this.#footer = undefined;
      },
    };
  }

  /** Resolves when everything printed so far is out; a service awaits it before it ends. */
  async flush(): Promise<void> {
    await Promise.all([this.#ports.stdout.flush(), this.#ports.stderr.flush()]);
  }

  #print(sink: TextSink, text: string, isTty: boolean): void {
    if (!isTty || this.#footer === undefined || !this.#ports.isStderrTty) return sink.write(text);
    // Both streams are one screen: only one queue keeps text and footer in order.
    this.#ports.stderr.write(this.#footer.hide() + text);
    this.#footer.show();
  }

  #render(line: Line, isTty: boolean): string {
    const pieces = typeof line === "string" ? [line] : line;
    const coloured = isTty && !this.#ports.noColor;
    return pieces.map((piece) => renderPiece(piece, coloured)).join("");
  }
}

/**
 * The terminal of this process. `service` says that printing must never block (see `text_sink.ts`); its
 * owner then awaits `flush()` before the process ends.
 */
export function systemTerminal(options: { service: boolean; noColor: boolean }): Terminal {
  const isTty = (stream: { isTerminal(): boolean }) => stream.isTerminal();
  return new Terminal({
    stdout: options.service ? queuedSink(Deno.stdout) : blockingSink(Deno.stdout),
    stderr: options.service ? queuedSink(Deno.stderr) : blockingSink(Deno.stderr),
    isStdoutTty: isTty(Deno.stdout),
    isStderrTty: isTty(Deno.stderr),
    isStdinTty: isTty(Deno.stdin),
    noColor: options.noColor,
    columns: consoleColumns,
  });
}

function consoleColumns(): number | undefined {
  try {
    return Deno.consoleSize().columns;
  } catch {
    // No terminal, no size: that is an answer.
    return undefined;
  }
}

function renderPiece(piece: string | Styled, coloured: boolean): string {
  if (typeof piece === "string") return visible(piece, { maxChars: MAX_PRINTED_CHARS });
  const text = visible(piece.text, { maxChars: MAX_PRINTED_CHARS });
  return coloured && text !== "" ? `\x1b[${STYLES[piece.style]}m${text}\x1b[0m` : text;
}

function cellWidth(cell: Cell): number {
  return displayWidth(visible(typeof cell === "string" ? cell : cell.text));
}
