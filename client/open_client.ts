/**
 * Puts together what most commands need: settings, store, and the way to the server.
 *
 * @module
 */

import { type Address, formatAddress } from "../platform/address.ts";
import type { Clock } from "../platform/clock.ts";
import { openDataDirectory } from "../platform/data_directory.ts";
import { quoted } from "../platform/option_value.ts";
import { appName } from "../platform/product.ts";
import { uuidV7 } from "../platform/random.ts";
import { UsageError } from "../platform/usage_error.ts";
import { isClientName } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import type { Destination, Dial } from "./dial.ts";
import { createServerAccess, type ServerAccess } from "./server_access.ts";
import {
  type ClientSettings,
  defaultClientName,
  parseServerAddress,
  readOrCreateSettings,
  readSettings,
} from "./settings.ts";
import { ClientStore } from "./store.ts";
import type { UploadMemory } from "./upload_memory.ts";

/** The options that say how to reach the server. */
export interface ConnectOptions {
  /** Instead of the addresses in the settings. */
  server?: Address | undefined;
  /** No TLS and no check of the server; only with `server`. */
  plaintext: boolean;
  /** The name of this machine. */
  name?: string | undefined;
}

/** What {@linkcode openClient} works with. */
export interface OpenClientContext {
  /** Time. */
  clock: Clock;
  /** Opens connections. */
  dial: Dial;
  /** The data directory; made when it does not exist. */
  dataDirectory: string;
  /** Start of this process, in milliseconds since 1970. */
  epoch: number;
}

/** A client that is ready to connect; disposing of it closes its store. */
export interface OpenClient extends Disposable {
  /** Outbox, inbox and facts. */
  store: ClientStore;
  /** The way to the server. */
  access: ServerAccess;
  /** The memory of uploads to that server, for one sender. */
  uploads(): UploadMemory;
}

/** What people are told when nothing is encrypted. */
export const PLAINTEXT_WARNING =
  "No TLS: everybody on the network can read and change what is sent";

/**
 * Reads the settings and opens the store. Throws a `UsageError` for options that do not go together and a
 * `ClientError` for a machine that has not joined, or whose settings are damaged.
 */
export async function openClient(
  options: ConnectOptions,
  context: OpenClientContext,
): Promise<OpenClient> {
  checkOptions(options);
  const { clock, dial, dataDirectory, epoch } = context;
  using _directory = openDataDirectory(dataDirectory, { lock: false });
  const settings = await settingsFor(options, dataDirectory);
  const destination = destinationOf(options, settings);
  const name = options.name ?? settings.enrolment?.name ?? defaultClientName();
  const store = new ClientStore(dataDirectory, { clock });
  const access = createServerAccess({
    dial,
    destination,
    keys: settings.keys,
    name,
    app: appName("hbclient"),
    epoch,
    memory: store,
  });
  // A server without an id, which was not joined, is known by its address.
  const server = destination.serverId ?? destination.addresses.map(formatAddress).join(" ");
  return {
    store,
    access,
    uploads: () => store.uploads(server, uuidV7(clock)),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/** Throws a `UsageError` for a name that no client can have. */
export function checkNameOption(name: string | undefined): void {
  if (name === undefined || isClientName(name)) return;
  throw new UsageError(`Cannot use ${quoted(name)} for --name: it is no client name`, {
    hint: "A name has at most 63 letters, digits and . _ -, and begins with a letter or digit",
  });
}

function checkOptions({ server, plaintext, name }: ConnectOptions): void {
  checkNameOption(name);
  if (plaintext && server === undefined) {
    throw new UsageError("Cannot use --plaintext without --server: a join key says it by itself");
  }
}

async function settingsFor(options: ConnectOptions, directory: string): Promise<ClientSettings> {
  // An open server needs no more than a key pair, so that it knows this machine again.
  if (options.plaintext) return await readOrCreateSettings(directory);
  const settings = await readSettings(directory);
  if (settings?.enrolment !== undefined) return settings;
  if (options.server !== undefined) {
    throw new UsageError("Cannot use --server without --plaintext: this machine has not joined", {
      hint: 'Run "hbclient join KEY", or add --plaintext for an open server on a closed network',
    });
  }
  throw new ClientError("Cannot connect: this machine has not joined a server", {
    code: "not_joined",
    hint: 'Run "hbclient join KEY" with a key that "hbserver invite" prints on the server',
  });
}

function destinationOf(
  { server, plaintext }: ConnectOptions,
  { enrolment }: ClientSettings,
): Destination {
  if (plaintext || enrolment === undefined) {
    const addresses = server === undefined ? [] : [server];
    return { addresses, serverId: undefined, certificate: undefined };
  }
  const { serverId, certificate } = enrolment;
  const addresses = enrolment.addresses.map(parseServerAddress)
    .filter((address) => address !== undefined);
  return { addresses: server === undefined ? addresses : [server], serverId, certificate };
}
