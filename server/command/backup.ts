/**
 * `hbserver backup`: the running server's database and key in one file.
 *
 * @module
 */

import { resolve } from "node:path";
import { formatSize } from "../../platform/quantity.ts";
import { findServer } from "../api_client.ts";
import type { Backup } from "../backup.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Has the backup made and says how large it is. */
export async function backupCommand(
  { options, arguments: { file } }: InvocationOf<"backup">,
  { terminal, dataDirectory }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const backup = await server.post<Backup>("/api/backup", { path: resolve(file) });
  if (options.json) return terminal.json(backup);
  terminal.talk(
    `Backed up to ${backup.path} (${formatSize(backup.bytes)}), the server's key included.`,
  );
}
