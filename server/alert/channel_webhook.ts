/**
 * The generic webhook: a notice as JSON, signed when there is a secret, or in the words of a template.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/** The words that a template may use. */
const TEMPLATE_WORDS = /\{(title|text|cause|clients|severity|kind|alert|id|at)\}/g;

/** A notice as JSON; `docs/alerts.md` describes it. */
export function webhookBody(notice: Notice, server: string): Record<string, unknown> {
  const { id, kind, severity, at, alert, cause, clients, tags, title, text } = notice;
  const when = new Date(at).toISOString();
  const about = { alert: alert ?? null, cause: cause ?? null };
  return { id, kind, severity, at: when, ...about, clients, tags, title, text, server };
}

/** A template with its words replaced; in one that is JSON they are escaped, so that it stays JSON. */
export function fillTemplate(template: string, notice: Notice): string {
  const isJson = isJsonTemplate(template);
  const values: Record<string, string> = {
    title: notice.title,
    text: notice.text,
    cause: notice.cause ?? "",
    clients: notice.clients.join(", "),
    severity: notice.severity,
    kind: notice.kind,
    alert: notice.alert === undefined ? "" : String(notice.alert),
    id: notice.id,
    at: new Date(notice.at).toISOString(),
  };
  return template.replace(TEMPLATE_WORDS, (_, word: string) => {
    const value = values[word] ?? "";
    return isJson ? JSON.stringify(value).slice(1, -1) : value;
  });
}

function isJsonTemplate(template: string): boolean {
  const filled = template.replace(TEMPLATE_WORDS, "0");
  return /^\s*[[{"]/.test(filled) && isJsonText(filled);
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The value of `hb-signature`: over the time in seconds since 1970, a dot and the body. */
export function signature(body: string, { secret, at }: { secret: string; at: number }): string {
  const seconds = Math.floor(at / 1_000);
  const hex = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${hex}`;
}

/** Sends to a webhook. */
export function sendToWebhook(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  const { secret, template } = address;
  return async (notice, { signal }) => {
    const body = template === undefined
      ? JSON.stringify(webhookBody(notice, world.server))
      : fillTemplate(template, notice);
    const isText = template !== undefined && !isJsonTemplate(template);
    const headers: Record<string, string> = { "idempotency-key": notice.id };
    if (isText) headers["content-type"] = "text/plain; charset=utf-8";
    // At each try anew: receivers refuse what was signed long ago.
    if (secret !== undefined) {
      headers["hb-signature"] = signature(body, { secret, at: world.clock.wall() });
    }
    await postJson({ address, world, signal }, { headers, body });
  };
}
