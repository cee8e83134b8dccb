/**
 * `hbserver snooze`: hear nothing of machines for a time.
 *
 * @module
 */

import type { OverlayView } from "../alert/alert_operations.ts";
import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";
import { printOverlays } from "./plan.ts";

/** Snoozes WHO and says until when. */
export async function snoozeCommand(
  { options, arguments: { who, note } }: InvocationOf<"snooze">,
  { terminal, dataDirectory, user }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const set = await server.post<OverlayView[]>("/api/snooze", {
    who,
    by: options.by ?? user,
    note: note.length === 0 ? undefined : note.join(" "),
    for_ms: options.for,
  });
  if (options.json) return terminal.json(set);
  printOverlays(set, terminal);
}
