/**
 * Makes channels of what `--alert` says.
 *
 * @module
 */

import { UsageError } from "../../platform/usage_error.ts";
import { sendToAlertmanager } from "./channel_alertmanager.ts";
import { type ChannelAddress, type ChannelKind, parseChannelAddress } from "./channel_address.ts";
import type { Channel, ChannelSend } from "./channel.ts";
import { sendToCommand } from "./channel_command.ts";
import { sendToDiscord } from "./channel_discord.ts";
import { sendToMail } from "./channel_mail.ts";
import { sendToNtfy } from "./channel_ntfy.ts";
import { sendToSlack } from "./channel_slack.ts";
import { sendToTeams } from "./channel_teams.ts";
import { sendToTelegram } from "./channel_telegram.ts";
import { sendToWebhook } from "./channel_webhook.ts";
import type { ChannelWorld } from "./channel_world.ts";

/** Channels of one server at most. */
export const MAX_CHANNELS = 32;

const SENDERS: Readonly<
  Record<ChannelKind, (address: ChannelAddress, world: ChannelWorld) => ChannelSend>
> = {
  webhook: sendToWebhook,
  slack: sendToSlack,
  discord: sendToDiscord,
  teams: sendToTeams,
  ntfy: sendToNtfy,
  telegram: sendToTelegram,
  alertmanager: sendToAlertmanager,
  mail: sendToMail,
  command: sendToCommand,
};

/** The channel at an address. */
export function openChannel(address: ChannelAddress, world: ChannelWorld): Channel {
  const { kind, key, name, options } = address;
  return { key, name, options, send: SENDERS[kind](address, world) };
}

/** Where channels are described. */
export interface AddressSources {
  /** Reads a file as text, or throws. */
  readTextFile: (path: string) => string;
  /** Whether channels may be at addresses that are not public, unless they say so themselves. */
  mayBePrivate: boolean;
}

/**
 * Reads all values of `--alert`: a value `@FILE` stands for the lines of that file. Values that a list in the environment has
 * parted at blanks are put together again. Throws {@linkcode UsageError}.
 */
export function readChannelAddresses(
  values: readonly string[],
  sources: AddressSources,
): ChannelAddress[] {
  const whole = rejoin(values).flatMap((value) =>
    value.startsWith("@") ? linesOf(value.slice(1), sources) : [value]
  );
  const addresses: ChannelAddress[] = [];
  for (const value of whole) {
    const address = withFiles(parseChannelAddress(value, sources), sources);
    if (addresses.some(({ key }) => key === address.key)) {
      throw new UsageError(`Cannot use the alert channel ${address.name} twice: it is one address`);
    }
    addresses.push({ ...address, name: uniqueName(address.name, addresses) });
  }
  if (addresses.length > MAX_CHANNELS) {
    throw new UsageError(
      `Cannot use ${addresses.length} alert channels: ${MAX_CHANNELS} are the most`,
    );
  }
  return addresses;
}

/** Names of the channels whose secrets stand on a command line. */
export function exposedChannels(
  addresses: readonly ChannelAddress[],
  args: readonly string[],
): string[] {
  return addresses.filter(({ kind, url, secret, secrets }) => {
    const { username, password, pathname, search } = url;
    const isBare = username === "" && password === "" && search === "" && pathname.length <= 1;
    if (secret === undefined && (kind === "command" || isBare)) return false;
    return secrets.some((part) => args.some((arg) => arg.includes(part)));
  }).map(({ name }) => name);
}

/** A piece that is no address belongs to the one before. */
function rejoin(values: readonly string[]): string[] {
  const whole: string[] = [];
  for (const value of values) {
    const last = whole.length - 1;
    if (last < 0 || /^([a-z][a-z+]*:|@)/i.test(value)) whole.push(value);
    else whole[last] += ` ${value}`;
  }
  return whole;
}

function linesOf(path: string, { readTextFile }: AddressSources): string[] {
  const lines = readFile(path, { readTextFile, what: "the alert channels" }).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

/** Puts in what stands in files. */
function withFiles(address: ChannelAddress, { readTextFile }: AddressSources): ChannelAddress {
  const { secretFile, kind, url } = address;
  const caFile = kind === "mail" ? url.searchParams.get("ca") : null;
  const ca = caFile === null
    ? undefined
    : readFile(caFile, { readTextFile, what: `a certificate of ${address.name}` });
  if (secretFile === undefined) return { ...address, ca };
  const secret = readFile(secretFile, { readTextFile, what: `the secret of ${address.name}` })
    .trim();
  if (secret === "") {
    throw new UsageError(
      `Cannot use "${secretFile}" as the secret of ${address.name}: it is empty`,
    );
  }
  return { ...address, ca, secret, secrets: [...address.secrets, secret] };
}

function readFile(
  path: string,
  { readTextFile, what }: { readTextFile: (path: string) => string; what: string },
): string {
  try {
    return readTextFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read "${path}" for ${what}: ${why}`);
  }
}

function uniqueName(name: string, others: readonly ChannelAddress[]): string {
  const taken = others.map((other) => other.name);
  let unique = name;
  for (let count = 2; taken.includes(unique); count++) unique = `${name} (${count})`;
  return unique;
}
