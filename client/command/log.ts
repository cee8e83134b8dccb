/**
 * `hbclient log`: what this machine knows of its own past: messages both ways, files of the server, and its
 * journal.
 *
 * @module
 */

import { openDataDirectory } from "../../platform/data_directory.ts";
import { journalText } from "../../platform/journal_text.ts";
import type { Line } from "../../platform/terminal.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import type { InvocationOf } from "../options.ts";
import { ClientStore } from "../store.ts";
import type { CommandContext } from "./context.ts";

/** Lines of each kind that are looked at, the newest. */
const MAX_LINES = 10_000;

/** One line as JSON; its other fields depend on its kind and are a contract. */
type LogLine = { at: string; kind: "message" | "file" | "journal" } & Record<string, unknown>;

/** Prints the lines, oldest first. */
export function logCommand(
  { options }: InvocationOf<"log">,
  { terminal, dataDirectory, clock }: CommandContext,
): ExitCode {
  using _directory = openDataDirectory(dataDirectory, { lock: false });
  using store = new ClientStore(dataDirectory, { clock });
  const since = options.since === undefined ? 0 : clock.wall() - options.since;
  const lines = [...messageLines(store), ...fileLines(store), ...journalLines(store)]
    .filter(({ at, kind }) =>
      Date.parse(at) >= since && (options.kind.length === 0 || options.kind.includes(kind))
    )
    .sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  if (options.json) terminal.json(lines);
  else for (const line of lines) terminal.data(showLine(line));
  return EXIT.done;
}

/** A line for people. */
export function showLine(line: LogLine): Line {
  return [{ text: `${line.at}  ${line.kind.padEnd(8)}`, style: "dim" }, ` ${describe(line)}`];
}

function describe(line: LogLine): string {
  const { kind, name, path, bytes, from, to, state, text } = line;
  if (kind === "journal") return journalText(line);
  if (kind === "file") return `server sent ${name} -> ${path} (${bytes} bytes)`;
  return `${from} -> ${to} (${state}): ${text}`;
}

function messageLines(store: ClientStore): LogLine[] {
  const sent = store.outbox.history(MAX_LINES).map((message) => ({
    at: iso(message.at),
    kind: "message" as const,
    id: message.id,
    from: "client",
    to: "server",
    text: message.text,
    state: message.state,
    stored_at: message.storedAt === undefined ? null : iso(message.storedAt),
    shown_at: message.shownAt === undefined ? null : iso(message.shownAt),
  }));
  const received = store.inbox(MAX_LINES).map(({ id, receivedAt, text, isShown }) => ({
    at: iso(receivedAt),
    kind: "message" as const,
    id,
    from: "server",
    to: "client",
    text,
    state: isShown ? "shown" : "stored",
  }));
  return [...sent, ...received];
}

function fileLines(store: ClientStore): LogLine[] {
  return store.receivedFiles(MAX_LINES).map(({ receivedAt, as: name, ...file }) => ({
    at: iso(receivedAt),
    kind: "file" as const,
    direction: "in",
    name,
    ...file,
  }));
}

function journalLines(store: ClientStore): LogLine[] {
  return store.journal.last(MAX_LINES).map(({ seq: _seq, at, ...entry }) => ({
    at: iso(at),
    kind: "journal" as const,
    ...entry,
  }));
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
