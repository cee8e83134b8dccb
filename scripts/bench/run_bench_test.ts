import { assertEquals } from "@std/assert";
import { benchCommand } from "./run_bench.ts";

const flags = ["--no-prompt", "--allow-all"];

Deno.test("benchCommand() passes what follows files on to that benchmark", () => {
  assertEquals(benchCommand(["files", "--quick"], "b"), [
    "run",
    ...flags,
    "b/files_bench.ts",
    "--quick",
  ]);
});

Deno.test("benchCommand() knows the benchmarks of messages, of stalls and of alarms", () => {
  for (const name of ["messages", "stalls", "alarms"]) {
    assertEquals(benchCommand([name], "b"), ["run", ...flags, `b/${name}_bench.ts`]);
  }
});

Deno.test("benchCommand() runs the benchmarks of the protocol otherwise, with all arguments", () => {
  assertEquals(benchCommand([], "b"), ["bench", ...flags, "b/protocol_bench.ts"]);
  assertEquals(benchCommand(["--filter", "files"], "b"), [
    ...["bench", ...flags, "b/protocol_bench.ts"],
    ...["--filter", "files"],
  ]);
});
