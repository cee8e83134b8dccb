/**
 * A way by which notices reach a person: what each kind of channel offers, and how it fails.
 *
 * @module
 */

import type { WeeklyWindow } from "./calendar.ts";
import type { Notice, Severity } from "./notice.ts";

/** What the operator wants of one channel. */
export interface ChannelOptions {
  /** Only notices that are at least so bad. */
  readonly min: Severity;
  /** Only alerts that nobody has acknowledged after so long, in milliseconds; 0 for at once. */
  readonly afterMs: number;
  /** Only notices that concern a client with one of these tags; empty for all. */
  readonly only: readonly string[];
  /** Hours in which nothing is sent; what falls into them is told together at their end. */
  readonly quiet: WeeklyWindow | undefined;
}

/** Sends one notice; see {@linkcode Channel.send}. */
export type ChannelSend = (notice: Notice, context: { signal: AbortSignal }) => Promise<void>;

/** One place to which notices go. */
export interface Channel {
  /** Tells it from the others across restarts, and holds no secret. */
  readonly key: string;
  /** Its kind and host, for people; holds no secret. */
  readonly name: string;
  readonly options: ChannelOptions;
  /** Resolves when the other side has taken the notice; rejects with a {@linkcode ChannelError}. */
  send(notice: Notice, context: { signal: AbortSignal }): Promise<void>;
}

/** A notice that could not be sent, in words without secrets. */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
  /** Whether another try may help. */
  readonly retry: boolean;
  /** How long the other side wants to be left alone, in milliseconds. */
  readonly waitMs: number | undefined;
  /** Whether the other side works and only will not have this notice. */
  readonly refused: boolean;

  /** Takes the words, and whether another try may help; no cause, as the words of others may hold secrets. */
  constructor(
    message: string,
    { retry, waitMs, refused = false }: {
      retry: boolean;
      waitMs?: number | undefined;
      refused?: boolean;
    },
  ) {
    super(message);
    this.retry = retry;
    this.waitMs = waitMs;
    this.refused = refused;
  }
}
