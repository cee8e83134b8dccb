import { assertEquals } from "@std/assert";
import { Terminal } from "../../platform/terminal.ts";
import { EXIT } from "../exit_code.ts";
import { exitCodeOf, MAX_LEFT_OUT_LINES, SendReport, storedLine } from "./send_report.ts";

Deno.test("exitCodeOf() is 0 without failures, the failure's own when all failed alike, else 5", () => {
  assertEquals(exitCodeOf([], 3), EXIT.done);
  assertEquals(exitCodeOf([EXIT.noSpace], 1), EXIT.noSpace);
  assertEquals(exitCodeOf([EXIT.source, EXIT.source], 2), EXIT.source);
  assertEquals(exitCodeOf([EXIT.source], 2), EXIT.some);
  assertEquals(exitCodeOf([EXIT.source, EXIT.noSpace], 2), EXIT.some);
});

Deno.test("storedLine() tells the name and size on the server, and whether it was there", () => {
  const file = { id: "1", path: "report.pdf", as: "report (2).pdf", bytes: 1_258_291, sha256: "0" };
  const line = 'stored report.pdf as "report (2).pdf" (1.2 MiB)';
  assertEquals(storedLine(file), line);
  assertEquals(storedLine({ ...file, already: true }), `${line}, it was already there`);
});

function reportTo({ json }: { json: boolean }) {
  const out: string[] = [];
  const talk: string[] = [];
  const { signal: closed } = new AbortController();
  const sink = (lines: string[]) => ({
    write: (text: string) => void lines.push(text.trimEnd()),
    flush: () => Promise.resolve(),
    closed,
  });
  const terminal = new Terminal({
    stdout: sink(out),
    stderr: sink(talk),
    isStdoutTty: false,
    isStderrTty: false,
    isStdinTty: false,
    noColor: true,
    columns: () => undefined,
  });
  return { report: new SendReport(terminal, { json }), out, talk };
}

const RESULT = { id: "1", as: "d", stored: 3, bytes: 9, already: 0, skipped: 1, failed: 2 };

Deno.test("SendReport gives programs one object per line: phases, files, and the summary", () => {
  const { report, out } = reportTo({ json: true });
  const files = { done: 0, total: 2 };
  report.phase({ id: "1", path: "d", phase: "sending", sent: 4, size: 9, files });
  report.phase(undefined);
  report.storedOfMany({ id: "2", path: "d/a", as: "a", bytes: 9, sha256: "00" }, {
    isFolder: true,
  });
  report.leftOut({ path: "d/l", state: "skipped", code: "link", reason: "it is a link" });
  report.summary({ ...RESULT, exitCodes: new Set([7]) }, { path: "d", isFolder: true });
  assertEquals(out.map((line) => JSON.parse(line)), [
    { id: "1", path: "d", state: "sending", sent: 4, size: 9, files_done: 0, files: 2 },
    { id: "2", path: "d/a", as: "a", bytes: 9, sha256: "00", state: "stored" },
    { path: "d/l", state: "skipped", code: "link", reason: "it is a link" },
    {
      id: "1",
      path: "d",
      state: "summary",
      as: "d",
      stored: 3,
      already: 0,
      skipped: 1,
      failed: 2,
      bytes: 9,
    },
  ]);
  assertEquals(report.exitCode, EXIT.some);
});

Deno.test("SendReport tells people each file that was left out, up to 1,000, and then how many more", () => {
  const { report, out, talk } = reportTo({ json: false });
  for (let n = 0; n < MAX_LEFT_OUT_LINES + 5; n++) {
    report.leftOut({ path: `d/${n}`, state: "failed", code: "unreadable", reason: "it is gone" });
  }
  const failed = MAX_LEFT_OUT_LINES + 5;
  const result = { ...RESULT, stored: 0, skipped: 0, failed, exitCodes: new Set([EXIT.source]) };
  report.summary(result, { path: "d", isFolder: true });
  assertEquals(talk.length, MAX_LEFT_OUT_LINES + 1);
  assertEquals(talk[0], 'hbclient: error: Cannot send "d/0": it is gone');
  assertEquals(talk.at(-1), "hbclient: 5 more were left out");
  assertEquals(out, ['stored 0 files (9 B), failed 1,005: d as "d"']);
  assertEquals(report.exitCode, EXIT.source);
});
