/**
 * One connection at a time for each transfer: the newest wins, after the older one has let go.
 *
 * @module
 */

/** A transfer that a connection has open. */
interface Holder {
  interrupt: () => void;
  released: Promise<void>;
}

/** The transfers that are open, by client and id. */
export class TransferLocks {
  readonly #holders = new Map<string, Holder>();

  /**
   * Takes a transfer. Whoever has it is asked, through its `interrupt`, to let go, and is waited for. `interrupt`
   * is called at most as often as somebody else wants it, and must lead to the lock's disposal.
   */
  async take(key: { client: string; id: string }, interrupt: () => void): Promise<Disposable> {
    const name = `${key.client} ${key.id}`;
    for (let holder = this.#holders.get(name); holder; holder = this.#holders.get(name)) {
      holder.interrupt();
      await holder.released;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#holders.set(name, { interrupt, released: promise });
    return {
      [Symbol.dispose]: () => {
        this.#holders.delete(name);
        resolve();
      },
    };
  }
}
