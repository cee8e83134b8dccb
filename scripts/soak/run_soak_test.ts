import { assertEquals } from "@std/assert";
import { soakCommand } from "./run_soak.ts";

const flags = ["--no-prompt", "--allow-all"];

Deno.test("soakCommand() passes what follows the name on to that long test", () => {
  assertEquals(soakCommand(["kills", "--kills", "40"], "s"), [
    "run",
    ...flags,
    "s/kills_soak.ts",
    ...["--kills", "40"],
  ]);
});

Deno.test("soakCommand() gives the one that measures a heap a collector it can call", () => {
  assertEquals(soakCommand(["away"], "s"), [
    "run",
    ...flags,
    "--v8-flags=--expose-gc",
    "s/away_soak.ts",
  ]);
});

Deno.test("soakCommand() knows no other names", () => {
  for (const args of [[], ["toString"], ["kill"]]) assertEquals(soakCommand(args, "s"), undefined);
});
