/**
 * The one way by which channels speak HTTP: no redirects, in bounded time, and with failures in words that hold no secret.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import { formatDuration } from "../../platform/quantity.ts";
import { ChannelError } from "./channel.ts";
import { isPublicAddress } from "./private_address.ts";
import { redact } from "./redaction.ts";

/** A request that takes longer has failed, in milliseconds. */
export const HTTP_LIMIT_MS = 30_000;
/** What of an answer is read, in bytes; the words of an error need no more. */
const MAX_ANSWER_BYTES = 4_096;
/** Answers that mean that this server works and only will not have this notice. */
const REFUSING = [400, 405, 406, 413, 414, 415, 422];
/** Answers that a wrong address or secret gets. */
const DENYING = [401, 403, 404, 410];

/** The part of `fetch()` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** All addresses of a name; rejects when there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** What requests are made with. */
export interface HttpOptions {
  fetch: Fetch;
  clock: Clock;
  resolve: Resolve;
}

/** One request. */
export interface HttpRequest {
  readonly url: URL;
  /** @default {"POST"} */
  readonly method?: "POST" | "GET";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What must not be repeated in errors. */
  readonly secrets: readonly string[];
  /** Whether it may go to addresses that are not public. */
  readonly mayBePrivate: boolean;
  readonly signal: AbortSignal;
  /** Finds in an answer how long the other side wants to be left alone, in milliseconds. */
  readonly waitOf?: (body: string) => number | undefined;
}

/** Sends a request; rejects with a {@linkcode ChannelError} unless the answer is a success. */
export async function httpPost(request: HttpRequest, options: HttpOptions): Promise<void> {
  const { clock } = options;
  const { host } = request.url;
  const ending = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (why: string) => {
    const error = new ChannelError(`Cannot send to ${host}: ${why}`, { retry: true });
    reject(error);
    ending.abort(error);
  };
  const stop = () => end("it was called off");
  if (request.signal.aborted) stop();
  request.signal.addEventListener("abort", stop, { once: true });
  const late = `no answer within ${formatDuration(HTTP_LIMIT_MS)}`;
  using _limit = clock.after(HTTP_LIMIT_MS, () => end(late));
  try {
    const work = send(request, { ...options, signal: ending.signal });
    await Promise.race([work, ended]);
  } finally {
    request.signal.removeEventListener("abort", stop);
    // Whoever lost the race has nothing more to say.
    ended.catch(() => {});
  }
}

async function send(
  request: HttpRequest,
  { fetch, clock, resolve, signal }: HttpOptions & { signal: AbortSignal },
): Promise<void> {
  const { url, method = "POST", headers = {}, body, secrets, mayBePrivate } = request;
  const { host } = url;
  if (!mayBePrivate) await requirePublic(url, resolve);
  let response: Response;
  let answer = "";
  try {
    const init = { method, headers, redirect: "manual" as const, signal };
    response = await fetch(url.href, body === undefined ? init : { ...init, body });
    // Whoever has taken it need not say more: to wait for that would be to send it twice.
    if (response.ok) return void await response.body?.cancel();
    answer = await readBounded(response);
  } catch (error) {
    throw new ChannelError(`Cannot send to ${host}: ${fetchError(error, secrets)}`, {
      retry: true,
    });
  }
  const { status } = response;
  const words = answer.trim() === "" ? "" : ` (${redact(answer, secrets)})`;
  throw new ChannelError(`Cannot send to ${host}: it answered ${status}${hint(status)}${words}`, {
    // Whoever mends a wrong secret within the day still gets what waited.
    retry: true,
    refused: REFUSING.includes(status),
    waitMs: request.waitOf?.(answer) ?? retryAfter(response, clock),
  });
}

/** Rejects unless every address of the host is known to be public. */
export async function requirePublic(
  { hostname, host }: { hostname: string; host: string },
  resolve: Resolve,
): Promise<void> {
  const bare = hostname.replace(/^\[|\]$/g, "");
  const isNumeric = bare.includes(":") || /^[\d.]+$/.test(bare);
  let addresses: readonly string[];
  try {
    addresses = isNumeric ? [bare] : await resolve(bare);
  } catch {
    const why = "its name cannot be resolved, so it may be private";
    throw new ChannelError(`Cannot send to ${host}: ${why}`, { retry: true });
  }
  if (addresses.length > 0 && addresses.every(isPublicAddress)) return;
  throw new ChannelError(
    `Cannot send to ${host}: its address is private, and private addresses are off for this channel`,
    { retry: true },
  );
}

/** What went wrong, without the address that the runtime puts into its words. */
function fetchError(error: unknown, secrets: readonly string[]): string {
  // The runtime says what it was in the cause.
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = inner instanceof Error ? inner.message : String(inner);
  const bare = message.replace(/^error sending request\b[^(]*\(\S*\):?\s*/, "")
    .replace(/^client error \(Connect\): /, "")
    .replace(/\b[a-z]+:\/\/\S+/gi, "***");
  return redact(bare, secrets);
}

function hint(status: number): string {
  if (status >= 300 && status < 400) return ", a redirect, which is not followed";
  return DENYING.includes(status) ? "; check its address and secret" : "";
}

/** The beginning of an answer; the rest is dropped, so that nothing of it stays open. */
async function readBounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    length += part.byteLength;
    if (length >= MAX_ANSWER_BYTES) break;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return new TextDecoder().decode(bytes.subarray(0, MAX_ANSWER_BYTES));
}

/** `Retry-After` in milliseconds: seconds, or a moment. */
function retryAfter({ headers }: Response, clock: Clock): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - clock.wall());
}
