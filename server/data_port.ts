/**
 * What the receivers of files may use of their data session.
 *
 * @module
 */

import type { FrameReader } from "../platform/frame_reader.ts";
import type { Connection, FrameOf, OutgoingFrame } from "../protocol/mod.ts";
import type { AnswerQueue } from "./answer_queue.ts";
import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";
import type { TransferError } from "./transfer_error.ts";

/** One data session, as its receivers see it. */
export interface DataPort {
  readonly connection: Connection;
  readonly frames: FrameReader;
  readonly member: Member;
  readonly parts: ServerParts;
  /** Answers that leave in order. */
  readonly answers: AnswerQueue;
  /** Takes this session's place among those that have transfers; false when there is none. */
  takePlace(): boolean;
  /** Takes a transfer for this session alone; an older connection lets it go first. Rejects with `busy`. */
  lock(id: string): Promise<Disposable>;
  /** Until disposed of, a newer connection that wants the transfer ends this session. */
  receiving(id: string): Disposable;
  /** Allows for the time that checking `bytes` takes, on both sides, without a byte on the wire. */
  checking(bytes: number): Disposable;
  /** Until disposed of, it is this server that is slow, and not the peer. */
  working(): Disposable;
  /** Sends one frame. */
  send(frame: OutgoingFrame): void;
  /** The frame that refuses a transfer, after noting that in the log. */
  rejection(id: string, why: TransferError, offset?: number): FrameOf<"REJECT">;
  /** Refuses a transfer at once. */
  reject(id: string, why: TransferError, kept?: { offset: number }): void;
  /** Lets the last word leave although bytes keep coming, then closes. */
  drainAndClose(): Promise<void>;
}
