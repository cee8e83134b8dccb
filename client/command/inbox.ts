/**
 * `hbclient inbox`: the messages of the operator that this machine has, with or without an agent running.
 *
 * @module
 */

import { openDataDirectory } from "../../platform/data_directory.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import type { InvocationOf } from "../options.ts";
import { ClientStore, type InboxMessage } from "../store.ts";
import type { CommandContext } from "./context.ts";

/** Messages that one call lists, the newest. */
export const MAX_LISTED_MESSAGES = 1_000;

/** What one message is as JSON; the names are a contract. */
interface InboxLine {
  id: string;
  /** When the operator wrote it, and when it came. */
  at: string;
  received_at: string;
  from: "server";
  text: string;
  /** `stored` while nobody has been shown it. */
  state: "stored" | "shown";
}

/** Prints the newest messages; with `--read` only new ones, which then count as shown. */
export function inboxCommand(
  { options }: InvocationOf<"inbox">,
  { terminal, dataDirectory, clock }: CommandContext,
): ExitCode {
  using _directory = openDataDirectory(dataDirectory, { lock: false });
  using store = new ClientStore(dataDirectory, { clock });
  const messages = store.inbox(MAX_LISTED_MESSAGES, { onlyUnshown: options.read });
  if (options.json) terminal.json(messages.map(lineOf));
  for (const message of options.json ? [] : messages) {
    const { at, state, text } = lineOf(message);
    terminal.data([
      { text: `${at}  ${state === "stored" ? "new" : "   "}  `, style: "dim" },
      text,
    ]);
  }
  if (options.read) store.markShown(...messages.map(({ id }) => id));
  if (messages.length === 0 && !options.json) {
    terminal.talk(options.read ? "No new messages." : "No messages yet.");
  }
  return EXIT.done;
}

function lineOf({ id, at, receivedAt, text, isShown }: InboxMessage): InboxLine {
  return {
    id,
    at: new Date(at).toISOString(),
    received_at: new Date(receivedAt).toISOString(),
    from: "server",
    text,
    state: isShown ? "shown" : "stored",
  };
}
