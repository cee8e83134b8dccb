/**
 * Incoming webhooks of Slack, and of what understands the same, such as Mattermost and Rocket.Chat.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { bounded, signOf } from "./chat_text.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** Longest text, in UTF-16 code units: Mattermost takes 4,000 of its old servers, Slack more. */
const MAX_CHARS = 3_900;

/** A notice for Slack; nothing in it calls anybody, as a client's name may say `<!channel>`. */
export function slackBody(notice: Notice): { text: string } {
  const title = escape(bounded(notice.title, 200)).replaceAll("*", "\u2217");
  const text = bounded(`${signOf(notice)} *${title}*\n${escape(notice.text)}`, MAX_CHARS);
  return { text };
}

/** Sends to Slack. */
export function sendToSlack(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  return (notice, { signal }) => postJson({ address, world, signal }, { body: slackBody(notice) });
}

function escape(text: string): string {
  const written = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  // Mattermost calls people by an at sign alone.
  return written.replaceAll("@", "@\u200b");
}
