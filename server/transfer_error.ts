/**
 * Why a transfer cannot go on, as the other side is told.
 *
 * @module
 */

import { type DurableFileCode, DurableFileError } from "../platform/durable_file.ts";
import type { RejectCode } from "../protocol/mod.ts";

/** A transfer that cannot go on. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  /** The REJECT code. */
  readonly code: RejectCode;

  /** Takes the code and a reason for people. */
  constructor(code: RejectCode, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
  }
}

/** Waits for work on files; its errors become words for the sender. */
export async function inWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DurableFileError)) throw error;
    throw new TransferError(error.code, reasonOf(error.code), { cause: error });
  }
}

/** A code of the file layer in words for a sender, who need not know this machine's paths. */
export function reasonOf(code: DurableFileCode): string {
  return REASONS[code];
}

const REASONS: Readonly<Record<DurableFileCode, string>> = {
  no_space: "The server's disk is full",
  denied: "The server may not write to its folder for received files",
  hash: "The bytes that arrived are not those that were sent (SHA-256 differs)",
  bad_size: "The number of bytes that arrived is not the announced one",
  io: "The server could not write the file to its disk",
};

/** There is no place for one more transfer. */
export function busy(): TransferError {
  return new TransferError("busy", "Too many files are being sent at once; this one has to wait");
}
