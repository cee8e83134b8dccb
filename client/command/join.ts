/**
 * `hbclient join`: enrol this machine with a join key.
 *
 * @module
 */

import { type Address, formatAddress } from "../../platform/address.ts";
import { DataDirectoryInUseError, openDataDirectory } from "../../platform/data_directory.ts";
import { quoted } from "../../platform/option_value.ts";
import { appName } from "../../platform/product.ts";
import {
  decodeJoinKey,
  generateKeyPair,
  type JoinKey,
  type KeyPair,
  ProtocolError,
} from "../../protocol/mod.ts";
import { ClientError, RefusedError } from "../client_error.ts";
import type { Dialled } from "../dial.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { checkNameOption, PLAINTEXT_WARNING } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import { defaultClientName, parseServerAddress, readSettings, writeSettings } from "../settings.ts";
import type { CommandContext } from "./context.ts";

const WHERE_FROM = 'Copy the whole line that "hbserver invite" printed';

/** A join key whose addresses can be dialled. */
interface UsableKey extends JoinKey {
  parsed: Address[];
}

/** Enrols; the settings are replaced only after the server has accepted. */
export async function joinCommand(
  { arguments: { key: text }, options }: InvocationOf<"join">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, dataDirectory } = context;
  checkNameOption(options.name);
  const key = readKey(text);
  using _directory = openDataDirectory(dataDirectory, { lock: false });
  const before = await readSettings(dataDirectory);
  const keys = before?.keys ?? await generateKeyPair();
  if (key.certificate === undefined) terminal.talk(`hbclient: warning: ${PLAINTEXT_WARNING}`);
  const { ack, address } = await enrol(key, { name: options.name, keys, context });
  await writeSettings(dataDirectory, {
    keys,
    enrolment: {
      name: ack.name,
      serverId: key.serverId,
      addresses: key.addresses,
      certificate: key.certificate === undefined ? undefined : new Uint8Array(key.certificate),
    },
  });
  const shown = formatAddress(address);
  if (options.json) terminal.json({ name: ack.name, server: key.serverId, address: shown });
  else terminal.data(`joined as ${ack.name} (server ${shown})`);
  if (before?.enrolment !== undefined && isAgentRunning(dataDirectory)) {
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

function readKey(text: string): UsableKey {
  let key: JoinKey;
  try {
    key = decodeJoinKey(text);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ClientError(cause.message, {
      exitCode: EXIT.usage,
      code: cause.code,
      hint: WHERE_FROM,
      cause,
    });
  }
  const parsed = key.addresses.map((address) => {
    const result = parseServerAddress(address);
    if (result !== undefined) return result;
    throw new ClientError(`Cannot use the join key: its address ${quoted(address)} is none`, {
      exitCode: EXIT.usage,
      code: "bad_join_key",
      hint: WHERE_FROM,
    });
  });
  return { ...key, parsed };
}

/** Greets the server with the invite and closes the connection again. */
async function enrol(
  key: UsableKey,
  { name, keys, context }: {
    name: string | undefined;
    keys: KeyPair;
    context: CommandContext;
  },
): Promise<Dialled> {
  const { dial, epoch, stopping, clock } = context;
  try {
    const dialled = await dial({
      role: "tool",
      destination: {
        addresses: key.parsed,
        serverId: key.serverId,
        certificate: key.certificate,
      },
      name: name ?? key.name ?? defaultClientName(),
      keys,
      invite: { id: key.invite, secret: key.secret },
      app: appName("hbclient"),
      epoch,
      signal: stopping,
    });
    dialled.connection.close();
    return dialled;
  } catch (error) {
    if (!(error instanceof RefusedError) || clock.wall() < key.expires) throw error;
    const expired = new Date(key.expires).toISOString();
    throw new RefusedError(error.code, error.message, {
      hint: `The join key was valid until ${expired}; ask the operator for a new one`,
      cause: error,
    });
  }
}
