/**
 * Enrolling this machine: reads a join key, shows it to its server, and keeps what comes of it. It prints
 * nothing; `hbclient join` and the library door both use it.
 *
 * @module
 */

import { type Address, formatAddress } from "../platform/address.ts";
import type { Clock } from "../platform/clock.ts";
import { quoted } from "../platform/option_value.ts";
import { appName } from "../platform/product.ts";
import {
  decodeJoinKey,
  generateKeyPair,
  type JoinKey,
  type KeyPair,
  ProtocolError,
} from "../protocol/mod.ts";
import { ClientError, RefusedError } from "./client_error.ts";
import type { Dial, Dialled } from "./dial.ts";
import { EXIT } from "./exit_code.ts";
import { defaultClientName, parseServerAddress, readSettings, writeSettings } from "./settings.ts";

const WHERE_FROM = 'Copy the whole line that "hbserver invite" printed';

/** A join key whose addresses can be dialled. */
export interface UsableKey extends JoinKey {
  /** Its addresses, read. */
  parsed: Address[];
}

/** What {@linkcode enrol} works with. */
export interface EnrolContext {
  /** Time. */
  clock: Clock;
  /** Opens connections. */
  dial: Dial;
  /** The data directory; exists. */
  dataDirectory: string;
  /** Start of this process, in milliseconds since 1970. */
  epoch: number;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

/** A machine that has joined. */
export interface Enrolled {
  /** The name that the server knows it by. */
  name: string;
  /** The server's id. */
  serverId: string;
  /** The address that answered, as `HOST:PORT`. */
  address: string;
  /** Whether it had joined a server before. */
  hadJoined: boolean;
}

/** Enrols with a key, under `name` where the user chose one; replaces the settings only on success. */
export async function enrol(
  key: UsableKey,
  { name, context }: { name: string | undefined; context: EnrolContext },
): Promise<Enrolled> {
  const { dataDirectory } = context;
  const before = await readSettings(dataDirectory);
  const keys = before?.keys ?? await generateKeyPair();
  const { ack, address } = await showKey(key, { name, keys, context });
  await writeSettings(dataDirectory, {
    keys,
    enrolment: {
      name: ack.name,
      serverId: key.serverId,
      addresses: key.addresses,
      certificate: key.certificate === undefined ? undefined : new Uint8Array(key.certificate),
    },
  });
  const hadJoined = before?.enrolment !== undefined;
  return { name: ack.name, serverId: key.serverId, address: formatAddress(address), hadJoined };
}

/** Reads a join key; a `ClientError` says what is wrong with it. */
export function readJoinKey(text: string): UsableKey {
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
async function showKey(
  key: UsableKey,
  { name, keys, context }: {
    name: string | undefined;
    keys: KeyPair;
    context: EnrolContext;
  },
): Promise<Dialled> {
  const { dial, epoch, signal, clock } = context;
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
      invite: { id: key.invite, secret: key.secret, name },
      app: appName("hbclient"),
      epoch,
      ...(signal === undefined ? {} : { signal }),
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
