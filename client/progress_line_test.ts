import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { Terminal } from "../platform/terminal.ts";
import { ProgressText, REDRAW_MS, showProgress, STALLED_MS } from "./progress_line.ts";
import type { UploadProgress } from "./upload_progress.ts";

const MIB = 1024 * 1024;

function at(sent: number, changes: Partial<UploadProgress> = {}): UploadProgress {
  return { id: "1", path: "/a/report.pdf", phase: "sending", sent, size: 100 * MIB, ...changes };
}

function fakeTerminal({ isStderrTty = true } = {}): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const { signal: closed } = new AbortController();
  const sink = {
    write: (text: string) => void written.push(text),
    flush: () => Promise.resolve(),
    closed,
  };
  const terminal = new Terminal({
    stdout: sink,
    stderr: sink,
    isStdoutTty: isStderrTty,
    isStderrTty,
    isStdinTty: false,
    noColor: true,
    columns: () => 40,
  });
  return { terminal, written };
}

Deno.test("ProgressText tells phase, part, speed and time left", () => {
  const text = new ProgressText();
  assertEquals(text.render(at(0), 0), "report.pdf  sending  0 %  0 B of 100.0 MiB  ");
  assertEquals(
    text.render(at(20 * MIB), 2_000),
    "report.pdf  sending  20 %  20.0 MiB of 100.0 MiB  10.0 MiB/s  8 s left",
  );
  assertEquals(
    text.render(at(100 * MIB, { phase: "verifying" }), 3_000),
    "report.pdf  verifying  100 %  100.0 MiB of 100.0 MiB",
  );
});

Deno.test("ProgressText says stalled after 5 s without a byte, and starts anew for the next file", () => {
  const text = new ProgressText();
  text.render(at(MIB), 0);
  assert(!text.render(at(MIB), STALLED_MS - 1).includes("stalled"));
  assert(text.render(at(MIB), STALLED_MS).endsWith("stalled"));
  assert(!text.render(at(2 * MIB), STALLED_MS + 1).includes("stalled"));
  assert(!text.render(at(0, { path: "b" }), 3 * STALLED_MS).includes("stalled"));
});

Deno.test("ProgressText makes control characters visible and shortens long names", () => {
  const text = new ProgressText();
  assert(text.render(at(0, { path: "/a/\u001b[31m.pdf" }), 0).startsWith("\\x1b[31m.pdf  "));
  assert(text.render(at(0, { path: "x".repeat(300) }), 0).startsWith(`${"x".repeat(24)}…  `));
  assert(text.render(at(0, { size: 0 }), 0).includes("100 %"));
});

Deno.test("showProgress() redraws at most ten times a second, in one line, and cleans up", async () => {
  const clock = new FakeClock();
  const { terminal, written } = fakeTerminal();
  let sent = 0;
  {
    using _progress = showProgress(terminal, { clock, progress: () => at(sent) });
    for (let step = 0; step < 100; step++) {
      sent += MIB;
      await clock.advance(10);
    }
  }
  assert(written.length <= 1_000 / REDRAW_MS + 2, `${written.length} writes`);
  const longest = Math.max(...written.map((text) => text.length));
  assertEquals(longest, "\r\x1b[K".length + 39);
  assert(written.every((text) => text.startsWith("\r\x1b[K") && !text.includes("\n")));
  assertEquals(written.at(-1), "\r\x1b[K");
  assertEquals(clock.waiting, 0);
});

Deno.test("showProgress() writes nothing where nobody would see it redrawn", async () => {
  const clock = new FakeClock();
  const { terminal, written } = fakeTerminal({ isStderrTty: false });
  using _progress = showProgress(terminal, { clock, progress: () => at(MIB) });
  await clock.advance(1_000);
  assertEquals(written, []);
});

Deno.test("ProgressText counts files, smooths the speed, and measures anew after a phase", () => {
  const text = new ProgressText();
  const files = { done: 3, total: 12 };
  assertEquals(
    text.render(at(50 * MIB, { phase: "waiting", files }), 0),
    "report.pdf  waiting  50 %  50.0 MiB of 100.0 MiB  3 of 12 files",
  );
  text.render(at(50 * MIB), 1_000);
  assert(text.render(at(60 * MIB), 2_000).includes("10.0 MiB/s"));
  const slower = text.render(at(60 * MIB), 3_000);
  assert(slower.includes("8.2 MiB/s"), slower);
  assert(text.render(at(0), 4_000).endsWith("100.0 MiB  "), "starting over is no speed");
});
