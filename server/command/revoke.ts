/**
 * `hbserver revoke`: shut a client out for good.
 *
 * @module
 */

import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Revokes the client and says so. */
export async function revokeCommand(
  { options, arguments: { who } }: InvocationOf<"revoke">,
  { terminal, dataDirectory }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const result = await server.post<{ revoked: string }>("/api/revoke", { who });
  if (options.json) return terminal.json(result);
  terminal.talk(`Revoked ${result.revoked}. Its files and its timeline are kept.`);
}
