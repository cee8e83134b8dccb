/**
 * The cases of the message benchmark: how many send, and how much each has under way.
 *
 * @module
 */

/** One case. */
export interface MessageCase {
  readonly name: string;
  /** For people, such as `100 senders, 4 under way each`. */
  readonly title: string;
  readonly senders: number;
  /** Messages that each sender has under way: sent and not yet acknowledged. */
  readonly window: number;
}

/** All cases, in the order in which they run. */
export const MESSAGE_CASES: readonly MessageCase[] = [
  { name: "one", title: "one sender, 1 under way", senders: 1, window: 1 },
  { name: "one-64", title: "one sender, 64 under way", senders: 1, window: 64 },
  { name: "many", title: "100 senders, 1 under way each", senders: 100, window: 1 },
  { name: "many-4", title: "100 senders, 4 under way each", senders: 100, window: 4 },
];

/** Text of every message: 100 bytes. */
export const MESSAGE_TEXT =
  "till 3: the drawer was opened by hand, counted, and closed; nobody was there "
    .padEnd(100, "-");
