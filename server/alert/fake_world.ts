/**
 * The world of a channel for tests: what is sent is kept, and the test says what comes back.
 *
 * @module
 */

import { FakeClock } from "../../platform/fake_clock.ts";
import { parseChannelAddress } from "./channel_address.ts";
import type { Channel } from "./channel.ts";
import type { ChannelWorld } from "./channel_world.ts";
import { openChannel } from "./open_channels.ts";

/** A request that a channel has made. */
export interface SentRequest {
  readonly url: string;
  readonly method: string | undefined;
  readonly redirect: string | undefined;
  readonly headers: Headers;
  readonly body: string;
}

/** A world in memory. */
export class FakeWorld implements ChannelWorld {
  readonly clock = new FakeClock();
  readonly server = "headquarters";
  readonly requests: SentRequest[] = [];
  /** What is answered; a function may throw. */
  answer: () => Response | Promise<Response> = () => new Response("ok");
  /** Addresses of names. */
  addresses: Record<string, string[]> = {};
  run: ChannelWorld["run"] = () => Promise.reject(new Error("no commands here"));
  mail: ChannelWorld["mail"] = () => Promise.reject(new Error("no mail here"));

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method, redirect, headers, body } = init;
    this.requests.push({
      url,
      method,
      redirect,
      headers: new Headers(headers),
      body: String(body ?? ""),
    });
    return await this.answer();
  };

  resolve = (hostname: string): Promise<string[]> => {
    const found = this.addresses[hostname];
    return found === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(found);
  };

  /** The channel that a value of `--alert` describes. */
  channel(value: string): Channel {
    return openChannel(parseChannelAddress(value), this);
  }

  /** The last request's body as JSON. */
  get json(): unknown {
    return JSON.parse(this.requests.at(-1)?.body ?? "null");
  }
}

/** A signal that nobody ever aborts. */
export const NEVER: { signal: AbortSignal } = { signal: new AbortController().signal };
