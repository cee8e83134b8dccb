/**
 * `hbclient send`: files and folders, each with its result; Ctrl-C pauses, twice cancels.
 *
 * @module
 */

import { sleep } from "../../platform/clock.ts";
import { quoted } from "../../platform/option_value.ts";
import { formatSize } from "../../platform/quantity.ts";
import { CannotConnectError, ClientError, RefusedError } from "../client_error.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { openClient } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import { showProgress } from "../progress_line.ts";
import { type Batch, batchesOf, walkBatch } from "../send_batch.ts";
import { blockingSources } from "../source_access.ts";
import { Uploader } from "../upload.ts";
import type { UploadProgress } from "../upload_progress.ts";
import type { CommandContext } from "./context.ts";
import { SendReport } from "./send_report.ts";

/** Time in which a second Ctrl-C cancels what the first one has paused, in milliseconds. */
export const CANCEL_WINDOW_MS = 2_000;
/** Longest time between two events about one upload, in milliseconds. */
const EVENT_MS = 1_000;

/** Sends every path; the exit code says whether all, some or none were stored. */
export async function sendCommand(
  { arguments: { path: paths }, options }: InvocationOf<"send">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock, random, stopping } = context;
  using client = await openClient(options, context);
  const report = new SendReport(terminal, options);
  let uploading: Uploader | undefined = undefined;
  await using uploader = new Uploader({
    clock,
    random,
    connect: (signal) => client.access.connect({ role: "data", ...(signal && { signal }) }),
    memory: client.uploads(),
    access: blockingSources,
    onNotice: (notice) => terminal.talk(`hbclient: ${notice}`),
    onPhase: () => report.phase(uploading?.progress),
    signal: stopping,
  });
  uploading = uploader;
  let paused: UploadProgress | undefined;
  const pause = () => {
    paused = uploader.progress;
    uploader.abort();
  };
  stopping.addEventListener("abort", pause);
  using _progress = showProgress(terminal, { clock, progress: () => uploader.progress });
  using _events = repeat(context, () => report.phase(uploader.progress));
  try {
    await sendAll(batchesOf(paths), { uploader, report, signal: stopping });
  } catch (error) {
    if (!stopping.aborted) throw error;
    await endPaused(paused, { uploader, report, context });
    return EXIT.interrupted;
  } finally {
    stopping.removeEventListener("abort", pause);
  }
  return report.exitCode;
}

async function sendAll(
  batches: readonly Batch[],
  { uploader, report, signal }: { uploader: Uploader; report: SendReport; signal: AbortSignal },
): Promise<void> {
  let hopeless: ClientError | undefined;
  for (const batch of batches) {
    if (hopeless !== undefined) {
      report.repeated(batch, hopeless);
      continue;
    }
    const error = await attempt(batch, { uploader, report, signal });
    signal.throwIfAborted();
    if (error !== undefined && isHopeless(error)) hopeless = error;
  }
}

/** Sends one batch and reports on it; resolves with what made it fail as a whole. */
async function attempt(
  batch: Batch,
  { uploader, report, signal }: { uploader: Uploader; report: SendReport; signal: AbortSignal },
): Promise<ClientError | undefined> {
  try {
    if (batch.kind === "file") {
      report.stored(await uploader.send(batch.path));
      return undefined;
    }
    const { path, key, folder } = batch;
    const walked = await walkBatch(batch, { access: blockingSources, signal });
    const isFolder = batch.kind === "folder";
    const result = await uploader.sendMany({
      path,
      key,
      folder,
      walked,
      onStored: (file) => report.storedOfMany(file, { isFolder }),
      onLeftOut: (left) => report.leftOut(left),
    });
    report.summary(result, { path, isFolder });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ClientError)) throw error;
    report.failed(batch, { id: uploader.lastId, error });
    return error;
  }
}

/** Whether the next file would meet the same at once. */
function isHopeless(error: ClientError): boolean {
  return error instanceof CannotConnectError || error instanceof RefusedError ||
    error.code === "full";
}

/** Says how far it is, and waits a moment for a person who wants to cancel. */
async function endPaused(
  paused: UploadProgress | undefined,
  { uploader, report, context }: {
    uploader: Uploader;
    report: SendReport;
    context: CommandContext;
  },
): Promise<void> {
  if (paused === undefined) return;
  const { stopping, insisting, clock, terminal } = context;
  report.paused(paused);
  const { path, sent, size } = paused;
  const far = `${formatSize(sent)} of ${formatSize(size)}`;
  terminal.talk(`hbclient: paused ${quoted(path)} at ${far}; run the same command again to go on`);
  if (stopping.reason !== "SIGINT") return;
  terminal.talk("hbclient: press Ctrl-C again within 2 s to cancel it");
  await sleep(clock, CANCEL_WINDOW_MS, insisting).catch(() => {}); // The second Ctrl-C ends the wait.
  if (!insisting.aborted) return;
  const isToldServer = await uploader.cancel();
  report.cancelled(paused);
  terminal.talk(
    isToldServer
      ? `hbclient: cancelled ${quoted(path)}: the server deletes what it had got of it`
      : `hbclient: cancelled ${quoted(path)}: the server cannot be told, and deletes it in a week`,
  );
}

/** Calls `run` every second until disposed of. */
function repeat({ clock }: CommandContext, run: () => void): Disposable {
  const again = () => {
    run();
    timer = clock.after(EVENT_MS, again);
  };
  let timer = clock.after(EVENT_MS, again);
  return { [Symbol.dispose]: () => timer.cancel() };
}
