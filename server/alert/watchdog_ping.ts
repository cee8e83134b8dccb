/**
 * Pings an outside service for as long as the server truly works, so that somebody hears of it when the watcher itself fails.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock, Timer } from "../../platform/clock.ts";
import { formatDuration } from "../../platform/quantity.ts";
import { UsageError } from "../../platform/usage_error.ts";
import { ChannelError } from "./channel.ts";
import { type HttpOptions, httpPost } from "./http_post.ts";
import { secretsOf } from "./redaction.ts";

/** A check that takes longer has failed, in milliseconds. */
export const CHECK_LIMIT_MS = 15_000;

/** What a {@linkcode WatchdogPing} needs. */
export interface WatchdogOptions extends Pick<HttpOptions, "fetch"> {
  clock: Clock;
  log: Logger;
  /** What is asked for. */
  url: URL;
  /** Time from one ping to the next, in milliseconds. */
  everyMs: number;
  /** Why the server does not truly work; undefined when it does. */
  check: () => Promise<string | undefined>;
}

/** The address of `--notify-url`; throws {@linkcode UsageError} without repeating it, as it is a secret. */
export function parseNotifyUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new UsageError("Cannot use the value of --notify-url: it is no address of http or https");
}

/** Pings until it is disposed of. */
export class WatchdogPing implements AsyncDisposable {
  readonly #options: WatchdogOptions;
  readonly #closing = new AbortController();
  #timer: Timer | undefined;
  #pinging: Promise<void> = Promise.resolve();
  /** Why the last ping was not sent or did not arrive; undefined when it did. */
  #trouble: string | undefined;

  /** Does nothing yet. */
  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Pings now, and from now on. */
  start(): void {
    this.#pinging = this.#ping();
  }

  /** Ends a ping that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#timer?.cancel();
    await this.#pinging;
  }

  async #ping(): Promise<void> {
    const { clock, everyMs } = this.#options;
    const begun = clock.now();
    this.#note(await this.#checked() ?? await this.#sent());
    if (this.#closing.signal.aborted) return;
    const waitMs = Math.max(0, everyMs - (clock.now() - begun));
    this.#timer = clock.after(waitMs, () => this.start());
  }

  /** Why the server does not work; undefined when it does. */
  async #checked(): Promise<string | undefined> {
    const { clock, check } = this.#options;
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    const stop = () => resolve("the server stops");
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    const late = `its checks took longer than ${formatDuration(CHECK_LIMIT_MS)}`;
    using _limit = clock.after(CHECK_LIMIT_MS, () => resolve(late));
    try {
      return await Promise.race([check(), ended]);
    } catch (error) {
      return `its checks failed: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      this.#closing.signal.removeEventListener("abort", stop);
    }
  }

  /** Why the ping did not arrive; undefined when it did. */
  async #sent(): Promise<string | undefined> {
    const { url } = this.#options;
    const { signal } = this.#closing;
    const bare = new URL(url);
    [bare.username, bare.password] = ["", ""];
    try {
      const about = { secrets: secretsOf(url), mayBePrivate: true, signal };
      const resolve = () => Promise.resolve([]);
      await httpPost({ url: bare, method: "GET", ...about }, { ...this.#options, resolve });
      return undefined;
    } catch (error) {
      return error instanceof ChannelError ? error.message : "a mistake in hbserver itself";
    }
  }

  /** Says it once for each change: a line a minute would hide the others. */
  #note(trouble: string | undefined): void {
    if (this.#closing.signal.aborted) return;
    const { log, url } = this.#options;
    const before = this.#trouble;
    this.#trouble = trouble;
    if (trouble === before) return;
    if (trouble === undefined) log.info("{host} is pinged again", { host: url.host });
    else log.error("{host} is not pinged: {trouble}", { host: url.host, trouble });
  }
}
