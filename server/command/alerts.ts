/**
 * `hbserver alerts`: what went wrong, and what still is.
 *
 * @module
 */

import type { Cell } from "../../platform/terminal.ts";
import { duration } from "../alert_text.ts";
import { findServer } from "../api_client.ts";
import type { AlertView, DeliveryView } from "../json_view.ts";
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
  const head = ["ID", "STATE", "CLIENTS", "CAUSE", "OPENED", "LASTED", "ACKNOWLEDGED", "TOLD"];
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
      toldText(alert.deliveries),
    ];
  });
  terminal.table([head.map((text): Cell => ({ text, style: "bold" })), ...rows]);
}

/** How far the last notice has come on each channel: `ops delivered, boss waiting after 3 tries (it said 500)`. */
export function toldText(deliveries: readonly DeliveryView[]): string {
  const last = new Map<string, DeliveryView>();
  for (const delivery of deliveries) {
    // What was not needed says less than what came before it.
    const known = last.get(delivery.channel);
    if (known === undefined || delivery.state !== "skipped") last.set(delivery.channel, delivery);
  }
  last.delete("console");
  return [...last.values()].map(({ channel, state, attempts, why }) => {
    const tries = state !== "delivered" && attempts > 0
      ? ` after ${attempts} ${attempts === 1 ? "try" : "tries"}`
      : "";
    return `${channel} ${state}${tries}${why === null ? "" : ` (${why})`}`;
  }).join(", ");
}
