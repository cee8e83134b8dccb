/**
 * One send that ends in time, whatever the channel does.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import { formatDuration } from "../../platform/quantity.ts";
import { type Channel, ChannelError } from "./channel.ts";
import type { Notice } from "./notice.ts";

/** Sends a notice; rejects when that takes longer than `limitMs` milliseconds or `signal` ends it. */
export async function sendWithin(
  channel: Channel,
  notice: Notice,
  { clock, signal, limitMs }: { clock: Clock; signal: AbortSignal; limitMs: number },
): Promise<void> {
  const ending = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (error: ChannelError) => {
    ending.abort(error);
    reject(error);
  };
  const stop = () => end(new ChannelError("Cannot send: the server stops", { retry: true }));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  using _limit = clock.after(limitMs, () => {
    const why = `Cannot send: it took longer than ${formatDuration(limitMs)}`;
    end(new ChannelError(why, { retry: true }));
  });
  try {
    await Promise.race([channel.send(notice, { signal: ending.signal }), ended]);
  } finally {
    signal.removeEventListener("abort", stop);
    // Whoever lost the race has nothing more to say.
    ended.catch(() => {});
  }
}
