/**
 * One line of HB/1: `VERB SP json`, both ways. Knows no verb and no field; see verb.ts for those.
 *
 * @module
 */

import { ProtocolError } from "./error.ts";
import { MAX_JSON_DEPTH } from "./limits.ts";

/** A frame before its fields are checked. */
export interface RawFrame {
  /** Two to twelve capital letters. */
  verb: string;
  /** The JSON object behind the verb; empty when there is none. */
  fields: Record<string, unknown>;
}

const VERB = /^[A-Z]{2,12}$/;
const LONGEST_VERB_BYTES = 12;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = [0x5b, 0x7b];
const CLOSE = [0x5d, 0x7d];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Encodes one frame with its final LF. A frame without fields is the verb alone.
 * The fields must be plain JSON values; text with lone surrogates is made well-formed by JSON escapes.
 *
 * @example
 * ```ts
 * import { decodeFrame, encodeFrame } from "./frame.ts";
 * const line = encodeFrame("PING", { n: 1 });
 * if (new TextDecoder().decode(line) !== 'PING {"n":1}\n') throw new Error("unexpected");
 * if (decodeFrame(line.subarray(0, -1)).fields.n !== 1) throw new Error("unexpected");
 * ```
 */
export function encodeFrame(verb: string, fields?: object): Uint8Array {
  if (!VERB.test(verb)) throw new TypeError(`Cannot encode a frame: "${verb}" is no verb`);
  return encoder.encode(fields === undefined ? `${verb}\n` : `${verb} ${JSON.stringify(fields)}\n`);
}

/**
 * Decodes one line without its LF. Throws a `bad_frame` {@linkcode ProtocolError} when the verb, the
 * UTF-8 or the JSON is wrong, or the JSON is nested deeper than {@linkcode MAX_JSON_DEPTH}.
 */
export function decodeFrame(line: Uint8Array): RawFrame {
  const space = line.subarray(0, LONGEST_VERB_BYTES + 1).indexOf(SPACE);
  const head = space < 0 ? line.subarray(0, LONGEST_VERB_BYTES + 1) : line.subarray(0, space);
  const verb = String.fromCharCode(...head);
  if (!VERB.test(verb)) {
    throw new ProtocolError("bad_frame", `Cannot read a frame: ${quote(verb)} is no verb`);
  }
  if (space < 0) return { verb, fields: {} };
  return { verb, fields: decodeFields(verb, line.subarray(space + 1)) };
}

function decodeFields(verb: string, json: Uint8Array): Record<string, unknown> {
  if (depthOf(json) > MAX_JSON_DEPTH) {
    throw new ProtocolError(
      "bad_frame",
      `Cannot read ${verb}: its JSON is nested deeper than ${MAX_JSON_DEPTH} levels`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(json));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? "JSON" : "UTF-8";
    throw new ProtocolError("bad_frame", `Cannot read ${verb}: what follows is no valid ${what}`, {
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("bad_frame", `Cannot read ${verb}: what follows is no JSON object`);
  }
  return value as Record<string, unknown>;
}

/** Deepest nesting of brackets outside strings; an upper bound for invalid JSON. */
function depthOf(json: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (OPEN.includes(byte)) deepest = Math.max(deepest, ++depth);
    else if (CLOSE.includes(byte)) depth--;
  }
  return deepest;
}

/** A peer's few bytes, safe to stand in an error text. */
function quote(text: string): string {
  return `"${text.replace(/[^\x21-\x7e]/g, ".")}"`;
}
