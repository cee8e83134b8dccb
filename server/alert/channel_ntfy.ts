/**
 * Topics of ntfy, which rings telephones.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { bounded } from "./chat_text.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** Longest title and message, in UTF-16 code units: together below ntfy's 4,096 bytes, however they are written. */
const MAX_TITLE_CHARS = 200;
const MAX_CHARS = 1_100;
/** Loudness by ntfy's scale, on which 5 breaks through a telephone's silence and 3 is usual. */
const PRIORITIES = { critical: 5, warning: 4, info: 3 } as const;

/** A notice for ntfy. */
export function ntfyBody(notice: Notice, topic: string): Record<string, unknown> {
  const isOver = notice.kind === "recovery" || notice.kind === "relief";
  const isCalm = isOver || notice.kind === "summary" || notice.kind === "test";
  const sign = isOver ? "white_check_mark" : isCalm ? "information_source" : "rotating_light";
  return {
    topic,
    title: bounded(notice.title, MAX_TITLE_CHARS),
    message: bounded(notice.text, MAX_CHARS),
    priority: isCalm ? PRIORITIES.info : PRIORITIES[notice.severity],
    tags: [sign],
  };
}

/** Sends to a topic. */
export function sendToNtfy(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  const topic = address.url.pathname.slice(1);
  const url = new URL("/", address.url);
  [url.username, url.password] = ["", ""];
  return (notice, { signal }) =>
    postJson({ address, world, signal }, { url, body: ntfyBody(notice, topic) });
}
