/**
 * The world as this machine gives it to channels.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import type { Clock } from "../../platform/clock.ts";
import { commandRunner } from "./channel_command.ts";
import { sendMail } from "./channel_mail.ts";
import type { ChannelWorld } from "./channel_world.ts";

/** Real requests, commands and mails; the server is called by this machine's name. */
export function systemWorld(clock: Clock): ChannelWorld {
  return {
    clock,
    fetch: (url, init) => fetch(url, init),
    // By the system's own resolver, as requests are, so that both find the same.
    resolve: async (hostname) =>
      (await lookup(hostname, { all: true })).map(({ address }) => address),
    run: commandRunner(clock),
    mail: sendMail,
    server: Deno.hostname(),
  };
}
