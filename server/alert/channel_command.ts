/**
 * A command of the operator's: it gets the notice as JSON on its input and the main parts in its environment, and nothing as
 * an argument, where a shell might obey it.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import { formatDuration } from "../../platform/quantity.ts";
import { ChannelError, type ChannelSend } from "./channel.ts";
import { type ChannelAddress, commandPath } from "./channel_address.ts";
import { webhookBody } from "./channel_webhook.ts";
import type { ChannelWorld, CommandEnd, RunCommand } from "./channel_world.ts";
import type { Notice } from "./notice.ts";
import { redact } from "./redaction.ts";

/** A command that runs longer is ended, in milliseconds. */
export const COMMAND_LIMIT_MS = 30_000;
/** What a command has written about its errors is waited for so long after its end, in milliseconds. */
const ERRORS_MS = 1_000;
/** What of a command's errors is kept, in characters. */
const MAX_ERROR_CHARS = 1_000;

/** What a command finds in its environment; a value holds no NUL, which no environment can hold. */
export function commandEnvironment(notice: Notice, server: string): Record<string, string> {
  const { id, kind, severity, at, alert, cause, clients, tags, title, text } = notice;
  const all = {
    HB_ID: id,
    HB_KIND: kind,
    HB_SEVERITY: severity,
    HB_AT: new Date(at).toISOString(),
    HB_ALERT_ID: alert === undefined ? "" : String(alert),
    HB_CAUSE: cause ?? "",
    HB_CLIENTS: clients.join(","),
    HB_TAGS: tags.join(","),
    HB_TITLE: title,
    HB_TEXT: text,
    HB_SERVER: server,
    // The addresses of all channels, with their secrets, are no business of this one.
    HB_ALERT: "",
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, value]) => [name, value.replaceAll("\0", "")]),
  );
}

/** Hands notices to a command. */
export function sendToCommand(
  address: ChannelAddress,
  { clock, run, server }: Pick<ChannelWorld, "clock" | "run" | "server">,
): ChannelSend {
  const path = commandPath(address.url);
  return async (notice, { signal }) => {
    const input = `${JSON.stringify(webhookBody(notice, server))}\n`;
    const env = commandEnvironment(notice, server);
    const end = await runWithin({ path, input, env, signal, clock, run });
    if (end.code === 0) return;
    const words = end.errors.trim() === "" ? "" : ` (${redact(end.errors, address.secrets)})`;
    throw new ChannelError(`Cannot run "${path}": it ended with ${end.code}${words}`, {
      retry: true,
    });
  };
}

async function runWithin(
  { path, input, env, signal, clock, run }: {
    path: string;
    input: string;
    env: Readonly<Record<string, string>>;
    signal: AbortSignal;
    clock: Clock;
    run: RunCommand;
  },
): Promise<CommandEnd> {
  const ending = new AbortController();
  const stop = () => ending.abort();
  let isLate = false;
  using _limit = clock.after(COMMAND_LIMIT_MS, () => {
    isLate = true;
    ending.abort();
  });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const end = await run(path, { input, env, signal: ending.signal });
    if (!ending.signal.aborted) return end;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ChannelError(`Cannot run "${path}": ${redact(why, [])}`, { retry: true });
  } finally {
    signal.removeEventListener("abort", stop);
  }
  const why = isLate
    ? `it ran longer than ${formatDuration(COMMAND_LIMIT_MS)}`
    : "it was called off";
  throw new ChannelError(`Cannot run "${path}": ${why}`, { retry: true });
}

/** Runs commands of this machine. */
export function commandRunner(clock: Clock): RunCommand {
  return async (path, { input, env, signal }) => {
    const command = new Deno.Command(path, {
      env,
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    });
    const child = command.spawn();
    const kill = () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended just now.
      }
    };
    if (signal.aborted) kill();
    signal.addEventListener("abort", kill, { once: true });
    const reading = readErrors(child.stderr);
    try {
      await Promise.all([feed(child.stdin, input), child.status]);
      const { code } = await child.status;
      // What it has started and left behind may hold its errors open for ever.
      using _bound = clock.after(ERRORS_MS, reading.stop);
      return { code, errors: await reading.text };
    } finally {
      signal.removeEventListener("abort", kill);
    }
  };
}

async function feed(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // A command need not read what it is given.
  }
}

function readErrors(
  stderr: ReadableStream<Uint8Array>,
): { text: Promise<string>; stop: () => void } {
  const reader = stderr.getReader();
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text = `${text}${decoder.decode(part.value, { stream: true })}`.slice(-MAX_ERROR_CHARS);
      }
    } catch {
      // What it said until now is enough.
    }
    return text;
  };
  return {
    text: read(),
    stop: () => void reader.cancel().catch(() => {}), // As above.
  };
}
