import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { PassThrough } from "node:stream";
import { type LineEditorEnd, openLineEditor } from "./line_editor.ts";
import { LineSplitter, MAX_INPUT_LINE_CHARS } from "./line_splitter.ts";
import { Terminal } from "./terminal.ts";

const encoder = new TextEncoder();

function split(chunks: Uint8Array[]): string[] {
  const splitter = new LineSplitter();
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

Deno.test("LineSplitter hands out every line, also the last one without LF", () => {
  assertEquals(split([encoder.encode("a\r\nb\n\nc")]), ["a", "b", "", "c"]);
  assertEquals(split([encoder.encode("a\n")]), ["a"]);
  assertEquals(split([]), []);
});

Deno.test("LineSplitter gives the same lines however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), fc.nat(7), (lines, step) => {
      const bytes = encoder.encode(lines.join("\n"));
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += step + 1) {
        chunks.push(bytes.slice(at, at + step + 1));
      }
      assertEquals(split(chunks), split([bytes]));
    }),
  );
});

Deno.test("LineSplitter hands a line above the limit out in pieces and loses nothing", () => {
  for (const extra of [-1, 0, 1, MAX_INPUT_LINE_CHARS + 1]) {
    const line = "x".repeat(MAX_INPUT_LINE_CHARS + extra);
    const pieces = split([encoder.encode(`${line}\nend`)]);
    assertEquals(pieces.length, extra <= 0 ? 2 : extra === 1 ? 3 : 4);
    assertEquals(pieces.join(""), `${line}end`);
    assert(pieces.every((piece) => piece.length <= MAX_INPUT_LINE_CHARS));
  }
});

/** A line editor over streams of the test's own, and all that it says. */
function open(options: { tty: boolean; onLine?: (line: string, terminal: Terminal) => void }) {
  let screen = "";
  const sink = {
    write: (text: string) => void (screen += text),
    flush: () => Promise.resolve(),
    closed: new AbortController().signal,
  };
  const terminal = new Terminal({
    stdout: sink,
    stderr: sink,
    isStdoutTty: options.tty,
    isStderrTty: options.tty,
    isStdinTty: options.tty,
    noColor: true,
    columns: () => 20,
  });
  const keys = new PassThrough();
  const pipe = new TransformStream<Uint8Array, Uint8Array>();
  const lines: string[] = [];
  const ended = Promise.withResolvers<LineEditorEnd>();
  const editor = openLineEditor(terminal, {
    prompt: "> ",
    onLine: (line) => {
      lines.push(line);
      options.onLine?.(line, terminal);
    },
    onClose: ended.resolve,
  }, { tty: () => keys, pipe: () => pipe.readable });
  return {
    ...{ terminal, keys, lines, editor },
    ended: ended.promise,
    writer: pipe.writable.getWriter(),
    screen: () => screen,
    clear: () => screen = "",
  };
}

/** Lets the streams hand on what has been written to them. */
async function turn(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("openLineEditor() hands typed lines over and ends at Ctrl-D", async () => {
  const session = open({ tty: true });
  session.keys.write("hello\r");
  await turn();
  session.keys.write("wor");
  await turn();
  session.keys.write("ld\r\x04");
  assertEquals(await session.ended, "eof");
  assertEquals(session.lines, ["hello", "world"]);
  assert(session.keys.destroyed);
});

Deno.test("openLineEditor() ends at Ctrl-C, whatever has been typed", async () => {
  const session = open({ tty: true });
  session.keys.write("half\x03");
  assertEquals(await session.ended, "interrupt");
  assertEquals(session.lines, []);
});

Deno.test("openLineEditor() keeps the typed text below what is printed meanwhile", async () => {
  const session = open({ tty: true });
  session.keys.write("half");
  await turn();
  session.clear();
  session.terminal.talk("till-3 is DOWN");
  assertEquals(session.screen().startsWith("\r\x1b[Jtill-3 is DOWN\n"), true);
  assertEquals(session.screen().includes("> half"), true);
  session.clear();
  session.terminal.data("till-3 is UP");
  assert(session.screen().startsWith("\r\x1b[Jtill-3 is UP\n"));
  session.keys.write(" done\r");
  await turn();
  assertEquals(session.lines, ["half done"]);
  session.editor.close();
});

Deno.test("openLineEditor() takes a typed text of several rows off the screen and no more", async () => {
  const session = open({ tty: true });
  session.keys.write("x".repeat(45));
  await turn();
  session.clear();
  session.terminal.talk("one");
  assert(session.screen().startsWith("\x1b[2A\r\x1b[Jone\n"), JSON.stringify(session.screen()));
  const redrawn = session.screen().slice("\x1b[2A\r\x1b[Jone\n".length);
  assert(!redrawn.includes("A"), JSON.stringify(redrawn));
  session.editor.close();
});

Deno.test("openLineEditor() lets a line's own answer be printed before the next prompt", async () => {
  const session = open({ tty: true, onLine: (line, terminal) => terminal.talk(`got ${line}`) });
  session.keys.write("a\r");
  await turn();
  assertEquals(session.lines, ["a"]);
  assert(session.screen().includes("got a\n"));
  session.editor.close();
});

Deno.test("openLineEditor() can be closed in the middle, twice, and says nothing more", async () => {
  const session = open({ tty: true, onLine: () => session.editor.close() });
  session.keys.write("bye\rmore\r");
  await turn();
  session.editor.close();
  assertEquals(session.lines, ["bye"]);
  session.clear();
  session.terminal.talk("after");
  assertEquals(session.screen(), "after\n");
});

Deno.test("openLineEditor() reads a pipe to its end", async () => {
  const session = open({ tty: false });
  await session.writer.write(encoder.encode("a\nb"));
  await session.writer.write(encoder.encode("c"));
  await session.writer.close();
  assertEquals(await session.ended, "eof");
  assertEquals(session.lines, ["a", "bc"]);
  assertEquals(session.screen(), "");
  session.editor.close();
});

Deno.test("openLineEditor() takes a failing pipe for its end", async () => {
  const session = open({ tty: false });
  await session.writer.write(encoder.encode("a\nb"));
  await session.writer.abort(new Error("gone"));
  assertEquals(await session.ended, "eof");
  assertEquals(session.lines, ["a", "b"]);
});

Deno.test("openLineEditor() gives a pipe up when closed while it waits", async () => {
  const session = open({ tty: false, onLine: () => session.editor.close() });
  await session.writer.write(encoder.encode("a\nb\n"));
  await turn();
  session.editor[Symbol.dispose]();
  await session.writer.closed.catch(() => {});
  assertEquals(session.lines, ["a"]);
});

Deno.test("a program ends by itself once its line editor is closed", async () => {
  const script = `
    import { openLineEditor } from "${import.meta.resolve("./line_editor.ts")}";
    import { systemTerminal } from "${import.meta.resolve("./terminal.ts")}";
    const terminal = systemTerminal({ service: true, noColor: true });
    const editor = openLineEditor(terminal, {
      prompt: "> ",
      onLine: (line) => { terminal.data("got " + line); editor.close(); },
      onClose: () => Deno.exit(1),
    });`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(encoder.encode("one\n"));
  const { code, stdout } = await child.output();
  await stdin.close().catch(() => {});
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "got one\n"]);
});

/** Whether util-linux's `script` is here to lend a process a terminal. */
function hasScript(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    return new Deno.Command("script", { args: ["--version"] }).outputSync().success;
  } catch {
    // Not installed: the test is skipped, visibly.
    return false;
  }
}

Deno.test("openLineEditor() edits on a real terminal, and the program ends by itself", {
  ignore: !hasScript(),
}, async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    file,
    `
    import { openLineEditor } from "${import.meta.resolve("./line_editor.ts")}";
    import { systemTerminal } from "${import.meta.resolve("./terminal.ts")}";
    const terminal = systemTerminal({ service: true, noColor: true });
    openLineEditor(terminal, {
      prompt: "> ",
      onLine: (line) => terminal.data("got " + line),
      onClose: (reason) => terminal.talk("closed " + reason),
    });
    terminal.talk("ready");`,
  );
  const child = new Deno.Command("script", {
    args: ["-qfec", `"${Deno.execPath()}" run --no-prompt "${file}"`, "/dev/null"],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const answers: [seen: string, keys: string][] = [
    ["ready", "helpo\x7f\x7flo\r"],
    ["got hello", "x\x03"],
    ["closed interrupt", ""],
  ];
  let screen = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    screen += text;
    const next = answers[0];
    if (next === undefined || !screen.includes(next[0])) continue;
    answers.shift();
    if (next[1] !== "") await stdin.write(encoder.encode(next[1]));
  }
  const { code } = await child.status;
  await stdin.close().catch(() => {});
  await Deno.remove(file);
  assertEquals([answers, code], [[], 0], screen);
});
