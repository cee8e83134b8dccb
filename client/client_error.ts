/**
 * The errors that end a command of hbclient with an exit code of their own and, where it helps, a hint.
 *
 * @module
 */

import { EXIT, type ExitCode } from "./exit_code.ts";

/** What a {@linkcode ClientError} carries besides its message. */
export interface ClientErrorOptions extends ErrorOptions {
  /** What the process exits with. @default {1} */
  exitCode?: ExitCode;
  /** A word for programs, such as a REFUSE or REJECT code. @default {"failed"} */
  code?: string;
  /** What the person can do about it. */
  hint?: string | undefined;
}

/** A failure that a person can understand; the program prints it and exits with its code. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  /** What the process exits with. */
  readonly exitCode: ExitCode;
  /** A word for programs. */
  readonly code: string;
  /** What the person can do about it. */
  readonly hint: string | undefined;

  /** Makes an error from a message in the house's wording. */
  constructor(message: string, options: ClientErrorOptions = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.code = options.code ?? "failed";
    this.hint = options.hint;
  }
}

/** What one address of the server answered. */
export interface FailedAddress {
  /** The address as `HOST:PORT`. */
  address: string;
  /** What happened, for people: `refused`. */
  reason: string;
}

/** No address of the server led to an answer: exit code 3. */
export class CannotConnectError extends ClientError {
  override readonly name = "CannotConnectError";
  /** Every address that was tried, in order. */
  readonly failures: readonly FailedAddress[];

  /** Takes what happened at each address. */
  constructor(failures: readonly FailedAddress[], options: ClientErrorOptions = {}) {
    const list = failures.map(({ address, reason }) => `${address} ${reason}`).join("; ");
    super(`Cannot connect to the server: ${list === "" ? "no address is known" : list}`, {
      exitCode: EXIT.cannotConnect,
      code: "cannot_connect",
      ...options,
    });
    this.failures = failures;
  }
}

/** The code of a {@linkcode RefusedError} for a server whose certificate is not the pinned one. */
export const WRONG_SERVER = "wrong_server";

/** The server refused this client, or is not the one that it joined: exit code 4. */
export class RefusedError extends ClientError {
  override readonly name = "RefusedError";

  /** Takes a REFUSE code, or {@linkcode WRONG_SERVER}, and words for people. */
  constructor(code: string, message: string, options: ClientErrorOptions = {}) {
    super(message, { exitCode: EXIT.refused, ...options, code });
  }
}
