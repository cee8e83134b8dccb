import { assertEquals } from "@std/assert";
import { problemText } from "./problem_text.ts";

Deno.test("problemText() picks the last line that speaks of an error, else the last one", () => {
  assertEquals(
    problemText("error: first\nerror: no room\n\nStack backtrace:\n  0: x\n"),
    "error: no room",
  );
  assertEquals(problemText(new Error("starting\nConnection refused\n")), "Connection refused");
  assertEquals(problemText(" \n"), "nothing was said");
});

Deno.test("problemText() leaves out folders of this machine", () => {
  assertEquals(problemText('Cannot read "/home/me/a/b"', ["/home/me/a"]), 'Cannot read "…/b"');
});
