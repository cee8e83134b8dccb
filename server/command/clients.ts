/**
 * `hbserver clients`: who is up, late or down, since when and why.
 *
 * @module
 */

import type { Cell } from "../../platform/terminal.ts";
import { duration } from "../alert_text.ts";
import { findServer } from "../api_client.ts";
import type { ClientView } from "../json_view.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

const STYLES = {
  UP: "green",
  LATE: "yellow",
  SUSPECT: "yellow",
  DOWN: "red",
  PLANNED: "dim",
  FLAPPING: "red",
} as const;

/** Prints the table, or its JSON. */
export async function clientsCommand(
  { options }: InvocationOf<"clients">,
  { terminal, dataDirectory, clock }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const clients = await server.get<ClientView[]>("/api/clients");
  if (options.json) return terminal.json(clients);
  if (clients.length === 0) {
    return terminal.talk('No clients yet. "hbserver invite" prints a join key for one.');
  }
  terminal.table(clientTable(clients, clock.wall()));
}

/** The table of clients; also shown by the console. */
export function clientTable(clients: ClientView[], now: number): Cell[][] {
  const head = ["NAME", "STATE", "SINCE", "LAST SEEN", "GAP", "RTT", "ADDRESS", "TAGS", "APP"];
  const ago = (at: string | null) =>
    at === null ? "never" : `${duration(now - Date.parse(at))} ago`;
  const rows = clients.map((client): Cell[] => [
    client.name,
    { text: [client.state, ...client.overlay].join(" "), style: STYLES[client.state] },
    duration(Math.max(0, now - Date.parse(client.since))) +
    (client.cause === null ? "" : ` (${client.cause})`),
    ago(client.last_seen),
    client.gap_ms === null ? "-" : duration(client.gap_ms),
    client.rtt_ms === null ? "-" : `${client.rtt_ms.toFixed(1)} ms`,
    client.address,
    client.tags.join(",") + (client.verified ? "" : client.classic ? " classic" : " unverified"),
    client.app,
  ]);
  return [head.map((text) => ({ text, style: "bold" })), ...rows];
}
