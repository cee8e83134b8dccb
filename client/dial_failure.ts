/**
 * Puts into words why one address of the server did not lead to a session.
 *
 * @module
 */

import { type Address, formatAddress } from "../platform/address.ts";
import { visible } from "../platform/visible_text.ts";
import { GreetingRefusedError, ProtocolError } from "../protocol/mod.ts";
import { CannotConnectError, RefusedError, WRONG_SERVER } from "./client_error.ts";
import { GreetingClosedError, TlsAnswerError } from "./greet.ts";

/** How far the attempt had come. */
export type DialPhase = "connect" | "tls" | "greeting";

/** One attempt that failed. */
export interface DialAttempt {
  /** Where to. */
  address: Address;
  /** How far it came. */
  phase: DialPhase;
  /** Whether this side's deadline ended it, and how long that was, in milliseconds. */
  timedOutMs?: number | undefined;
}

/** Why it failed. */
export interface DialFailure {
  /** The address as `HOST:PORT`. */
  address: string;
  /** For people, to follow the address. */
  reason: string;
  /** What the person can do about it. */
  hint?: string;
  /** Another server than the one that this machine joined answered there. */
  wrongServer?: boolean;
}

const PLAINTEXT_HINT =
  "If that server speaks plaintext, use --plaintext, or join with a new join key from it";
const TLS_HINT =
  "That server speaks TLS: leave out --plaintext, or join with a new join key from it";
const FIREWALL_HINT = "Check that the server runs there and that no firewall blocks its TCP port";

/** Explains the error of one attempt; the caller has already sorted out refusals. */
export function explainFailure(error: unknown, attempt: DialAttempt): DialFailure {
  const address = formatAddress(attempt.address);
  if (attempt.timedOutMs !== undefined) {
    return { address, reason: `timed out (${attempt.timedOutMs / 1000} s)`, hint: FIREWALL_HINT };
  }
  switch (attempt.phase) {
    case "connect":
      return { address, ...explainConnect(error, attempt.address) };
    case "tls":
      return { address, ...explainTls(error) };
    case "greeting":
      return { address, ...explainGreeting(error) };
  }
}

type Explanation = Omit<DialFailure, "address">;

function explainConnect(error: unknown, address: Address): Explanation {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return { reason: "refused the connection: nothing listens there", hint: FIREWALL_HINT };
  }
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH") {
    return { reason: "cannot be reached from this network" };
  }
  // The runtime reports a failed look-up as a bare Error without a code, and nothing else so.
  const bare = error instanceof Error && error.name === "Error" && code === undefined;
  if (bare && !/^[\d.]+$|:/.test(address.hostname)) {
    return { reason: "name does not resolve", hint: "Check the name and this machine's network" };
  }
  return { reason: `failed: ${wordsOf(error)}` };
}

/**
 * TLS failures carry nothing but the runtime's text, so that is read here, once; a text that is not
 * recognised is shown as it is.
 */
function explainTls(error: unknown): Explanation {
  if (isClosed(error)) {
    return { reason: "closed the connection during the TLS handshake", hint: PLAINTEXT_HINT };
  }
  const words = wordsOf(error);
  if (/certificate expired|not valid yet/i.test(words)) {
    return {
      reason: "has a certificate that is not valid at this machine's time",
      hint: "Check this machine's clock",
    };
  }
  if (/invalid peer certificate/i.test(words)) {
    return { reason: "is not the server in the join key", wrongServer: true };
  }
  if (/corrupt message|InvalidContentType/i.test(words)) {
    return { reason: "does not speak TLS", hint: PLAINTEXT_HINT };
  }
  return { reason: `failed the TLS handshake: ${words}` };
}

function explainGreeting(error: unknown): Explanation {
  if (error instanceof TlsAnswerError) return { reason: "speaks TLS", hint: TLS_HINT };
  if (error instanceof GreetingClosedError || isClosed(error)) {
    return { reason: "closed by the server during the greeting" };
  }
  if (error instanceof ProtocolError && error.code === "truncated") {
    return { reason: "closed by the server during the greeting" };
  }
  if (error instanceof ProtocolError) return { reason: `is no hb server: ${wordsOf(error)}` };
  return { reason: `failed: ${wordsOf(error)}` };
}

function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe;
}

function wordsOf(error: unknown): string {
  return visible(error instanceof Error ? error.message : String(error), { maxChars: 200 });
}

const REFUSAL_HINTS: Readonly<Record<string, string>> = {
  "unknown_client": 'Run "hbclient join KEY" with a join key from the operator',
  full: "Try again later",
  closed: "Try again later",
};

/** The error for a server that ended the greeting with REFUSE, in its own words. */
export function refusal(error: GreetingRefusedError, address: Address): RefusedError {
  return new RefusedError(
    error.code,
    `Cannot connect: the server at ${formatAddress(address)} refused: ${wordsOf(error)}`,
    { hint: REFUSAL_HINTS[error.code], cause: error },
  );
}

/** The error for a peer that breaks the rules of trust: another server id, or no challenge for a join. */
export function distrust(error: ProtocolError, address: Address): RefusedError {
  return new RefusedError(
    WRONG_SERVER,
    `Cannot trust the server at ${formatAddress(address)}: ${wordsOf(error)}`,
    { hint: WRONG_SERVER_HINT, cause: error },
  );
}

const WRONG_SERVER_HINT =
  "If the server was set up anew, join it again with a new join key; if not, somebody else answers there";

/** The error for a list of addresses none of which led to a session. */
export function unreachable(failures: readonly DialFailure[]): CannotConnectError | RefusedError {
  const wrong = failures.filter(({ wrongServer }) => wrongServer === true);
  const [first] = wrong;
  if (first !== undefined && wrong.length === failures.length) {
    const where = wrong.map(({ address }) => address).join(" and ");
    return new RefusedError(
      WRONG_SERVER,
      `Cannot connect: the server at ${where} is not the one in the join key (its certificate is another)`,
      { hint: WRONG_SERVER_HINT },
    );
  }
  const hint = failures.find((failure) => failure.hint !== undefined)?.hint ??
    (first === undefined ? undefined : WRONG_SERVER_HINT);
  return new CannotConnectError(failures, { hint });
}
