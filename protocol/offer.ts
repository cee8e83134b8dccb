/**
 * The check of what FILE and PUSH offer: a bad path or size is refused in words instead of ending the
 * connection.
 *
 * @module
 */

import { ProtocolError, type RejectCode } from "./error.ts";
import { checkFilePath } from "./file_name.ts";

/** What a peer offers to send, as far as it can be trusted. */
export interface Offer {
  /** Path segments below the receiver's folder for this peer; the last is the file's name. */
  path: string[];
  /** Size in bytes, a safe integer. */
  size: number;
}

/** Why an offer is not acceptable whatever the receiver's limits are. */
export interface BadOffer {
  /** The REJECT code. */
  code: RejectCode;
  /** For people. */
  reason: string;
}

/** Checks path and size as they came off the wire; returns the offer or the refusal, never throws. */
export function checkOffer(path: unknown, size: unknown): Offer | BadOffer {
  if (!Array.isArray(path) || !path.every((segment) => typeof segment === "string")) {
    return { code: "bad_name", reason: "The path must be an array of names" };
  }
  try {
    checkFilePath(path);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    return { code: "bad_name", reason: cause.message };
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    return { code: "bad_size", reason: "The size must be a whole number of bytes below 2^53" };
  }
  return { path, size };
}
