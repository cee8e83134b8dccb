/**
 * How channels that speak JSON over HTTP send it: to their address, with what proves who speaks.
 *
 * @module
 */

import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { httpPost } from "./http_post.ts";

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
