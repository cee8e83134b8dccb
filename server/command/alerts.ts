/**
 * `hbserver alerts`: what went wrong, and what still is.
 *
 * @module
 */

import type { Cell } from "../../platform/terminal.ts";
import { duration } from "../alert_text.ts";
import { findServer } from "../api_client.ts";
import type { AlertView } from "../json_view.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Prints the table, or its JSON. */
export async function alertsCommand(
  { options }: InvocationOf<"alerts">,
  { terminal, dataDirectory, clock }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const open = options.onlyOpen ? "1" : undefined;
  const alerts = await server.get<AlertView[]>("/api/alerts", { open });
  if (options.json) return terminal.json(alerts);
  if (alerts.length === 0) {
    return terminal.talk(options.onlyOpen ? "No open alerts." : "No alerts.");
  }
  const head = ["ID", "STATE", "CLIENTS", "CAUSE", "OPENED", "LASTED", "ACKNOWLEDGED"];
  const rows = alerts.map((alert): Cell[] => {
    const end = alert.resolved_at === null ? clock.wall() : Date.parse(alert.resolved_at);
    const open = alert.state === "open";
    return [
      String(alert.id),
      { text: alert.state, style: open ? "red" : "green" },
      alert.scope === null
        ? alert.clients.join(", ")
        : `${alert.scope}: ${alert.clients.join(", ")}`,
      alert.cause,
      alert.opened_at,
      duration(Math.max(0, end - Date.parse(alert.opened_at))),
      [alert.acked_by, alert.note].filter((part) => part !== null).join(": "),
    ];
  });
  terminal.table([head.map((text): Cell => ({ text, style: "bold" })), ...rows]);
}
