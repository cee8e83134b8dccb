/**
 * Webhooks of Microsoft Teams: the workflows of today and the connectors before them, which take the same card.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { bounded, signOf } from "./chat_text.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** Longest text, in UTF-16 code units: a card may have 28 KiB in all. */
const MAX_CHARS = 8_000;

/** A notice for Teams: an adaptive card. */
export function teamsBody(notice: Notice): Record<string, unknown> {
  const title = bounded(`${signOf(notice)} ${notice.title}`, 400);
  const text = bounded(notice.text, MAX_CHARS);
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    fallbackText: title,
    body: [
      { type: "TextBlock", text: escape(title), weight: "Bolder", size: "Medium", wrap: true },
      { type: "TextBlock", text: escape(text), wrap: true },
    ],
  };
  const contentType = "application/vnd.microsoft.card.adaptive";
  return { type: "message", attachments: [{ contentType, content }] };
}

/** Sends to Teams. */
export function sendToTeams(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  return (notice, { signal }) => postJson({ address, world, signal }, { body: teamsBody(notice) });
}

function escape(text: string): string {
  return text.replace(/[\\*_[\]()]/g, "\\$&");
}
