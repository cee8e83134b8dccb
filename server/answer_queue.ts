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
  #last: Promise<void> = Promise.resolve();
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

  async #answer(work: Promise<OutgoingFrame[]>, before: Promise<void>): Promise<void> {
    try {
      const frames = await work;
      await before;
      for (const frame of frames) this.#send(frame);
    } catch (error) {
      this.#failure ??= { error };
      await before; // Drained means that nothing is under way any more, failed or not.
    } finally {
      this.#open--;
      this.#wake?.();
      this.#wake = undefined;
    }
  }
}
