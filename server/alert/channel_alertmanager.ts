/**
 * Alertmanager, by its API of version 2: what is open has a start, what is over an end.
 *
 * @module
 */

import type { ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld } from "./channel_world.ts";
import type { Notice } from "./notice.ts";
import { postJson } from "./post_json.ts";

/**
 * An open alert ends there by itself after so long, in milliseconds. Alertmanager ends whatever nobody repeats; hb tells once,
 * and tells the end.
 */
const OPEN_MS = 30 * 24 * 3_600_000;
/** What is no alert is shown there for so long, in milliseconds. */
const SHOWN_MS = 5 * 60_000;

/** A notice for Alertmanager: its labels are the same from beginning to end, so that the end is that of the beginning. */
export function alertmanagerBody(notice: Notice, server: string): Record<string, unknown>[] {
  const { kind, severity, at, alert, id, title, text, cause, clients } = notice;
  const isOver = kind === "recovery" || kind === "relief";
  const isServers = kind === "trouble" || kind === "relief";
  const isAlert = alert !== undefined || isServers;
  const endsAt = isOver ? at : at + (isAlert ? OPEN_MS : SHOWN_MS);
  return [{
    labels: {
      alertname: isServers ? "hb_server_trouble" : "hb_alert",
      severity,
      hb_server: server,
      hb_alert: alert === undefined ? (isServers ? "server" : id) : String(alert),
    },
    annotations: {
      summary: title,
      description: text,
      cause: cause ?? "",
      clients: clients.join(", "),
    },
    // Of what is over it knows the start already, and keeps that.
    ...(isOver ? {} : { startsAt: new Date(at).toISOString() }),
    endsAt: new Date(endsAt).toISOString(),
  }];
}

/** Sends to Alertmanager. */
export function sendToAlertmanager(address: ChannelAddress, world: ChannelWorld): ChannelSend {
  const url = new URL(address.url);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/api/v2/alerts`;
  [url.username, url.password] = ["", ""];
  return (notice, { signal }) =>
    postJson({ address, world, signal }, { url, body: alertmanagerBody(notice, world.server) });
}
