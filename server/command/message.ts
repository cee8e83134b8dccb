/**
 * `hbserver message`: write to a client, to a tag or to all.
 *
 * @module
 */

import { sleep } from "../../platform/clock.ts";
import { type ApiClient, findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { MessageState } from "../store_record.ts";
import type { CommandContext } from "./context.ts";

/** How often `--wait` asks how far the messages have come, in milliseconds. */
const ASK_MS = 200;

type States = { id: string; state: MessageState }[];

/** Queues the message; with `--wait` resolves when every client has stored it. */
export async function messageCommand(
  { options, arguments: { who, text } }: InvocationOf<"message">,
  context: CommandContext,
): Promise<void> {
  const { terminal, dataDirectory } = context;
  const server = await findServer(dataDirectory);
  const { ids } = await server.post<{ ids: string[] }>("/api/messages", {
    who,
    text: text.join(" "),
  });
  if (options.wait) await allStored(server, { ids, context });
  if (options.json) return terminal.json({ ids });
  const done = options.wait ? "Delivered to" : "Queued for";
  terminal.talk(`${done} ${ids.length === 1 ? who : `${ids.length} clients`}.`);
}

async function allStored(
  server: ApiClient,
  { ids, context }: { ids: string[]; context: CommandContext },
): Promise<void> {
  while (true) {
    const states = await server.post<States>("/api/messages/states", { ids });
    if (states.every(({ state }) => state === "stored" || state === "shown")) return;
    await sleep(context.clock, ASK_MS, context.stopping);
  }
}
