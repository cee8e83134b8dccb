/**
 * Starts `hbserver` and `hbclient` from source, with exactly the permissions of their tasks in deno.json.
 *
 * @module
 */

import { join } from "node:path";
import { type BuildConfig, permissionFlags, PROGRAMS } from "../scripts/build_plan.ts";
import { PATIENCE_MS } from "./until.ts";

/** The project's folder. */
export const ROOT = join(import.meta.dirname ?? ".", "..");

/** One of the two programs. */
export type ProgramName = (typeof PROGRAMS)[number]["name"];

/** What a finished program left. */
export interface ProgramResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The command line that runs a program: the runtime first. */
export function commandLine(name: ProgramName, args: readonly string[]): string[] {
  const program = PROGRAMS.find((one) => one.name === name);
  if (program === undefined) throw new Error(`Cannot run "${name}": it is no program of ours`);
  const config: BuildConfig = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const main = join(ROOT, program.main);
  return [Deno.execPath(), "run", ...permissionFlags(config, program), main, ...args];
}

/** The environment of a program: this process's own without settings of hb, and without colours. */
export function cleanEnvironment(more: Record<string, string> = {}): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("HB_"));
  return { ...Object.fromEntries(own), NO_COLOR: "1", ...more };
}

/** Runs `hbserver` to its end. */
export function hbserver(...args: string[]): Promise<ProgramResult> {
  return runToEnd(commandLine("hbserver", args));
}

/** Runs `hbclient` to its end. */
export function hbclient(...args: string[]): Promise<ProgramResult> {
  return runToEnd(commandLine("hbclient", args));
}

/** Where and with which variables a command runs. */
export interface ProgramPlace {
  /** @default the tests' own */
  cwd?: string;
  /** Variables besides those of {@linkcode cleanEnvironment}. */
  env?: Record<string, string>;
}

/** Runs any command to its end; one that goes on for too long is killed and the promise rejects. */
export async function runToEnd(
  [command = "", ...args]: string[],
  options: ProgramPlace & { timeoutMs?: number } = {},
): Promise<ProgramResult> {
  const { cwd, env, timeoutMs = PATIENCE_MS } = options;
  const child = new Deno.Command(command, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    clearEnv: true,
    env: cleanEnvironment(env),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const { code, stdout, stderr } = await child.output().finally(() => clearTimeout(timer));
  const decoder = new TextDecoder();
  const result = { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  if (!timedOut) return result;
  throw new Error(
    `Cannot see the end of ${args.join(" ")} after ${timeoutMs} ms: ${result.stderr}`,
  );
}
