/**
 * What can go wrong on the wire, as one error class with a code, and the codes that cross the wire.
 *
 * @module
 */

/** What a {@linkcode ProtocolError} can be about. */
export const PROTOCOL_ERROR_CODES = [
  /** A line without LF within its ceiling. */
  "line_too_long",
  /** The stream ended in the middle of a line or of counted bytes. */
  "truncated",
  /** A line that is no frame: bad verb, bad UTF-8, bad JSON. */
  "bad_frame",
  /** A known verb with a missing or wrong field. */
  "bad_field",
  /** A verb that is not allowed in this state. */
  "unexpected",
  /** A name, path or identifier that the validator refuses. */
  "bad_name",
  /** A join key that cannot be read. */
  "bad_join_key",
  /** The peer reads too slowly: its write queue is full or stalled. */
  "slow_reader",
  /** More or other bytes than were announced. */
  "surplus",
] as const;

/** The code of a {@linkcode ProtocolError}. */
export type ProtocolErrorCode = (typeof PROTOCOL_ERROR_CODES)[number];

/** The only error that bytes from the network can cause in this module. */
export class ProtocolError extends Error {
  /** The class's name. */
  override readonly name = "ProtocolError";
  /** What kind of violation it is; decide by this, never by the text. */
  readonly code: ProtocolErrorCode;

  /** Makes an error with its code and a text for people. */
  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a greeting or a frame is refused: the `code` of a REFUSE frame. */
export const REFUSE_CODES = [
  "version",
  "unknown_client",
  "bad_proof",
  "revoked",
  "name_taken",
  "full",
  "closed",
  "bad_frame",
] as const;

/** The `code` of a REFUSE frame. */
export type RefuseCode = (typeof REFUSE_CODES)[number];

/** Why a file is refused: the `code` of a REJECT frame. */
export const REJECT_CODES = [
  "bad_name",
  "bad_size",
  "too_large",
  "no_space",
  "quota",
  "busy",
  "denied",
  "changed",
  "hash",
  "io",
] as const;

/** The `code` of a REJECT frame. */
export type RejectCode = (typeof REJECT_CODES)[number];
