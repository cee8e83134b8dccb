/**
 * What channels reach the world with, and how each says which server speaks.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import type { RunCommand } from "./channel_command.ts";
import type { SendMail } from "./channel_mail.ts";
import { type Fetch, httpPost, type Resolve } from "./http_post.ts";
import type { ChannelAddress } from "./channel_address.ts";

/** Everything outside of the program that a channel uses. */
export interface ChannelWorld {
  clock: Clock;
  fetch: Fetch;
  /** All addresses of a name. */
  resolve: Resolve;
  run: RunCommand;
  mail: SendMail;
  /** The name of this server, for receivers that hear of several. */
  server: string;
}

/** Sends JSON to the address of a channel, or to another one. */
export async function postJson(
  { address, world, signal }: { address: ChannelAddress; world: ChannelWorld; signal: AbortSignal },
  { url = address.url, headers = {}, body, waitOf }: {
    url?: URL;
    headers?: Readonly<Record<string, string>>;
    body: unknown;
    waitOf?: (body: string) => number | undefined;
  },
): Promise<void> {
  const request = {
    url,
    headers: { "content-type": "application/json", ...credentials(address.url), ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    secrets: address.secrets,
    mayBePrivate: address.mayBePrivate,
    signal,
  };
  await httpPost(waitOf === undefined ? request : { ...request, waitOf }, world);
}

/** What the user and password of an address become in a request. */
function credentials({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const [user, word] = [decodeURIComponent(username), decodeURIComponent(password)];
  // A token stands alone, in either place.
  if (user === "" || word === "") return { authorization: `Bearer ${user}${word}` };
  const bytes = new TextEncoder().encode(`${user}:${word}`);
  return { authorization: `Basic ${bytes.toBase64()}` };
}
