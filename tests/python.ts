/**
 * Whether Python is here, for tests that need a program which is not ours.
 *
 * @module
 */

/** The command that runs Python 3; undefined when there is none. */
export const PYTHON: string | undefined = findPython();

function findPython(): string | undefined {
  for (const command of ["python3", "python"]) {
    try {
      const { stdout } = new Deno.Command(command, { args: ["--version"] }).outputSync();
      if (new TextDecoder().decode(stdout).startsWith("Python 3")) return command;
    } catch {
      // Not installed under that name.
    }
  }
  return undefined;
}
