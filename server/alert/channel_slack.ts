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

/** Longest text before its escapes, in UTF-16 code units: Slack and Mattermost take several times that. */
const MAX_CHARS = 3_000;

const MAX_TITLE_CHARS = 200;

/** A notice for Slack; nothing in it calls anybody, as a client's name may say `<!channel>`. */
export function slackBody(notice: Notice): { text: string } {
  const title = escape(bounded(notice.title, MAX_TITLE_CHARS)).replaceAll("*", "\u2217");
  return { text: `${signOf(notice)} *${title}*\n${escape(bounded(notice.text, MAX_CHARS))}` };
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
