/**
 * The program `hbserver`: the only file of the server that touches arguments, environment, signals and the
 * exit code.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "../platform/clock.ts";
import { DataDirectoryError, defaultDataDirectory } from "../platform/data_directory.ts";
import { DatabaseError } from "../platform/database.ts";
import { armFailpoint } from "../platform/failpoint.ts";
import { configureLogging, getLog, type Logger } from "../platform/log.ts";
import { helpText, parseCommandLine, UsageError } from "../platform/option_table.ts";
import { PRODUCT_VERSION, versionLine } from "../platform/product.ts";
import { systemTerminal, type Terminal } from "../platform/terminal.ts";
import { ackCommand } from "./command/ack.ts";
import { alertsCommand } from "./command/alerts.ts";
import { backupCommand } from "./command/backup.ts";
import { clientsCommand } from "./command/clients.ts";
import type { CommandContext } from "./command/context.ts";
import { filesCommand } from "./command/files.ts";
import { inviteCommand } from "./command/invite.ts";
import { logCommand } from "./command/log.ts";
import { maintenanceCommand } from "./command/maintenance.ts";
import { messageCommand } from "./command/message.ts";
import { planCommand } from "./command/plan.ts";
import { pushCommand } from "./command/push.ts";
import { reportCommand } from "./command/report.ts";
import { revokeCommand } from "./command/revoke.ts";
import { runCommand } from "./command/run.ts";
import { snoozeCommand } from "./command/snooze.ts";
import { testAlertCommand } from "./command/test_alert.ts";
import { CommandError, EXIT } from "./exit_code.ts";
import { ListenError } from "./listener.ts";
import { HBSERVER, type ServerInvocation } from "./options.ts";
import { StoreError } from "./store.ts";

const PROGRAM = "hbserver";
/** What the program ends with at an armed failpoint: as after SIGKILL. */
const KILLED = 137;
/** Signals that ask the program to end; not every system has every one. */
const SIGNALS: Deno.Signal[] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"];

if (import.meta.main) await main();

async function main(): Promise<void> {
  let terminal = systemTerminal({ service: false, noColor: noColor() });
  let exitCode: number = EXIT.done;
  try {
    const failpoint = Deno.env.get("HB_FAILPOINT");
    if (failpoint !== undefined) armFailpoint(failpoint, () => Deno.exit(KILLED));
    const invocation = readArguments();
    if (invocation.command === "run") {
      terminal = systemTerminal({
        service: true,
        noColor: noColor() || invocation.options.noColor,
      });
    }
    exitCode = await dispatch(invocation, terminal);
  } catch (error) {
    exitCode = report(error, terminal);
  }
  await terminal.flush();
  Deno.exit(exitCode);
}

function readArguments(): ServerInvocation {
  // "deno task server -- --help" hands its own "--" on.
  const args = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
  return parseCommandLine(HBSERVER, args, {
    env: (name) => Deno.env.get(name),
    readTextFile: (path) => Deno.readTextFileSync(path),
    defaultConfigFile: (data) => join(data ?? systemDataDirectory(), `${PROGRAM}.toml`),
  });
}

async function dispatch(invocation: ServerInvocation, terminal: Terminal): Promise<number> {
  if (invocation.command === "version") {
    if (invocation.json) terminal.json({ program: PROGRAM, version: PRODUCT_VERSION });
    else terminal.data(versionLine(PROGRAM));
    return EXIT.done;
  }
  if (invocation.command === "help") {
    terminal.page(helpText(HBSERVER, invocation.about));
    return EXIT.done;
  }
  const { logFormat: format, logLevel: level, data } = invocation.options;
  const write = (line: string) => terminal.talk(line);
  using _log = configureLogging({ level, format, write, clock: systemClock });
  surviveMistakes(getLog("server"));
  const stopping = onSignals();
  const dataDirectory = data ?? systemDataDirectory();
  const user = userName();
  const surroundings = { terminal, clock: systemClock, args: Deno.args, stopping };
  const context: CommandContext = { ...surroundings, dataDirectory, user };
  await run(invocation, context);
  return stopping.reason === "SIGINT" ? EXIT.interrupted : EXIT.done;
}

function run(
  invocation: Exclude<ServerInvocation, { command: "help" | "version" }>,
  context: CommandContext,
): Promise<void> {
  switch (invocation.command) {
    case "run":
      return runCommand(invocation, context);
    case "invite":
      return inviteCommand(invocation, context);
    case "clients":
      return clientsCommand(invocation, context);
    case "message":
      return messageCommand(invocation, context);
    case "push":
      return pushCommand(invocation, context);
    case "log":
      return logCommand(invocation, context);
    case "files":
      return filesCommand(invocation, context);
    case "alerts":
      return alertsCommand(invocation, context);
    case "ack":
      return ackCommand(invocation, context);
    case "snooze":
      return snoozeCommand(invocation, context);
    case "maintenance":
      return maintenanceCommand(invocation, context);
    case "plan":
      return planCommand(invocation, context);
    case "test-alert":
      return testAlertCommand(invocation, context);
    case "report":
      return reportCommand(invocation, context);
    case "revoke":
      return revokeCommand(invocation, context);
    case "backup":
      return backupCommand(invocation, context);
  }
}

/** Puts an error into one line, with a hint where there is one, and chooses the exit code. */
function report(error: unknown, terminal: Terminal): number {
  if (!(error instanceof Error)) {
    if (error === "SIGINT") return EXIT.interrupted;
    terminal.error(PROGRAM, `Cannot go on: ${String(error)}`);
    return EXIT.failed;
  }
  const known = error instanceof UsageError || error instanceof CommandError ||
    error instanceof ListenError || error instanceof DataDirectoryError ||
    error instanceof DatabaseError || error instanceof StoreError;
  terminal.error(PROGRAM, error.message, known ? error.hint : undefined);
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

/**
 * A mistake of ours in the handling of one connection must not end the watch over all the others: it is
 * logged, with its place, and the server goes on.
 */
function surviveMistakes(log: Logger): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const { reason } = event;
    const error = reason instanceof Error ? reason.stack ?? reason.message : String(reason);
    log.error("A mistake in hbserver itself; please report it: {error}", { error });
  });
}

/** Aborts with the signal's name; a second signal ends the program at once. */
function onSignals(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of SIGNALS) {
    try {
      Deno.addSignalListener(signal, () => {
        if (stopping.signal.aborted) Deno.exit(EXIT.interrupted);
        stopping.abort(signal);
      });
    } catch {
      // This system does not have that signal.
    }
  }
  return stopping.signal;
}

function systemDataDirectory(): string {
  return defaultDataDirectory(PROGRAM, {
    os: Deno.build.os,
    env: (name) => Deno.env.get(name),
    uid: Deno.build.os === "windows" ? null : Deno.uid(),
  });
}

/** Whoever runs this, as the system calls them. */
function userName(): string {
  const names = ["USER", "LOGNAME", "USERNAME"].map((name) => Deno.env.get(name));
  return names.find((name) => name !== undefined && name !== "") ?? "operator";
}

function noColor(): boolean {
  return (Deno.env.get("NO_COLOR") ?? "") !== "";
}
