/**
 * Chats of Telegram, by a robot of one's own.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { bounded, signOf } from "./chat_text.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** Longest `text`, in characters: Telegram's Bot API, "sendMessage". */
const MAX_CHARS = 4_096;

/** A notice for Telegram; without a parse mode, so nothing in it needs an escape. */
export function telegramBody(notice: Notice, chat: string): Record<string, unknown> {
  const text = bounded(`${signOf(notice)} ${notice.title}\n${notice.text}`, MAX_CHARS);
  return { chat_id: chat, text, link_preview_options: { is_disabled: true } };
}

/** Sends to a chat. */
export function sendToTelegram(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  const url = new URL(address.url);
  const chat = url.searchParams.get("chat_id") ?? "";
  url.search = "";
  return (notice, { signal }) =>
    postJson({ address, world, signal }, { url, body: telegramBody(notice, chat), waitOf });
}

/** Telegram says in its answer how long it wants to be left alone. */
function waitOf(answer: string): number | undefined {
  const seconds = answer.match(/"retry_after"\s*:\s*(\d{1,6})\b/)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
