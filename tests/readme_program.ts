/**
 * Runs the README's commands as they stand there: `hbserver …`, `hbclient …` and `deno task …`, with the data
 * directory and the ports of the test in the environment instead of on the command line.
 *
 * @module
 */

import { commandLine, type ProgramName, type ProgramResult, ROOT, runToEnd } from "./program.ts";
import { RunningProgram } from "./running_program.ts";

/** Where a command runs. */
export interface ReadmeStage {
  /** Working directory of `hbserver` and `hbclient`. */
  directory: string;
  /** Variables that take the place of options which the README leaves to their defaults. */
  env: Record<string, string>;
}

/** Runs a command to its end. */
export function runReadme(line: string, stage: ReadmeStage): Promise<ProgramResult> {
  const { command, cwd } = prepare(line, stage);
  return runToEnd(command, { cwd, env: stage.env });
}

/** Starts a command that goes on until it is told to stop. */
export function startReadme(line: string, stage: ReadmeStage): RunningProgram {
  const { command, cwd } = prepare(line, stage);
  return new RunningProgram(command, { cwd, env: stage.env });
}

/** A task only runs in the project; the programs run wherever their user is. */
function prepare(line: string, stage: ReadmeStage): { command: string[]; cwd: string } {
  const [name = "", ...args] = wordsOf(line);
  if (name === "deno") return { command: [Deno.execPath(), ...args], cwd: ROOT };
  return { command: commandLine(name as ProgramName, args), cwd: stage.directory };
}

/** The words of a command line, quotes taken off. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
}
