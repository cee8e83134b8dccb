/**
 * `hbserver message`: write to a client, to a tag or to all.
 *
 * @module
 */

import { sleep } from "../../platform/clock.ts";
import { type ApiClient, findServer } from "../api_client.ts";
import { CommandError, EXIT } from "../exit_code.ts";
import type { InvocationOf } from "../options.ts";
import type { MessageState } from "../store_record.ts";
import type { CommandContext } from "./context.ts";

/** How often `--wait` asks how far the messages have come, in milliseconds. */
const ASK_MS = 200;

type States = { id: string; state: MessageState }[];

/**
 * Queues the message; with `--wait` resolves when every client has stored it, and rejects when it has expired for
 * one.
 */
export async function messageCommand(
  { options, arguments: { who, text } }: InvocationOf<"message">,
  context: CommandContext,
): Promise<void> {
  const { terminal, dataDirectory } = context;
  const server = await findServer(dataDirectory);
  const { ids, away } = await server.post<{ ids: string[]; away: string[] }>("/api/messages", {
    who,
    text: text.join(" "),
    expires_ms: options.expires,
  });
  if (options.wait) await allStored(server, { ids, context });
  if (options.json) return terminal.json({ ids, away });
  const whom = ids.length === 1 ? who : `${ids.length} clients`;
  if (options.wait) return terminal.talk(`Delivered to ${whom}.`);
  const later = away.length === 0
    ? ""
    : ids.length === 1
    ? " It is away and gets it when it is back."
    : ` ${away.length} of them are away and get it when they are back.`;
  terminal.talk(`Queued for ${whom}.${later}`);
}

async function allStored(
  server: ApiClient,
  { ids, context }: { ids: string[]; context: CommandContext },
): Promise<void> {
  while (true) {
    const states = await server.post<States>("/api/messages/states", { ids });
    const waiting = states.filter(({ state }) => state === "queued" || state === "sent");
    if (waiting.length === 0) {
      const expired = states.filter(({ state }) => state === "expired").length;
      if (expired === 0) return;
      const text = `Cannot deliver to ${expired} of ${ids.length}: the message has expired`;
      throw new CommandError(expired < ids.length ? EXIT.someFailed : EXIT.failed, text);
    }
    await sleep(context.clock, ASK_MS, context.stopping);
  }
}
