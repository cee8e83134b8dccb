import { assertEquals } from "@std/assert";
import { safeJson } from "./safe_json.ts";
import { Terminal, type TerminalPorts } from "./terminal.ts";
import type { TextSink } from "./text_sink.ts";

/** A sink that keeps what it is given. */
class Kept implements TextSink {
  text = "";
  readonly closed = new AbortController().signal;
  write(text: string): void {
    this.text += text;
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
}

function make(ports: Partial<Omit<TerminalPorts, "stdout" | "stderr">> = {}) {
  const stdout = new Kept();
  const stderr = new Kept();
  const terminal = new Terminal({
    stdout,
    stderr,
    isStdoutTty: false,
    isStderrTty: false,
    isStdinTty: false,
    noColor: false,
    columns: () => undefined,
    ...ports,
  });
  return { terminal, stdout, stderr };
}

const tty = { isStdoutTty: true, isStderrTty: true, isStdinTty: true };

Deno.test("Terminal sends data to stdout and talk to stderr", () => {
  const { terminal, stdout, stderr } = make();
  terminal.data("a");
  terminal.talk("b");
  terminal.json({ c: 1 });
  terminal.page("d\ne\n");
  terminal.error("hbtest", "Cannot do it", "Do something else");
  assertEquals(stdout.text, 'a\n{"c":1}\nd\ne\n');
  assertEquals(stderr.text, "b\nhbtest: error: Cannot do it\nhbtest: hint: Do something else\n");
});

Deno.test("Terminal makes whatever it prints visible, with and without a tty", () => {
  const hostile = "x\x1b[2J\x1b]52;c;aGk=\x07\u202egpj\r\n[till-3] is UP";
  const harmless = "x\\x1b[2J\\x1b]52;c;aGk=\\x07\\u202egpj\\x0d\\x0a[till-3] is UP";
  for (const ports of [{}, tty]) {
    const { terminal, stdout, stderr } = make({ ...ports, noColor: true });
    terminal.data(hostile);
    terminal.data(["<", { text: hostile, style: "red" }, ">"]);
    terminal.table([[hostile, "b"]]);
    terminal.talk(hostile);
    terminal.error("p", hostile, hostile);
    terminal.page("\x1b[1m");
    assertEquals(
      stdout.text,
      `${harmless}\n<${harmless}>\n${harmless}  b\n\\x1b[1m\n`,
    );
    assertEquals(stderr.text, `${harmless}\np: error: ${harmless}\np: hint: ${harmless}\n`);
  }
});

Deno.test("Terminal.json() escapes what a terminal obeys, and any reader gets it back", () => {
  const value = { text: "\x1b[2J\x7f\x9b\u202e\u200b\u{e0041}\ud800\n\u2028é😀", n: 1 };
  const { terminal, stdout } = make(tty);
  terminal.json(value);
  assertEquals(
    stdout.text,
    '{"text":"\\u001b[2J\\u007f\\u009b\\u202e\\u200b\\udb40\\udc41\\ud800\\n\\u2028é😀","n":1}\n',
  );
  assertEquals(JSON.parse(stdout.text), value);
});

Deno.test("safeJson() has an answer for every value", () => {
  assertEquals(safeJson(undefined), "null");
  assertEquals(safeJson(10n ** 20n), '"100000000000000000000"');
  assertEquals(safeJson([undefined, NaN]), "[null,null]");
});

Deno.test("Terminal colours styled pieces on a tty alone, and not when colours are off", () => {
  const line = ["till-3 ", { text: "DOWN", style: "red" }] as const;
  const cases: [Partial<TerminalPorts>, string][] = [
    [{ ...tty }, "till-3 \x1b[31mDOWN\x1b[0m\n"],
    [{ ...tty, noColor: true }, "till-3 DOWN\n"],
    [{}, "till-3 DOWN\n"],
    [{ ...tty, isStdoutTty: false }, "till-3 DOWN\n"],
  ];
  for (const [ports, text] of cases) {
    const { terminal, stdout } = make(ports);
    terminal.data(line);
    assertEquals(stdout.text, text);
  }
});

Deno.test("Terminal.table() aligns by the width on the screen", () => {
  const { terminal, stdout } = make();
  terminal.table([
    ["NAME", "STATE", "ADDRESS"],
    ["你好", { text: "UP", style: "green" }, "10.0.0.1"],
    ["e\u0301t", "PLANNED", ""],
    ["b\x1b"],
  ]);
  assertEquals(
    stdout.text,
    "NAME   STATE    ADDRESS\n" +
      "你好   UP       10.0.0.1\n" +
      "e\u0301t     PLANNED  \n" +
      "b\\x1b\n",
  );
});

Deno.test("Terminal.table() counts no column for colours", () => {
  const { terminal, stdout } = make(tty);
  terminal.table([[{ text: "UP", style: "green" }, "x"], ["DOWN", "y"]]);
  assertEquals(stdout.text, "\x1b[32mUP\x1b[0m    x\nDOWN  y\n");
});

Deno.test("Terminal.bell() and raw() say nothing where nobody listens", () => {
  const quiet = make();
  quiet.terminal.bell();
  quiet.terminal.raw("\x1b[1A");
  assertEquals(quiet.stderr.text, "");
  const loud = make(tty);
  loud.terminal.bell();
  loud.terminal.raw("\r");
  assertEquals(loud.stderr.text, "\x07\r");
});

Deno.test("Terminal draws a footer again below everything that is printed on the screen", () => {
  const { terminal, stdout, stderr } = make(tty);
  const footer = terminal.attachFooter({
    hide: () => "[hide]",
    show: () => terminal.raw("[show]"),
  });
  terminal.data("a");
  terminal.talk("b");
  assertEquals([stdout.text, stderr.text], ["", "[hide]a\n[show][hide]b\n[show]"]);
  footer[Symbol.dispose]();
  terminal.data("c");
  assertEquals(stdout.text, "c\n");
});

Deno.test("Terminal leaves a footer alone when stdout is not the screen", () => {
  const { terminal, stdout, stderr } = make({ ...tty, isStdoutTty: false });
  using _footer = terminal.attachFooter({
    hide: () => "[hide]",
    show: () => terminal.raw("[show]"),
  });
  terminal.data("a");
  assertEquals([stdout.text, stderr.text], ["a\n", ""]);
});

Deno.test("Terminal.columns is the window's width, or 80", () => {
  assertEquals(make().terminal.columns, 80);
  assertEquals(make({ columns: () => 0 }).terminal.columns, 80);
  assertEquals(make({ columns: () => 132 }).terminal.columns, 132);
});
