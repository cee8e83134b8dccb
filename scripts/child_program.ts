/**
 * Hands a task on to another program of the runtime, with its terminal and its signals.
 *
 * @module
 */

/** Runs `deno` with `args` to its end; its exit code. A signal to this process is one to the program. */
export async function runChildProgram(args: readonly string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null" }).spawn();
  // A terminal sends Ctrl-C to the child as well; whoever sends a signal to this process alone means both.
  Deno.addSignalListener("SIGINT", () => {});
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  }
  return (await child.status).code;
}
