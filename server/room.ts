/**
 * Whose files they are, and the space that is kept for them.
 *
 * @module
 */

/** The client whose files they are. */
export interface Owner {
  id: string;
  name: string;
}

/** Space that a transfer may fill, on the disk and in its client's quota. */
export interface Room extends Disposable {
  /** Takes note that `bytes` of it have been written. */
  wrote(bytes: number): void;
}
