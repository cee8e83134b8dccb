/**
 * Runs the Deno that runs this script as a child process, with a time limit.
 *
 * @module
 */

/** What the child came to. */
export interface CommandResult {
  /** Its exit code; not 0 when it was ended at its time limit. */
  readonly code: number;
  /** What it wrote to stdout. */
  readonly stdout: string;
  /** What it wrote to stderr, and a line when it was ended at its time limit. */
  readonly stderr: string;
}

/** How the child runs. */
export interface DenoCommandOptions {
  /** Working directory. */
  readonly cwd: string;
  /** Time after which it is ended, in milliseconds. */
  readonly limitMs: number;
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `deno` with `args`, without colours and without a terminal to ask on, and collects its output. */
export async function denoCommand(
  args: readonly string[],
  options: DenoCommandOptions,
): Promise<CommandResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: options.cwd,
    env: { ...options.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  const timer = setTimeout(() => {
    ended = true;
    child.kill("SIGKILL");
  }, options.limitMs);
  try {
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    const note = ended ? `\ndeno ${args[0]} was ended after ${options.limitMs / 1000} s\n` : "";
    return {
      code: ended ? code || 1 : code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr) + note,
    };
  } finally {
    clearTimeout(timer);
  }
}
