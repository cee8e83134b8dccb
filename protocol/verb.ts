/**
 * The verbs of HB/1 and their fields, each checked once, here, and typed ever after.
 *
 * @module
 */

import * as v from "valibot";
import { decodeBase64Url } from "./base64url.ts";
import { ProtocolError, REJECT_CODES } from "./error.ts";
import { decodeFrame } from "./frame.ts";
import {
  INVITE_SECRET_BYTES,
  KEY_ID_HEX_DIGITS,
  MAX_BUNDLE_ITEMS,
  MAX_CLIENT_NAME_CHARS,
  MAX_JOURNAL_ENTRIES_PER_FRAME,
  MAX_MANIFEST_ENTRIES_PER_FRAME,
  MAX_MANIFEST_NUMBER,
  MAX_MESSAGE_BYTES,
  MAX_REASON_CHARS,
  NONCE_BYTES,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
} from "./limits.ts";

const MAX_FEATURES = 32;
const MAX_FEATURE_CHARS = 32;
const MAX_RECEIPT_IDS = 1_000;
/** Longest reason in an entry of a journal: 100 of them, in four bytes a character, fit a line. */
const MAX_JOURNAL_REASON_CHARS = 100;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const shortText = v.pipe(v.string(), v.maxLength(MAX_REASON_CHARS));
const keyId = v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${KEY_ID_HEX_DIGITS}}$`)));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const uuid = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
);
const clientName = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_CLIENT_NAME_CHARS));
const features = v.pipe(
  v.array(v.pipe(v.string(), v.maxLength(MAX_FEATURE_CHARS))),
  v.maxLength(MAX_FEATURES),
);
const versions = v.pipe(
  v.strictTuple([count, count]),
  v.check(([lowest, highest]) => lowest <= highest, "lowest above highest"),
);
const messageText = v.pipe(
  v.string(),
  v.minLength(1),
  v.check((text) => text.isWellFormed(), "lone surrogate"),
  v.maxBytes(MAX_MESSAGE_BYTES),
);

const vitals = v.object({
  cpu: v.optional(fraction),
  mem: v.optional(fraction),
  disk: v.optional(fraction),
  up: v.optional(count),
});
const journalEntry = v.object({
  seq: count,
  at: count,
  event: v.pipe(v.string(), v.regex(/^[a-z_]{1,32}$/)),
  reason: v.optional(v.pipe(v.string(), v.maxLength(MAX_JOURNAL_REASON_CHARS))),
  ms: v.optional(count),
  vitals: v.optional(vitals),
});

const fileNumber = v.pipe(count, v.maxValue(MAX_MANIFEST_NUMBER));

function base64Of(bytes: number) {
  return v.pipe(
    v.string(),
    v.check((text) => {
      try {
        return decodeBase64Url(text).length === bytes;
      } catch {
        return false; // Not base64url: the check itself is the answer.
      }
    }, `not ${bytes} bytes of base64url`),
  );
}

/** What a connection is for: presence and messages, file bytes, or one command. */
export const ROLES = ["agent", "data", "tool"] as const;
/** What a connection is for. */
export type Role = (typeof ROLES)[number];
/** Why a side says BYE. */
export const BYE_REASONS = ["stop", "sleep", "reboot", "update", "replaced", "shutdown"] as const;

const SCHEMAS = {
  HELLO: v.object({
    hb: versions,
    role: v.picklist(ROLES),
    key: v.optional(keyId),
    name: v.optional(clientName),
    app: shortText,
    epoch: count,
    join: v.optional(v.boolean(), false),
    features: v.optional(features, []),
  }),
  CHALLENGE: v.object({ nonce: base64Of(NONCE_BYTES), server: keyId }),
  PROVE: v.object({ sig: base64Of(SIGNATURE_BYTES) }),
  JOIN: v.object({
    invite: uuid,
    publicKey: base64Of(PUBLIC_KEY_BYTES),
    name: v.optional(clientName),
    mac: base64Of(INVITE_SECRET_BYTES),
    sig: base64Of(SIGNATURE_BYTES),
  }),
  ACK: v.object({
    hb: count,
    session: shortText,
    name: clientName,
    interval: v.pipe(count, v.minValue(1)),
    late: count,
    down: count,
    time: count,
    features: v.optional(features, []),
    limits: v.object({ line: count, message: count, file: v.nullable(count), data: count }),
  }),
  REFUSE: v.object({
    code: shortText,
    reason: shortText,
    hb: v.optional(versions),
    id: v.optional(uuid),
  }),
  HEARTBEAT: v.object({
    seq: count,
    at: count,
    vitals: v.optional(vitals),
  }),
  BEAT: v.object({ seq: count, at: count }),
  PING: v.object({ n: count }),
  PONG: v.object({ n: count }),
  MESSAGE: v.object({ id: uuid, at: count, to: v.optional(shortText), text: messageText }),
  RECEIPT: v.object({
    ids: v.pipe(v.array(uuid), v.minLength(1), v.maxLength(MAX_RECEIPT_IDS)),
    state: v.picklist(["stored", "shown"]),
  }),
  JOURNAL: v.object({
    journal: uuid,
    at: count,
    dropped: v.optional(count, 0),
    entries: v.pipe(
      v.array(journalEntry),
      v.minLength(1),
      v.maxLength(MAX_JOURNAL_ENTRIES_PER_FRAME),
    ),
  }),
  JOURNALED: v.object({ journal: uuid, seq: count }),
  BYE: v.object({ reason: v.picklist(BYE_REASONS), back_in: v.optional(count) }),
  // A bad path or size is answered with REJECT and not as a bad field, so both are checked later.
  FILE: v.object({
    id: uuid,
    path: v.unknown(),
    size: v.unknown(),
    mtime: v.optional(count),
    manifest: v.optional(uuid),
  }),
  READY: v.object({ id: uuid, offset: count, as: v.optional(shortText) }),
  REJECT: v.object({
    id: uuid,
    code: v.picklist(REJECT_CODES),
    reason: shortText,
    retry: v.optional(v.boolean(), false),
    offset: v.optional(count),
  }),
  PREFIX: v.object({ id: uuid, offset: count, sha256 }),
  SUM: v.object({ id: uuid, bytes: count, sha256 }),
  STORED: v.object({ id: uuid, as: shortText, bytes: count, sha256 }),
  CANCEL: v.object({ id: uuid }),
  END: v.object({}),
  // What an entry says is judged as a whole manifest, and refused with REJECT.
  MANIFEST: v.object({
    id: uuid,
    folder: v.optional(v.unknown()),
    entries: v.pipe(v.array(v.unknown()), v.maxLength(MAX_MANIFEST_ENTRIES_PER_FRAME)),
    last: v.optional(v.boolean(), false),
  }),
  BUNDLE: v.object({
    id: uuid,
    items: v.pipe(
      v.array(v.strictTuple([fileNumber, sha256])),
      v.minLength(1),
      v.maxLength(MAX_BUNDLE_ITEMS),
    ),
  }),
  BUNDLED: v.object({
    id: uuid,
    stored: v.optional(v.pipe(v.array(fileNumber), v.maxLength(MAX_BUNDLE_ITEMS)), []),
    renamed: v.optional(
      v.pipe(v.array(v.strictTuple([fileNumber, shortText])), v.maxLength(MAX_BUNDLE_ITEMS)),
      [],
    ),
    rejected: v.optional(
      v.pipe(
        v.array(v.strictTuple([fileNumber, v.picklist(REJECT_CODES), shortText])),
        v.maxLength(MAX_BUNDLE_ITEMS),
      ),
      [],
    ),
  }),
  PUSH: v.object({ id: uuid, path: v.unknown(), size: v.unknown(), sha256 }),
  FETCH: v.object({ id: uuid, offset: count }),
};

/** A verb of HB/1. */
export type Verb = keyof typeof SCHEMAS;
/** The fields of one verb, checked. */
export type Fields<V extends Verb> = v.InferOutput<(typeof SCHEMAS)[V]>;
/** One checked frame: the verb beside its fields. */
export type Frame = { [V in Verb]: { verb: V } & Fields<V> }[Verb];
/** One checked frame of one verb. */
export type FrameOf<V extends Verb> = Extract<Frame, { verb: V }>;
/** A well-formed frame whose verb this version does not know; to be counted and ignored. */
export interface UnknownFrame {
  /** Never a known verb. */
  verb: "unknown";
  /** The verb as it came. */
  received: string;
}

/** All verbs, in the order of the specification. */
export const VERBS = Object.keys(SCHEMAS) as Verb[];

function isVerb(verb: string): verb is Verb {
  return Object.hasOwn(SCHEMAS, verb);
}

/**
 * Reads one line (without LF) as a checked frame. Unknown keys are dropped, an unknown verb gives an
 * {@linkcode UnknownFrame}. Throws `bad_frame` for a line that is no frame and `bad_field` for a known verb
 * with a missing or wrong field.
 *
 * @example
 * ```ts
 * import { parseFrame } from "./verb.ts";
 * const frame = parseFrame(new TextEncoder().encode('BEAT {"seq":7,"at":1763847020125}'));
 * if (frame.verb !== "BEAT" || frame.seq !== 7) throw new Error("unexpected");
 * ```
 */
export function parseFrame(line: Uint8Array): Frame | UnknownFrame {
  const raw = decodeFrame(line);
  if (!isVerb(raw.verb)) return { verb: "unknown", received: raw.verb };
  const result = v.safeParse(SCHEMAS[raw.verb], raw.fields);
  if (result.success) return { verb: raw.verb, ...result.output } as Frame;
  const issue = result.issues[0];
  const field = v.getDotPath(issue) ?? "";
  throw new ProtocolError(
    "bad_field",
    `Cannot read ${raw.verb}: its field "${field.slice(0, MAX_FEATURE_CHARS)}" is missing or wrong`,
  );
}
