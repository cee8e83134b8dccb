/**
 * Why one file was not stored, with the exit code that each reason has.
 *
 * @module
 */

import { formatSize } from "../platform/quantity.ts";
import { quoted } from "../platform/option_value.ts";
import type { FrameOf, RejectCode } from "../protocol/mod.ts";
import { ClientError, type ClientErrorOptions } from "./client_error.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";

const REJECT_EXITS: Readonly<Record<RejectCode, ExitCode>> = {
  "bad_name": EXIT.refused,
  "bad_size": EXIT.refused,
  "too_large": EXIT.refused,
  "no_space": EXIT.noSpace,
  "quota": EXIT.noSpace,
  "busy": EXIT.refused,
  "denied": EXIT.refused,
  "changed": EXIT.source,
  "hash": EXIT.integrity,
  "io": EXIT.refused,
};

/** One file was not stored. */
export class TransferError extends ClientError {
  override readonly name = "TransferError";
  /** Why, without the file's name. */
  readonly reason: string;
  /** Whether the connection still serves other files. */
  readonly keepsConnection: boolean;

  /** Takes the path as the person named it and the reason in words. */
  constructor(
    path: string,
    reason: string,
    options: ClientErrorOptions & { keepsConnection?: boolean },
  ) {
    super(`Cannot send ${quoted(path)}: ${reason}`, options);
    this.reason = reason;
    this.keepsConnection = options.keepsConnection ?? false;
  }
}

/** The server's REJECT; in the middle of the bytes (`midway`) the connection is of no more use. */
export function rejected(
  path: string,
  reject: FrameOf<"REJECT">,
  { midway }: { midway: boolean },
): TransferError {
  return new TransferError(path, `the server refused: ${reject.reason}`, {
    exitCode: REJECT_EXITS[reject.code],
    code: reject.code,
    hint: hintFor(reject),
    keepsConnection: !midway,
  });
}

function hintFor({ code, retry }: FrameOf<"REJECT">): string | undefined {
  if (code === "no_space" || code === "quota") {
    return "When there is room on the server, run the same command again to go on";
  }
  return retry ? "Try again later" : undefined;
}

/** A REJECT among the bytes or after them: `busy` there means that a newer connection has taken this transfer over. */
export function rejectedLate(
  path: string,
  answer: FrameOf<"REJECT">,
  { keepsConnection }: { keepsConnection: boolean },
): TransferError {
  if (answer.code === "busy") return replaced(path);
  return rejected(path, answer, { midway: !keepsConnection });
}

/** The server answered with something that has no place there. */
export function outOfPlace(path: string, { verb }: { verb: string }): TransferError {
  return new TransferError(path, `the server broke the protocol with ${verb}`, {
    code: "protocol",
  });
}

/** The server says that it stored other bytes than this file has. */
export function notSame(path: string): TransferError {
  return new TransferError(path, "the server says it stored other bytes than were sent", {
    exitCode: EXIT.integrity,
    code: "integrity",
    hint: "Delete it on the server and send it again",
    keepsConnection: true,
  });
}

/** One of many files that was left out, because it changed or cannot be read. */
export function unsent(
  path: string,
  { code, reason }: { code: string; reason: string },
): TransferError {
  const exitCode = code === "bad_name" ? EXIT.refused : EXIT.source;
  return new TransferError(path, reason, { exitCode, code, keepsConnection: true });
}

/** A source that cannot be read, or is nothing that can be sent. */
export function unreadable(path: string, reason: string, cause?: unknown): TransferError {
  return new TransferError(path, reason, {
    exitCode: EXIT.source,
    code: "unreadable",
    keepsConnection: true,
    cause,
  });
}

/** A source whose size or time of change is another than before it was sent. */
export function changed(path: string, { keepsConnection }: { keepsConnection: boolean }) {
  return new TransferError(path, "it was changed while it was being sent", {
    exitCode: EXIT.source,
    code: "changed",
    hint: "Send it again when nothing writes to it",
    keepsConnection,
  });
}

/** Another program of this machine, or another connection, has begun to send the same: it is left to that. */
export function replaced(path: string): TransferError {
  return new TransferError(path, "it is being sent by another hbclient now", {
    code: "replaced",
    hint: "Wait for the other one, or end it and run the same command again",
  });
}

/** The connection ended, or stood still, before the server had stored the file. */
export function cutOff(
  path: string,
  how: { reason: string; code: "lost" | "stalled"; sent: number; size: number; cause?: unknown },
): TransferError {
  const sent = `${formatSize(how.sent)} of ${formatSize(how.size)} had been sent`;
  return new TransferError(path, `${how.reason}; ${sent}`, {
    exitCode: EXIT.timeout,
    code: how.code,
    hint: "Run the same command again to go on from there",
    cause: how.cause,
  });
}
