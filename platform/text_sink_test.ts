import { assert, assertEquals } from "@std/assert";
import { blockingSink, queuedSink } from "./text_sink.ts";

const decoder = new TextDecoder();

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

Deno.test("blockingSink() writes everything although the system takes a little at a time", () => {
  let text = "";
  const sink = blockingSink({
    writeSync(bytes) {
      const part = bytes.subarray(0, 3);
      text += decoder.decode(part);
      return part.length;
    },
  });
  sink.write("hello ");
  sink.write("world");
  assertEquals(text, "hello world");
});

Deno.test("blockingSink() waits for a full pipe", () => {
  let full = 3;
  let text = "";
  const sink = blockingSink({
    writeSync(bytes) {
      if (full-- > 0) throw failure("EAGAIN");
      text += decoder.decode(bytes);
      return bytes.length;
    },
  });
  sink.write("late");
  assertEquals([text, sink.closed.aborted], ["late", false]);
});

Deno.test("blockingSink() goes quiet when its reader has gone", () => {
  let calls = 0;
  const sink = blockingSink({
    writeSync() {
      calls++;
      throw failure("EPIPE");
    },
  });
  sink.write("a");
  sink.write("b");
  assertEquals([calls, sink.closed.aborted], [1, true]);
});

/** An asynchronous writer whose writes end when the test says so. */
class Slow {
  text = "";
  writes = 0;
  #release: (() => void) | undefined;
  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    await new Promise<void>((resolve) => this.#release = resolve);
    this.text += decoder.decode(bytes);
    return bytes.length;
  }
  async release(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
    this.#release?.();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}

Deno.test("queuedSink() keeps the order, joins what is said in one turn and never blocks", async () => {
  const slow = new Slow();
  const sink = queuedSink(slow);
  sink.write("a");
  sink.write("b");
  await slow.release();
  assertEquals([slow.text, slow.writes], ["ab", 1]);
  sink.write("c");
  const flushed = sink.flush();
  sink.write("d");
  await slow.release();
  await flushed;
  assertEquals([slow.text, slow.writes], ["abcd", 2]);
});

Deno.test("queuedSink() leaves out what exceeds its limit and says so", async () => {
  const slow = new Slow();
  const sink = queuedSink(slow, { maxChars: 10 });
  sink.write("12345\n");
  await Promise.resolve();
  await Promise.resolve();
  sink.write("678\n");
  sink.write("x");
  sink.write("y");
  await slow.release();
  await slow.release();
  assertEquals(slow.text, "12345\n678\n… (2 lines left out: the reader is too slow)\n");
  sink.write("z\n");
  await slow.release();
  assertEquals(slow.text.split("\n").at(-2), "z");
});

Deno.test("queuedSink() reports a single text above its limit", async () => {
  const slow = new Slow();
  const sink = queuedSink(slow, { maxChars: 3 });
  sink.write("1234");
  await slow.release();
  assertEquals(slow.text, "… (1 lines left out: the reader is too slow)\n");
});

Deno.test("queuedSink() goes quiet when its reader has gone", async () => {
  let calls = 0;
  const sink = queuedSink({
    write() {
      calls++;
      return Promise.reject(failure("EPIPE"));
    },
  });
  sink.write("a");
  await sink.flush();
  sink.write("b");
  await sink.flush();
  assertEquals([calls, sink.closed.aborted], [1, true]);
});

Deno.test("queuedSink() waits for a full pipe", async () => {
  let full = 2;
  let text = "";
  const sink = queuedSink({
    write(bytes) {
      if (full-- > 0) return Promise.reject(failure("EAGAIN"));
      text += decoder.decode(bytes.subarray(0, 2));
      return Promise.resolve(Math.min(2, bytes.length));
    },
  });
  sink.write("hello");
  await sink.flush();
  assertEquals(text, "hello");
});

Deno.test("a program whose reader goes away ends without a trace", async () => {
  const script = `
    import { systemTerminal } from "${import.meta.resolve("./terminal.ts")}";
    for (const service of [false, true]) {
      const terminal = systemTerminal({ service, noColor: true });
      for (let i = 0; i < 20_000; i++) terminal.data("line " + i);
      await terminal.flush();
      if (!terminal.closed.aborted) Deno.exit(1);
    }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const first = await reader.read();
  await reader.cancel();
  const errors = await new Response(child.stderr).text();
  const status = await child.status;
  assert(decoder.decode(first.value).startsWith("line 0\n"));
  assertEquals([errors, status.code], ["", 0]);
});
