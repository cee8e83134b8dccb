/**
 * Keeps secrets out of words that others have written, such as errors that repeat an address. Pure.
 *
 * @module
 */

import { visible } from "../../platform/visible_text.ts";

/** What stands in the place of a secret. */
const HIDDEN = "***";
/** Parts of a path that are shorter are words rather than secrets, in characters; as parameters, shorter ones are. */
const MIN_PART_CHARS = 6;
const MIN_PARAMETER_CHARS = 4;
/** Longest text of another side that is repeated, in UTF-16 code units. */
export const MAX_REPEATED_CHARS = 200;

/** All parts of an address that may be a secret, as they stand there and decoded: everything but scheme, host and port. */
export function secretsOf(url: URL): string[] {
  const whole = [url.href, url.href.slice(url.origin === "null" ? url.protocol.length : 0)];
  const parts = [url.username, url.password, ...url.pathname.split("/")];
  parts.push(url.pathname.slice(1), url.search.slice(1), url.hash.slice(1));
  const long = [...parts, ...parts.map(decode)].filter((part) => part.length >= MIN_PART_CHARS);
  const values = [...url.searchParams.values()].flatMap((value) => [
    value,
    encodeURIComponent(value),
  ]).filter((value) => value.length >= MIN_PARAMETER_CHARS);
  // What proves who one is stays a secret, however short, and as HTTP writes it.
  const login = `${decode(url.username)}:${decode(url.password)}`;
  const written = new TextEncoder().encode(login).toBase64();
  const proofs = url.password === "" ? [] : [url.password, decode(url.password), written];
  return [...new Set([...whole, ...proofs, ...values, ...long])];
}

/** The text on one harmless line of bounded length, with every secret hidden. */
export function redact(text: string, secrets: readonly string[]): string {
  const longestFirst = [...new Set(secrets)].filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length);
  const hidden = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
  return visible(hidden.replace(/\s+/g, " ").trim(), { maxChars: MAX_REPEATED_CHARS });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // No encoded text, so it stands for itself.
    return text;
  }
}
