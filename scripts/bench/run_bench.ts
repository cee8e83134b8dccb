/**
 * `deno task bench [files|messages|stalls|alarms …]`: passes arguments on to a benchmark by its name; without a name those of
 * `deno bench` run.
 *
 * @module
 */

import { join } from "node:path";
import { runChildProgram } from "../child_program.ts";

/** The benchmarks that are programs of their own. */
const PROGRAMS: readonly string[] = ["files", "messages", "stalls", "alarms"];

/** The arguments of `deno` for the arguments of the task; `folder` is this file's. */
export function benchCommand(args: readonly string[], folder: string): string[] {
  const [name = "", ...rest] = args;
  return PROGRAMS.includes(name)
    ? ["run", "--no-prompt", "--allow-all", join(folder, `${name}_bench.ts`), ...rest]
    : ["bench", "--no-prompt", "--allow-all", join(folder, "protocol_bench.ts"), ...args];
}

if (import.meta.main) {
  Deno.exit(await runChildProgram(benchCommand(Deno.args, import.meta.dirname ?? ".")));
}
