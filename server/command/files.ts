/**
 * `hbserver files`: what has been received, and what has been sent or waits for its client.
 *
 * @module
 */

import type { Cell } from "../../platform/terminal.ts";
import { findServer } from "../api_client.ts";
import type { FileView } from "../json_view.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Prints the table, or its JSON. */
export async function filesCommand(
  { options, arguments: { who } }: InvocationOf<"files">,
  { terminal, dataDirectory }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const files = await server.get<FileView[]>("/api/files", { who });
  if (options.json) return terminal.json(files);
  if (files.length === 0) return terminal.talk("No files yet.");
  const head = ["AT", "CLIENT", "", "STATE", "BYTES", "SHA-256", "PATH"];
  const rows = files.map((file): Cell[] => [
    file.at,
    file.client,
    file.direction,
    stateOf(file),
    String(file.bytes),
    file.sha256.slice(0, 12),
    file.path,
  ]);
  terminal.table([head.map((text): Cell => ({ text, style: "bold" })), ...rows]);
}

function stateOf({ state, as, reason }: FileView): string {
  if (as !== null) return `${state} as ${as}`;
  return reason === null ? state : `${state} (${reason})`;
}
