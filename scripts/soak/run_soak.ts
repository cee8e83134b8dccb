/**
 * `deno task soak kills|idle|away|outage …`: passes arguments on to a long test by its name.
 *
 * @module
 */

import { join } from "node:path";
import { runChildProgram } from "../child_program.ts";
import { writeText } from "../write_text.ts";

/** The long tests, and the flags of `deno` that each needs besides the permissions. */
const SOAKS: Readonly<Record<string, readonly string[]>> = {
  kills: [],
  idle: [],
  away: ["--v8-flags=--expose-gc"],
  outage: [],
};

/** The arguments of `deno` for the arguments of the task; `folder` is this file's. Undefined for no known name. */
export function soakCommand(args: readonly string[], folder: string): string[] | undefined {
  const [name = "", ...rest] = args;
  const flags = Object.hasOwn(SOAKS, name) ? SOAKS[name] : undefined;
  if (flags === undefined) return undefined;
  return ["run", "--no-prompt", "--allow-all", ...flags, join(folder, `${name}_soak.ts`), ...rest];
}

async function main(): Promise<number> {
  const args = soakCommand(Deno.args, import.meta.dirname ?? ".");
  if (args === undefined) {
    const names = Object.keys(SOAKS).join("|");
    writeText(Deno.stderr, `Usage: deno task soak ${names} [--help]\n`);
    return 2;
  }
  return await runChildProgram(args);
}

if (import.meta.main) Deno.exit(await main());
