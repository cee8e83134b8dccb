/**
 * Work whose answers must leave in order although it runs side by side: while one file is made durable, the
 * next is being received.
 *
 * @module
 */

import type { OutgoingFrame } from "../protocol/mod.ts";

/** Answers of one connection. */
export class AnswerQueue {
  readonly #limit: number;
  readonly #send: (frame: OutgoingFrame) => void;
  #last = Promise.resolve(true);
  #open = 0;
  #wake: (() => void) | undefined;
  #failure: { error: unknown } | undefined;

  /** Takes how many pieces of work may be open, and where answers go. */
  constructor(limit: number, send: (frame: OutgoingFrame) => void) {
    this.#limit = limit;
    this.#send = send;
  }

  /** Whether work is open. */
  get isBusy(): boolean {
    return this.#open > 0;
  }

  /**
   * Starts `work`, whose answers follow those of everything added before; resolves when there is room for more.
   * Rejects with what earlier work failed with, which must have its reasons in its answers instead.
   */
  async add(work: () => Promise<OutgoingFrame[]>): Promise<void> {
    this.#open++;
    this.#last = this.#answer(work(), this.#last);
    while (this.#open >= this.#limit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when everything added has been answered; rejects with what any of it failed with. */
  async drained(): Promise<void> {
    await this.#last;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Whether everything up to here has been answered. */
  async #answer(work: Promise<OutgoingFrame[]>, before: Promise<boolean>): Promise<boolean> {
    try {
      const frames = await work;
      // Behind an answer that is missing, whatever comes would be taken for it.
      if (!await before) return false;
      for (const frame of frames) this.#send(frame);
      return true;
    } catch (error) {
      this.#failure ??= { error };
      await before; // Drained means that nothing is under way any more, failed or not.
      return false;
    } finally {
      this.#open--;
      this.#wake?.();
      this.#wake = undefined;
    }
  }
}
