/**
 * Reads what `--alert` says of one channel: its address, and the options that follow it or stand in its query. Pure; no error
 * repeats a secret.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { nearest } from "../../platform/nearest_name.ts";
import { parseDuration } from "../../platform/quantity.ts";
import { UsageError } from "../../platform/usage_error.ts";
import { CalendarError, localZone, parseWeeklyWindow, type WeeklyWindow } from "./calendar.ts";
import type { ChannelOptions } from "./channel.ts";
import { SEVERITIES } from "./notice.ts";
import { secretsOf } from "./redaction.ts";

/** What a channel may be told beside its address. */
export const CHANNEL_OPTIONS = [
  "min",
  "after",
  "only",
  "quiet",
  "zone",
  "name",
  "secret",
  "secret-file",
  "template",
  "private",
] as const;
type OptionName = (typeof CHANNEL_OPTIONS)[number];

/** The kinds of channels. */
export type ChannelKind =
  | "webhook"
  | "slack"
  | "discord"
  | "teams"
  | "ntfy"
  | "telegram"
  | "alertmanager"
  | "mail"
  | "command";

/** What an address may begin with, with what it means: the kind, and the scheme that is spoken. */
const SCHEMES: Readonly<Record<string, readonly [kind: ChannelKind, scheme: string]>> = {
  "https": ["webhook", "https"],
  "http": ["webhook", "http"],
  "slack+https": ["slack", "https"],
  "slack+http": ["slack", "http"],
  "discord+https": ["discord", "https"],
  "discord+http": ["discord", "http"],
  "teams+https": ["teams", "https"],
  "teams+http": ["teams", "http"],
  "ntfy": ["ntfy", "https"],
  "ntfy+https": ["ntfy", "https"],
  "ntfy+http": ["ntfy", "http"],
  "telegram": ["telegram", "telegram"],
  "alertmanager+https": ["alertmanager", "https"],
  "alertmanager+http": ["alertmanager", "http"],
  "smtp": ["mail", "smtp"],
  "smtps": ["mail", "smtps"],
  "exec": ["command", "exec"],
};
/** Services that are known by their host. */
const HOSTS: readonly (readonly [pattern: RegExp, kind: ChannelKind])[] = [
  [/^hooks\.slack\.com\//, "slack"],
  [/^(\w+\.)?discord(app)?\.com\/api\/webhooks\//, "discord"],
  [/^[\w.-]+\.(webhook\.office|logic\.azure|api\.powerplatform)\.com(:\d+)?\//, "teams"],
];
/** Where the robots of Telegram are reached unless `api=` says otherwise. */
const TELEGRAM_API = "https://api.telegram.org";
/** Longest time that may pass before somebody else is told, in milliseconds. */
const MAX_AFTER_MS = 7 * 24 * 3_600_000;
/** Hex digits of a channel's key. */
const KEY_DIGITS = 16;
const NAME = /^[\w. -]{1,40}$/;
const BOOLEANS: Readonly<Record<string, boolean>> = {
  yes: true,
  on: true,
  true: true,
  no: false,
  off: false,
  false: false,
};

/** One channel as `--alert` describes it. */
export interface ChannelAddress {
  readonly kind: ChannelKind;
  /** What is spoken to; without the options of the channel. */
  readonly url: URL;
  /** First hex digits of SHA-256 over the address as it was given, without options. */
  readonly key: string;
  /** For people; holds no secret. */
  readonly name: string;
  readonly options: ChannelOptions;
  /** What signs a webhook. */
  readonly secret: string | undefined;
  /** File that holds it. */
  readonly secretFile: string | undefined;
  /** What is trusted besides the system's certificates, in PEM; of mail servers only. */
  readonly ca?: string | undefined;
  /** The body of a webhook, with words in braces. */
  readonly template: string | undefined;
  /** Whether it may be at an address that is not public. */
  readonly mayBePrivate: boolean;
  /** What must never be shown. */
  readonly secrets: readonly string[];
}

/** Reads one value of `--alert`; throws {@linkcode UsageError}. */
export function parseChannelAddress(
  value: string,
  { mayBePrivate = true }: { mayBePrivate?: boolean } = {},
): ChannelAddress {
  const [first = "", ...words] = splitWords(value.trim());
  const { kind, url } = parseUrl(first);
  const shown = shownAddress(url, kind);
  const given = words.length > 0 ? readWords(words, shown) : takeParameters(url);
  const address = kind === "telegram" ? readTelegram(url, shown) : url;
  requireParts(kind, { url: address, shown });
  const secret = given.get("secret");
  return {
    kind,
    url: address,
    key: createHash("sha256").update(`${kind} ${address.href}`).digest("hex").slice(0, KEY_DIGITS),
    name: readName(given.get("name"), shown) ?? defaultName(kind, address),
    options: readOptions(given, shown),
    secret,
    secretFile: given.get("secret-file"),
    template: given.get("template"),
    mayBePrivate: readBoolean(given.get("private"), shown) ?? mayBePrivate,
    secrets: [...secretsOfKind(kind, [address, url]), ...(secret === undefined ? [] : [secret])],
  };
}

/** A command has no secrets, and of a mail server only what one logs in with is one. */
function secretsOfKind(kind: ChannelKind, urls: readonly URL[]): string[] {
  if (kind === "command") return [];
  if (kind !== "mail") return urls.flatMap(secretsOf);
  return urls.flatMap(({ protocol, username, password }) => {
    const [user, word] = [decodeURIComponent(username), decodeURIComponent(password)];
    const bytes = new TextEncoder().encode(`\0${user}\0${word}`);
    const login = [user, word].map((part) => new TextEncoder().encode(part).toBase64());
    if (word === "") return [];
    return [`${protocol}//${username}:${password}`, password, word, bytes.toBase64(), ...login];
  });
}

/** An address as errors and warnings may show it: never more than scheme and host. */
function shownAddress(url: URL, kind: ChannelKind): string {
  if (kind === "telegram") return "telegram:…";
  return kind === "command" ? "exec:…" : `${url.protocol}//${url.host}/…`;
}

function refuse(shown: string, why: string, hint?: string): never {
  const options = hint === undefined ? {} : { hint };
  throw new UsageError(`Cannot use the alert channel "${shown}": ${why}`, options);
}

/** Words parted by blanks; a value may stand in quotes. */
function splitWords(value: string): string[] {
  const words = value.match(/(?:="[^"]*"|='[^']*'|\S)+/g) ?? [];
  return words.map((word) => word.replace(/^([a-z-]+)=(["'])(.*)\2$/s, "$1=$3"));
}

function parseUrl(text: string): { kind: ChannelKind; url: URL } {
  const scheme = text.match(/^([a-z][a-z+]*):/i)?.[1]?.toLowerCase() ?? "";
  const names = Object.keys(SCHEMES);
  const [kind, spoken] = SCHEMES[scheme] ?? [];
  if (kind === undefined || spoken === undefined) {
    // Whatever stands before a colon may be a secret, so only what is nearly a scheme is repeated.
    const near = scheme === "" ? undefined : nearest(scheme, names);
    const shown = near === undefined ? "…" : `${scheme}:…`;
    const hint = near === undefined ? undefined : `Did you mean ${near}:?`;
    return refuse(
      shown,
      `it begins with none of ${names.map((name) => `${name}:`).join(" ")}`,
      hint,
    );
  }
  const url = URL.parse(`${spoken}${text.slice(scheme.length)}`);
  if (url === null) return refuse(`${scheme}:…`, "it is no address");
  return { kind: kind === "webhook" ? kindOfHost(url) : kind, url };
}

function kindOfHost({ host, pathname }: URL): ChannelKind {
  const found = HOSTS.find(([pattern]) => pattern.test(`${host}${pathname}`));
  return found?.[1] ?? "webhook";
}

function readWords(words: readonly string[], shown: string): Map<OptionName, string> {
  const given = new Map<OptionName, string>();
  for (const word of words) {
    const at = word.indexOf("=");
    const name = word.slice(0, Math.max(0, at));
    const known = CHANNEL_OPTIONS.find((option) => option === name);
    if (known === undefined) {
      const near = nearest(name, CHANNEL_OPTIONS);
      const hint = near === undefined ? undefined : `Did you mean ${near}=?`;
      const what = /^[a-z-]{1,20}$/.test(name) ? `${name}= is no option` : "a word is no option";
      return refuse(shown, `${what}; there are ${CHANNEL_OPTIONS.join(", ")}`, hint);
    }
    if (given.has(known)) refuse(shown, `${known}= is there twice`);
    given.set(known, word.slice(at + 1));
  }
  return given;
}

/** Takes the options out of the query, so that they are not sent. */
function takeParameters(url: URL): Map<OptionName, string> {
  const given = new Map<OptionName, string>();
  for (const name of CHANNEL_OPTIONS) {
    const value = url.searchParams.get(name);
    if (value === null) continue;
    given.set(name, value);
    url.searchParams.delete(name);
  }
  return given;
}

function readOptions(given: ReadonlyMap<OptionName, string>, shown: string): ChannelOptions {
  const min = given.get("min") ?? "info";
  const severity = SEVERITIES.find((known) => known === min);
  if (severity === undefined) return refuseSeverity(min, shown);
  const after = given.get("after");
  const afterMs = after === undefined ? 0 : parseDuration(after);
  if (afterMs === undefined || afterMs > MAX_AFTER_MS) {
    return refuse(shown, "after= takes a time such as 10m, at most 7d");
  }
  const only = (given.get("only") ?? "").split(",").map((tag) => tag.replace(/^@/, ""));
  if (given.has("only") && only.includes("")) {
    return refuse(shown, "only= takes tags such as @tills,@shop");
  }
  return { min: severity, afterMs, only: only.filter(Boolean), quiet: readQuiet(given, shown) };
}

function refuseSeverity(given: string, shown: string): never {
  const near = nearest(given, SEVERITIES);
  const hint = near === undefined ? undefined : `Did you mean min=${near satisfies string}?`;
  return refuse(shown, `min= is one of ${SEVERITIES.join(", ")}`, hint);
}

function readQuiet(
  given: ReadonlyMap<OptionName, string>,
  shown: string,
): WeeklyWindow | undefined {
  const quiet = given.get("quiet");
  const zone = given.get("zone");
  if (quiet === undefined) {
    return zone === undefined ? undefined : refuse(shown, "zone= is of no use without quiet=");
  }
  try {
    return parseWeeklyWindow(quiet, zone ?? localZone());
  } catch (error) {
    if (error instanceof CalendarError) return refuse(shown, error.message);
    throw error;
  }
}

function readName(name: string | undefined, shown: string): string | undefined {
  if (name === undefined || NAME.test(name)) return name;
  return refuse(shown, "name= takes up to 40 letters, digits, dots, dashes and blanks");
}

function readBoolean(text: string | undefined, shown: string): boolean | undefined {
  if (text === undefined) return undefined;
  return BOOLEANS[text.toLowerCase()] ?? refuse(shown, "private= is yes or no");
}

/** `telegram://TOKEN@CHAT` as the address of the robot, with the chat as a parameter. */
function readTelegram(url: URL, shown: string): URL {
  const match = url.href.match(/^telegram:\/\/(\d+(?::|%3A)[\w-]+)(?:@|%40)+(-?\w+)/i);
  const [, token, chat] = match ?? [];
  if (token === undefined || chat === undefined) {
    return refuse(shown, "it has the form telegram://TOKEN@CHAT");
  }
  const api = URL.parse(url.searchParams.get("api") ?? TELEGRAM_API);
  if (api === null || !/^https?:$/.test(api.protocol)) {
    return refuse(shown, "api= is an address of http or https");
  }
  const found = new URL(`/bot${decodeURIComponent(token)}/sendMessage`, api);
  found.searchParams.set("chat_id", /^-?\d+$/.test(chat) ? chat : `@${chat}`);
  return found;
}

function requireParts(kind: ChannelKind, { url, shown }: { url: URL; shown: string }): void {
  if (kind === "command") {
    const isAbsolute = /^(\/|[A-Za-z]:[\\/])/.test(commandPath(url));
    if (!isAbsolute) refuse(shown, "it has the form exec:/path/to/command");
    return;
  }
  if (url.host === "") refuse(shown, "it names no host");
  if (kind === "ntfy" && !/^\/[\w-]{1,64}$/.test(url.pathname)) {
    refuse(shown, "it has the form ntfy://HOST/TOPIC");
  }
  if (kind !== "mail") return;
  for (const name of ["from", "to"]) {
    if (!url.searchParams.get(name)?.includes("@")) {
      refuse(shown, `${name}= is missing: smtp://USER:PASSWORD@HOST/?from=A@B&to=C@D`);
    }
  }
}

/** The path of a command's file. */
export function commandPath(url: URL): string {
  return decodeURIComponent(url.pathname);
}

function defaultName(kind: ChannelKind, url: URL): string {
  if (kind === "command") return `command ${commandPath(url).split(/[\\/]/).at(-1)}`;
  return kind === "telegram" ? kind : `${kind} ${url.host}`;
}
