/**
 * `hbserver ack`: say that somebody takes care of an alert.
 *
 * @module
 */

import type { AckAnswer } from "../alert/alert_operations.ts";
import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Acknowledges the open alerts of WHO and says which. */
export async function ackCommand(
  { options, arguments: { who, note } }: InvocationOf<"ack">,
  { terminal, dataDirectory, user }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const answer = await server.post<AckAnswer>("/api/ack", {
    who,
    by: options.by ?? user,
    note: note.length === 0 ? undefined : note.join(" "),
    for_ms: options.for,
  });
  if (options.json) return terminal.json(answer);
  const alerts = answer.ids.map((id) => `#${id}`).join(", ");
  terminal.talk(`Acknowledged ${alerts}: ${answer.clients.join(", ")}.`);
}
