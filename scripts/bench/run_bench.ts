/**
 * `deno task bench [files|messages|stalls …]`: passes arguments on to a benchmark by its name; without a name those of
 * `deno bench` run.
 *
 * @module
 */

import { join } from "node:path";

/** The benchmarks that are programs of their own. */
const PROGRAMS: readonly string[] = ["files", "messages", "stalls"];

/** The arguments of `deno` for the arguments of the task; `folder` is this file's. */
export function benchCommand(args: readonly string[], folder: string): string[] {
  const [name = "", ...rest] = args;
  return PROGRAMS.includes(name)
    ? ["run", "--no-prompt", "--allow-all", join(folder, `${name}_bench.ts`), ...rest]
    : ["bench", "--no-prompt", "--allow-all", join(folder, "protocol_bench.ts"), ...args];
}

async function main(): Promise<number> {
  const args = benchCommand(Deno.args, import.meta.dirname ?? ".");
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn();
  // A terminal sends Ctrl-C to the child as well; whoever sends a signal to this process alone means both.
  Deno.addSignalListener("SIGINT", () => {});
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  }
  return (await child.status).code;
}

if (import.meta.main) Deno.exit(await main());
