/**
 * Webhooks of Discord.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { bounded, signOf } from "./chat_text.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** Longest `content`, in characters: Discord's API reference, "Execute Webhook". */
const MAX_CHARS = 2_000;

/** A notice for Discord; it calls nobody, whatever a client's name says. */
export function discordBody(
  notice: Notice,
): { content: string; allowed_mentions: { parse: string[] } } {
  const content = `${signOf(notice)} **${escape(notice.title)}**\n${escape(notice.text)}`;
  return { content: bounded(content, MAX_CHARS), allowed_mentions: { parse: [] } };
}

/** Sends to Discord. */
export function sendToDiscord(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  return (notice, { signal }) =>
    postJson({ address, world, signal }, { body: discordBody(notice) });
}

function escape(text: string): string {
  return text.replace(/[\\*_~`|>#[\]()]/g, "\\$&");
}
