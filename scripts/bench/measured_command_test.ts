import { assertEquals, assertRejects } from "@std/assert";
import { temporaryDirectory } from "../../tests/temporary_directory.ts";
import { within } from "../../tests/until.ts";
import { hasGnuTime, MeasuredCommand } from "./measured_command.ts";

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "MeasuredCommand tells what a command used, where GNU time can tell it",
  ignore,
  fn: async () => {
    await using place = await temporaryDirectory();
    await using command = new MeasuredCommand(["sh", "-c", "exit 0"], place.path);
    const { code, usage } = await command.success();
    assertEquals(code, 0);
    assertEquals((usage?.peakBytes ?? 0) > 0, hasGnuTime());
  },
});

Deno.test({
  name: "MeasuredCommand rejects with what a failing command said",
  ignore,
  fn: async () => {
    await using place = await temporaryDirectory();
    const script = "echo 'error: no luck' >&2; echo more >&2; exit 3";
    await using command = new MeasuredCommand(["sh", "-c", script], place.path);
    await assertRejects(() => command.success(), Error, "error: no luck");
  },
});

Deno.test({
  name: "MeasuredCommand ends a daemon and all that it started",
  ignore,
  fn: async () => {
    await using place = await temporaryDirectory();
    const script = "echo ready >&2; sleep 100 | sleep 100";
    const command = new MeasuredCommand(["sh", "-c", script], place.path);
    await command.line(/^ready$/);
    // Both sleepers hold its stderr, whose end this waits for.
    await within(command[Symbol.asyncDispose](), { what: "the end of all", timeoutMs: 10_000 });
  },
});
