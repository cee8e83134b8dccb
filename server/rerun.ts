/**
 * Work that many may ask for and that must not overlap itself. Knows nothing of what the work is.
 *
 * @module
 */

/** Runs its work once at a time, and once more when that was asked for meanwhile. */
export class Rerun {
  readonly #work: () => Promise<void>;
  #isRunning = false;
  #again = false;

  /** Runs nothing before {@linkcode request}. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /**
   * Asks for the work. Resolves at once when it is under way, else when all that was asked for is done; rejects with
   * what the work throws, which ends this round.
   */
  async request(): Promise<void> {
    this.#again = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#work();
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
