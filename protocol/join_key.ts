/**
 * The join key: one line to paste that carries everything a client needs to find and trust its server.
 *
 * `hb1.` + base64url of: one line of JSON, LF, the server's certificate in DER (nothing when the server
 * speaks plaintext), and the first four bytes of the SHA-256 of all that, so that a key that was cut or
 * mistyped is told apart from one that the server refuses.
 *
 * @module
 */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { ProtocolError } from "./error.ts";
import { checkId } from "./file_name.ts";
import { INVITE_SECRET_BYTES, KEY_ID_HEX_DIGITS } from "./limits.ts";

const PREFIX = "hb1.";
const CHECKSUM_BYTES = 4;
const LF = 0x0a;
/** Longest join key, in characters; a usual one has about 900. */
const MAX_JOIN_KEY_CHARS = 8 * 1024;
const MAX_ADDRESSES = 16;
const MAX_TAGS = 32;

/** What a join key says. */
export interface JoinKey {
  /** Where the server can be reached, `host:port`, tried in turn; at least one. */
  addresses: string[];
  /** The server's id: the first 40 hex digits of SHA-256 over its public key (SPKI). */
  serverId: string;
  /** The server's certificate in DER, or undefined for a server that speaks plaintext. */
  certificate: Uint8Array | undefined;
  /** Id of the invite. */
  invite: string;
  /** The invite's secret, 32 bytes; never crosses the wire. */
  secret: Uint8Array;
  /** When the invite ends, in milliseconds since 1970. */
  expires: number;
  /** The only name that may join with it, where the operator chose one. */
  name?: string;
  /** Tags that the client gets. */
  tags?: string[];
}

const schema = v.object({
  addresses: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(MAX_ADDRESSES)),
  server: v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${KEY_ID_HEX_DIGITS}}$`))),
  plaintext: v.optional(v.boolean(), false),
  invite: v.string(),
  secret: v.string(),
  expires: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  name: v.optional(v.string()),
  tags: v.optional(v.pipe(v.array(v.string()), v.maxLength(MAX_TAGS))),
});

function checksum(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest().subarray(0, CHECKSUM_BYTES);
}

/** Writes a join key as one line of text. */
export function encodeJoinKey(key: JoinKey): string {
  const json = new TextEncoder().encode(JSON.stringify({
    addresses: key.addresses,
    server: key.serverId,
    ...(key.certificate === undefined ? { plaintext: true } : {}),
    invite: key.invite,
    secret: encodeBase64Url(key.secret),
    expires: key.expires,
    ...(key.name === undefined ? {} : { name: key.name }),
    ...(key.tags === undefined || key.tags.length === 0 ? {} : { tags: key.tags }),
  }));
  const body = new Uint8Array([...json, LF, ...(key.certificate ?? [])]);
  return PREFIX + encodeBase64Url(new Uint8Array([...body, ...checksum(body)]));
}

/**
 * Reads a join key; white space around and inside (a wrapped paste) is ignored. Throws a `bad_join_key`
 * {@linkcode ProtocolError} that says what is wrong with it.
 *
 * @example
 * ```ts
 * import { decodeJoinKey, encodeJoinKey, type JoinKey } from "./join_key.ts";
 * const key: JoinKey = {
 *   addresses: ["192.0.2.7:5001"],
 *   serverId: "10965244468947a4021d869c0c5126ecc6f84669",
 *   certificate: undefined, // This server speaks plaintext.
 *   invite: "019aa8d0-0000-7000-8000-000000000001",
 *   secret: crypto.getRandomValues(new Uint8Array(32)),
 *   expires: 1763933400000,
 * };
 * const text = encodeJoinKey(key);
 * const { addresses } = decodeJoinKey(`${text.slice(0, 80)}\n${text.slice(80)}\n`);
 * if (addresses[0] !== "192.0.2.7:5001") throw new Error("unexpected");
 * ```
 */
export function decodeJoinKey(text: string): JoinKey {
  const compact = text.replace(/\s+/g, "");
  if (!compact.startsWith(PREFIX)) throw bad(`it does not begin with "${PREFIX}"`);
  if (compact.length > MAX_JOIN_KEY_CHARS) throw bad("it is too long");
  const [json, certificate] = unpack(compact.slice(PREFIX.length));
  let parsed: v.InferOutput<typeof schema>;
  let secret: Uint8Array;
  try {
    parsed = v.parse(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)));
    checkId(parsed.invite);
    secret = decodeBase64Url(parsed.secret);
  } catch (cause) {
    throw bad("its contents are not those of a join key", cause);
  }
  if (secret.length !== INVITE_SECRET_BYTES) throw bad("its secret has the wrong length");
  if (parsed.plaintext !== (certificate.length === 0)) {
    throw bad("it must hold either a certificate or the word that there is none");
  }
  return {
    addresses: parsed.addresses,
    serverId: parsed.server,
    certificate: parsed.plaintext ? undefined : certificate,
    invite: parsed.invite,
    secret,
    expires: parsed.expires,
    ...(parsed.name === undefined ? {} : { name: parsed.name }),
    ...(parsed.tags === undefined ? {} : { tags: parsed.tags }),
  };
}

function unpack(encoded: string): [json: Uint8Array, certificate: Uint8Array] {
  let bytes: Uint8Array;
  try {
    bytes = decodeBase64Url(encoded);
  } catch (cause) {
    throw bad("a character of it was lost or changed; copy the whole line again", cause);
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  const sum = checksum(body);
  if (!sum.every((byte, at) => byte === bytes[body.length + at])) {
    throw bad("a part of it was lost or changed; copy the whole line again");
  }
  const end = body.indexOf(LF);
  if (end < 0) throw bad("its contents are not those of a join key");
  return [body.subarray(0, end), body.slice(end + 1)];
}

function bad(why: string, cause?: unknown): ProtocolError {
  return new ProtocolError("bad_join_key", `Cannot read the join key: ${why}`, { cause });
}
