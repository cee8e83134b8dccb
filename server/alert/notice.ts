/**
 * What is told to a person, once for each change that matters; how it reaches them is a channel's business.
 *
 * @module
 */

/** How bad it is: a channel may want only what is bad enough. */
export const SEVERITIES = ["info", "warning", "critical"] as const;
/** How bad it is. */
export type Severity = (typeof SEVERITIES)[number];

/**
 * What a notice tells: an alert has opened, has changed, or is over; the server itself has a trouble, or is rid of it; what
 * happened in quiet hours; or that the channel works.
 */
export type NoticeKind =
  | "alert"
  | "update"
  | "recovery"
  | "trouble"
  | "relief"
  | "summary"
  | "test";

/** One thing that is told. */
export interface Notice {
  /** UUIDv7; the same at every attempt and on every channel, so that a receiver can drop what it has already. */
  readonly id: string;
  /** What it tells. */
  readonly kind: NoticeKind;
  /** A recovery is as bad as what is over. */
  readonly severity: Severity;
  /** When it was decided, in milliseconds since 1970. */
  readonly at: number;
  /** The alert that it is about; undefined for what concerns no client. */
  readonly alert: number | undefined;
  /** Why, in the words of `hbserver alerts`. */
  readonly cause: string | undefined;
  /** Names of the clients that it concerns, in order. */
  readonly clients: readonly string[];
  /** All tags of these clients. */
  readonly tags: readonly string[];
  /** At most one short line, such as `till-3 is DOWN`. */
  readonly title: string;
  /** All that there is to say, on one line. */
  readonly text: string;
}
