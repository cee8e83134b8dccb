/**
 * `hbserver maintenance`: raise no alert for machines while they are being worked on.
 *
 * @module
 */

import { UsageError } from "../../platform/usage_error.ts";
import type { OverlayView } from "../alert/alert_operations.ts";
import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";
import { printOverlays } from "./plan.ts";

/** Sets maintenance for WHO and says until when. */
export async function maintenanceCommand(
  { options, arguments: { who, note } }: InvocationOf<"maintenance">,
  { terminal, dataDirectory, user }: CommandContext,
): Promise<void> {
  const { every, zone } = options;
  const given = [options.for !== undefined, options.untilBack, every !== undefined];
  if (given.filter(Boolean).length !== 1) {
    throw new UsageError(
      "Cannot set maintenance: it needs exactly one of --for, --until-back and --every",
      { hint: 'such as --for 2h, or --every "Sun 02:00-04:00"' },
    );
  }
  const server = await findServer(dataDirectory);
  const set = await server.post<OverlayView[]>("/api/maintenance", {
    who,
    by: options.by ?? user,
    note: note.length === 0 ? undefined : note.join(" "),
    for_ms: options.for,
    until_back: options.untilBack,
    ...{ every, zone },
  });
  if (options.json) return terminal.json(set);
  printOverlays(set, terminal);
}
