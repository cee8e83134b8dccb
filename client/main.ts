/**
 * The program `hbclient`: the only file of the client that touches arguments, environment, signals and the
 * exit code.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "../platform/clock.ts";
import { DataDirectoryError, defaultDataDirectory } from "../platform/data_directory.ts";
import { DatabaseError } from "../platform/database.ts";
import { armFailpoint } from "../platform/failpoint.ts";
import { configureLogging } from "../platform/log.ts";
import { helpText, parseCommandLine, UsageError } from "../platform/option_table.ts";
import { PRODUCT_VERSION, versionLine } from "../platform/product.ts";
import { systemRandom } from "../platform/random.ts";
import { systemTerminal, type Terminal } from "../platform/terminal.ts";
import { ClientError } from "./client_error.ts";
import type { CommandContext } from "./command/context.ts";
import { createDial } from "./dial.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { type ClientInvocation, HBCLIENT } from "./options.ts";

const PROGRAM = "hbclient";
/** What the program ends with at an armed failpoint: as after SIGKILL. */
const KILLED = 137;
/** Signals that ask the program to end; not every system has every one. */
const SIGNALS: Deno.Signal[] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"];

if (import.meta.main) await main();

async function main(): Promise<void> {
  let terminal = systemTerminal({ service: false, noColor: noColor() });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    terminal.error(PROGRAM, `Cannot go on: ${describe(event.reason)}`);
    void terminal.flush().then(() => Deno.exit(EXIT.failed));
  });
  let exitCode: number;
  const signals = onSignals();
  try {
    const failpoint = Deno.env.get("HB_FAILPOINT");
    if (failpoint !== undefined) armFailpoint(failpoint, () => Deno.exit(KILLED));
    const invocation = readArguments();
    if (!isInformation(invocation)) {
      terminal = systemTerminal({
        service: invocation.command === "run",
        noColor: noColor() || invocation.options.noColor,
      });
    }
    exitCode = await dispatch(invocation, { terminal, signals });
  } catch (error) {
    exitCode = signals.stopping.aborted ? EXIT.interrupted : report(error, terminal);
  }
  await terminal.flush();
  Deno.exit(exitCode);
}

type Information = Extract<ClientInvocation, { command: "help" | "version" }>;

function isInformation(invocation: ClientInvocation): invocation is Information {
  return invocation.command === "help" || invocation.command === "version";
}

function readArguments(): ClientInvocation {
  // "deno task client -- --help" hands its own "--" on.
  const args = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
  return parseCommandLine(HBCLIENT, args, {
    env: (name) => Deno.env.get(name),
    readTextFile: (path) => Deno.readTextFileSync(path),
    defaultConfigFile: (data) => join(data ?? systemDataDirectory(), `${PROGRAM}.toml`),
  });
}

async function dispatch(
  invocation: ClientInvocation,
  { terminal, signals }: { terminal: Terminal; signals: Signals },
): Promise<ExitCode> {
  if (invocation.command === "version") {
    if (invocation.json) terminal.json({ program: PROGRAM, version: PRODUCT_VERSION });
    else terminal.data(versionLine(PROGRAM));
    return EXIT.done;
  }
  if (invocation.command === "help") {
    terminal.page(helpText(HBCLIENT, invocation.about));
    return EXIT.done;
  }
  const { logFormat: format, logLevel: level, data } = invocation.options;
  const write = (line: string) => terminal.talk(line);
  signals.takesSecond = invocation.command === "send";
  using _log = configureLogging({ level, format, write, clock: systemClock });
  return await run(invocation, {
    terminal,
    clock: systemClock,
    random: systemRandom,
    dial: createDial(systemClock),
    dataDirectory: data ?? systemDataDirectory(),
    epoch: Math.trunc(systemClock.wall()),
    stopping: signals.stopping,
    insisting: signals.insisting,
  });
}

/** Loads only the command that was asked for: a short command spends most of its time on loading. */
async function run(
  invocation: Exclude<ClientInvocation, Information>,
  context: CommandContext,
): Promise<ExitCode> {
  switch (invocation.command) {
    case "run":
      return await (await import("./command/run.ts")).runCommand(invocation, context);
    case "join":
      return await (await import("./command/join.ts")).joinCommand(invocation, context);
    case "message":
      return await (await import("./command/message.ts")).messageCommand(invocation, context);
    case "send":
      return await (await import("./command/send.ts")).sendCommand(invocation, context);
    case "inbox":
      return (await import("./command/inbox.ts")).inboxCommand(invocation, context);
    case "log":
      return (await import("./command/log.ts")).logCommand(invocation, context);
    case "status":
      return await (await import("./command/status.ts")).statusCommand(invocation, context);
  }
}

/** Puts an error into one line, with a hint where there is one, and chooses the exit code. */
function report(error: unknown, terminal: Terminal): ExitCode {
  const hint = error instanceof UsageError || error instanceof ClientError ||
      error instanceof DataDirectoryError || error instanceof DatabaseError
    ? error.hint
    : undefined;
  terminal.error(PROGRAM, describe(error), hint);
  if (error instanceof ClientError) return error.exitCode;
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What signals have asked for. */
interface Signals {
  /** Aborts at the first, with its name. */
  stopping: AbortSignal;
  /** Aborts at the second, for a command that looks at it. */
  insisting: AbortSignal;
  /** Whether the command looks at `insisting`; else the second signal ends the program at once, as a third one does. */
  takesSecond: boolean;
}

function onSignals(): Signals {
  const stopping = new AbortController();
  const insisting = new AbortController();
  const signals = {
    stopping: stopping.signal,
    insisting: insisting.signal,
    takesSecond: false,
  };
  for (const signal of SIGNALS) {
    try {
      Deno.addSignalListener(signal, () => {
        if (!stopping.signal.aborted) stopping.abort(signal);
        else if (signals.takesSecond && !insisting.signal.aborted) insisting.abort(signal);
        else Deno.exit(EXIT.interrupted);
      });
    } catch {
      // This system does not have that signal.
    }
  }
  return signals;
}

function systemDataDirectory(): string {
  return defaultDataDirectory(PROGRAM, {
    os: Deno.build.os,
    env: (name) => Deno.env.get(name),
    uid: Deno.build.os === "windows" ? null : Deno.uid(),
  });
}

function noColor(): boolean {
  return (Deno.env.get("NO_COLOR") ?? "") !== "";
}
