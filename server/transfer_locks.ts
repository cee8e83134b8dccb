/**
 * One connection at a time for each transfer: the newest wins, after the older one has let go.
 *
 * @module
 */

/** A transfer that a connection has open. */
interface Holder {
  interrupt: (() => void) | undefined;
  released: Promise<void>;
}

/** The transfers that are open, by client and id. */
export class TransferLocks {
  readonly #holders = new Map<string, Holder>();

  /**
   * Takes a transfer. Whoever has it is asked, through its `interrupt`, to let go, and is waited for. `interrupt`
   * is called at most as often as somebody else wants it, and must lead to the lock's disposal. Undefined when
   * `over` resolves first: whoever waits may be wanted itself, by the one that it waits for.
   */
  async take(
    key: { client: string; id: string },
    { interrupt, over }: { interrupt?: () => void; over?: Promise<void> },
  ): Promise<Disposable | undefined> {
    const name = `${key.client} ${key.id}`;
    for (let holder = this.#holders.get(name); holder; holder = this.#holders.get(name)) {
      holder.interrupt?.();
      const isReleased = holder.released.then(() => true);
      const isOver = over?.then(() => false);
      if (!await (isOver === undefined ? isReleased : Promise.race([isReleased, isOver]))) {
        return undefined;
      }
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const own: Holder = { interrupt, released: promise };
    this.#holders.set(name, own);
    return {
      [Symbol.dispose]: () => {
        if (this.#holders.get(name) === own) this.#holders.delete(name);
        resolve();
      },
    };
  }
}
