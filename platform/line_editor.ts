/**
 * Lines that a person types while the program goes on printing.
 *
 * On a terminal `node:readline` edits them, and output pushes the half-typed line down instead of tearing
 * it apart; from a pipe they are read as they come.
 *
 * @module
 */

import { createInterface, type Interface } from "node:readline";
import { Readable, Writable } from "node:stream";
import { LineSplitter } from "./line_splitter.ts";
import type { Terminal } from "./terminal.ts";

/** Why no more lines will come. */
export type LineEditorEnd = "eof" | "interrupt";

/** What to do with lines. */
export interface LineEditorOptions {
  /** What stands before the typed line; only on a terminal. */
  prompt: string;
  /** Takes a line without its end. */
  onLine: (line: string) => void;
  /** Called once when the input ends or Ctrl-C is typed; not called by `close()`. */
  onClose: (reason: LineEditorEnd) => void;
}

/** An open source of lines. */
export interface LineEditor extends Disposable {
  /** Stops reading and gives the terminal back as it was; does nothing the second time. */
  close(): void;
}

/** Where lines come from; the process's own stdin unless a test says otherwise. */
export interface LineEditorInputs {
  /** Opens the input when it is a terminal. */
  tty: () => Readable;
  /** Opens the input when it is a pipe or a file. */
  pipe: () => ReadableStream<Uint8Array>;
}

const stdinInputs: LineEditorInputs = {
  tty: openStdin,
  pipe: () => Deno.stdin.readable,
};

/** Lines that can be called back with the arrow keys. */
const HISTORY_LINES = 200;

/** Starts to read lines; the caller closes it. */
export function openLineEditor(
  terminal: Terminal,
  options: LineEditorOptions,
  inputs: LineEditorInputs = stdinInputs,
): LineEditor {
  return terminal.isInteractive
    ? editLines(terminal, options, inputs)
    : receiveLines(options, inputs);
}

/** The part of readline's state that its types leave out: rows between the prompt and the cursor. */
type EditorRows = Interface & { prevRows?: number };

function editLines(
  terminal: Terminal,
  { prompt, onLine, onClose }: LineEditorOptions,
  inputs: LineEditorInputs,
): LineEditor {
  const input = inputs.tty();
  const editor: EditorRows = createInterface({
    input,
    output: screenOf(terminal),
    terminal: true,
    prompt,
    historySize: HISTORY_LINES,
  });
  const footer = terminal.attachFooter({
    hide: () => {
      const rows = editor.getCursorPos().rows;
      // Its next redraw must not climb over what is about to be printed.
      editor.prevRows = 0;
      return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
    },
    show: () => editor.prompt(true),
  });
  let reason: LineEditorEnd | "closed" = "eof";
  editor.on("line", (line: string) => {
    onLine(line);
    if (reason === "eof") editor.prompt();
  });
  editor.on("SIGINT", () => end("interrupt"));
  editor.on("close", () => {
    footer[Symbol.dispose]();
    terminal.raw("\r\n");
    input.destroy();
    if (reason !== "closed") onClose(reason);
  });
  const end = (why: typeof reason) => {
    if (reason !== "eof") return;
    reason = why;
    editor.close();
  };
  editor.prompt();
  return closable(() => end("closed"));
}

/** stdin as readline knows a terminal: it asks for raw mode, and ends it when it is closed. */
function openStdin(): Readable {
  const setRawMode = (isRaw: boolean) => Deno.stdin.setRaw(isRaw);
  return Object.assign(Readable.fromWeb(Deno.stdin.readable), { isTTY: true, setRawMode });
}

/** readline's output: everything it draws goes through the terminal's one queue. */
function screenOf(terminal: Terminal): Writable {
  const screen = new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      terminal.raw(String(chunk));
      done();
    },
  });
  return Object.defineProperty(screen, "columns", { get: () => terminal.columns });
}

function receiveLines(
  { onLine, onClose }: LineEditorOptions,
  inputs: LineEditorInputs,
): LineEditor {
  const reader = inputs.pipe().getReader();
  const splitter = new LineSplitter();
  let closed = false;
  const hand = (lines: string[]) => {
    for (const line of lines) if (!closed) onLine(line);
  };
  const run = async () => {
    for (let bytes = await readSome(reader); bytes !== undefined; bytes = await readSome(reader)) {
      hand(splitter.push(bytes));
    }
    if (closed) return;
    hand(splitter.end());
    closed = true;
    onClose("eof");
  };
  void run();
  return closable(() => {
    if (closed) return;
    closed = true;
    // A stream that fails while it is given up has nothing left that anybody wants.
    reader.cancel().catch(() => {});
  });
}

/** The next bytes; undefined at the end, which a failing input is as well. */
async function readSome(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch {
    // Such as EIO from a terminal that has gone: there will be no more lines, and that is all it means.
    return undefined;
  }
}

function closable(close: () => void): LineEditor {
  return { close, [Symbol.dispose]: close };
}
