/**
 * `hbclient join`: enrol this machine with a join key.
 *
 * @module
 */

import { DataDirectoryInUseError, openDataDirectory } from "../../platform/data_directory.ts";
import { enrol, readJoinKey } from "../enrol.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { checkNameOption, PLAINTEXT_WARNING } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Enrols; the settings are replaced only after the server has accepted. */
export async function joinCommand(
  { arguments: { key: text }, options }: InvocationOf<"join">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, dataDirectory, stopping: signal } = context;
  checkNameOption(options.name);
  const key = readJoinKey(text);
  using _directory = openDataDirectory(dataDirectory, { lock: false });
  if (key.certificate === undefined) terminal.talk(`hbclient: warning: ${PLAINTEXT_WARNING}`);
  const joined = await enrol(key, { name: options.name, context: { ...context, signal } });
  const { name, serverId, address, hadJoined } = joined;
  if (options.json) terminal.json({ name, server: serverId, address });
  else terminal.data(`joined as ${name} (server ${address})`);
  if (hadJoined && isAgentRunning(dataDirectory)) {
    terminal.talk("hbclient: The running agent still uses the old settings: restart it");
  }
  return EXIT.done;
}

/** Whether another process holds the data directory. */
export function isAgentRunning(dataDirectory: string): boolean {
  try {
    openDataDirectory(dataDirectory, { lock: true })[Symbol.dispose]();
    return false;
  } catch (error) {
    if (error instanceof DataDirectoryInUseError) return true;
    throw error;
  }
}
