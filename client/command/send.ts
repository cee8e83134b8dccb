/**
 * `hbclient send`: files, one after the other, each with its result.
 *
 * @module
 */

import { quoted } from "../../platform/option_value.ts";
import { formatSize } from "../../platform/quantity.ts";
import { CannotConnectError, ClientError, RefusedError } from "../client_error.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { openClient } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import { showProgress } from "../progress_line.ts";
import { type StoredFile, Uploader } from "../upload.ts";
import type { CommandContext } from "./context.ts";

/** Sends every path; the exit code says whether all, some or none were stored. */
export async function sendCommand(
  { arguments: { path: paths }, options }: InvocationOf<"send">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock, random, stopping } = context;
  using client = await openClient(options, context);
  await using uploader = new Uploader({
    clock,
    random,
    connect: (signal) => client.access.connect({ role: "data", ...(signal && { signal }) }),
    memory: client.uploads(),
    onNotice: (notice) => terminal.talk(`hbclient: ${notice}`),
    signal: stopping,
  });
  const abort = () => uploader.abort();
  stopping.addEventListener("abort", abort);
  using _progress = showProgress(terminal, { clock, progress: () => uploader.progress });
  const failures: ClientError[] = [];
  for (const path of paths) {
    const previous = failures.at(-1);
    const hopeless = previous !== undefined && isHopeless(previous);
    const result = hopeless ? previous : await attempt(uploader, path);
    const id = uploader.lastId;
    stopping.throwIfAborted();
    if (result instanceof ClientError) failures.push(result);
    report(result, { path, id, json: options.json, context, repeated: hopeless });
  }
  stopping.removeEventListener("abort", abort);
  return exitCodeOf(failures, paths.length);
}

/** The exit code for `failures` out of `total` files. */
export function exitCodeOf(failures: readonly ClientError[], total: number): ExitCode {
  const [first] = failures;
  if (first === undefined) return EXIT.done;
  if (failures.length < total) return EXIT.some;
  return failures.every(({ exitCode }) => exitCode === first.exitCode) ? first.exitCode : EXIT.some;
}

/** The line that says where a file was stored. */
export function storedLine({ path, as, bytes }: StoredFile): string {
  return `stored ${path} as ${quoted(as)} (${formatSize(bytes)})`;
}

async function attempt(
  uploader: Uploader,
  path: string,
): Promise<StoredFile | ClientError> {
  try {
    return await uploader.send(path);
  } catch (error) {
    if (error instanceof ClientError) return error;
    throw error;
  }
}

/** Whether the next file would meet the same at once. */
function isHopeless(error: ClientError): boolean {
  return error instanceof CannotConnectError || error instanceof RefusedError ||
    error.code === "full";
}

function report(
  result: StoredFile | ClientError,
  { path, id, json, context: { terminal }, repeated }: {
    path: string;
    id: string;
    json: boolean;
    context: CommandContext;
    repeated: boolean;
  },
): void {
  if (!(result instanceof ClientError)) {
    if (json) terminal.json({ ...result, state: "stored" });
    else terminal.data(storedLine(result));
    return;
  }
  const { code, message: reason, hint } = result;
  if (json) terminal.json({ id, path, state: "failed", code, reason });
  if (repeated) terminal.error("hbclient", `Cannot send ${quoted(path)}: as above`);
  else terminal.error("hbclient", reason, hint);
}
