/**
 * `hbserver invite`: print a join key.
 *
 * @module
 */

import { findServer } from "../api_client.ts";
import { showAddress } from "../listener.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Prints the key alone on stdout, so that it can be piped; what to do with it goes to stderr. */
export async function inviteCommand(
  { options }: InvocationOf<"invite">,
  { terminal, dataDirectory }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const invite = await server.post<{ key: string; expires_at: string }>("/api/invites", {
    name: options.name,
    tags: options.tag,
    uses: options.uses,
    ttl_ms: options.ttl,
    addresses: options.address.map(({ hostname, port }) => showAddress(hostname, port)),
  });
  if (options.json) return terminal.json(invite);
  terminal.data(invite.key);
  const times = options.uses === 1 ? "once" : `${options.uses} times`;
  terminal.talk(
    `On the client PC: hbclient join KEY, then hbclient. The key works ${times}, until ${invite.expires_at}.`,
  );
}
