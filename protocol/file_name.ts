/**
 * The one gate for every name that a peer supplies: files, paths, clients, tags and ids. It refuses and
 * never repairs. It is not the check of the joined path, which whoever opens a file makes again.
 *
 * The rules are those of the strictest file system on every system, because files get copied later.
 *
 * @module
 */

import { ProtocolError } from "./error.ts";
import {
  MAX_CLIENT_NAME_CHARS,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
  MAX_PATH_SEGMENTS,
} from "./limits.ts";

const MAX_QUOTED_CHARS = 80;
/** Words that commands use in the place of a client's name. */
const RESERVED_CLIENT_NAMES = ["all", "server"];

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001F\u007F-\u009F]/;
/** Invisible or reordering: soft hyphen, bidi and zero-width characters, annotations, tags, separators. */
const FORMAT =
  /[\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/u;
/** The only use of a joiner that is visible in every font and in no way a disguise: inside one emoji. */
const EMOJI_JOINER =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\uFE0F?)\u200D(?=\p{Extended_Pictographic})/gu;
const NONCHARACTER = /\p{Noncharacter_Code_Point}/u;
const SEPARATOR = /[/\\:]/;
const WINDOWS_FORBIDDEN = /[<>"|?*]/;
const ONLY_DOTS = /^[.\s]*$/;
/** A device of Windows: what counts is the part before the first dot or colon, without its trailing spaces. */
const WINDOWS_DEVICE =
  /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9\u00B9\u00B2\u00B3\u2070\u2074-\u2079])\s*(?:[.:]|$)/i;
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const encoder = new TextEncoder();

// deno-lint-ignore no-control-regex
const ASCII = /^[\u0000-\u007F]*$/;

function byteLength(text: string): number {
  return ASCII.test(text) ? text.length : encoder.encode(text).length;
}

/** Quotes text of a peer for an error: ASCII only, at most {@linkcode MAX_QUOTED_CHARS} characters inside. */
function quote(text: string): string {
  let inner = "";
  for (const unit of text.slice(0, MAX_QUOTED_CHARS).split("")) {
    const safe = unit >= " " && unit <= "~"
      ? JSON.stringify(unit).slice(1, -1)
      : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    if (inner.length + safe.length > MAX_QUOTED_CHARS) return `"${inner}"...`;
    inner += safe;
  }
  return text.length > MAX_QUOTED_CHARS ? `"${inner}"...` : `"${inner}"`;
}

function refuse(what: string, value: string, reason: string | undefined): void {
  if (reason === undefined) return;
  throw new ProtocolError("bad_name", `Cannot accept ${what} ${quote(value)}: ${reason}`);
}

/** What is wrong with the characters that the name is made of, each by itself. */
function characterFault(name: string): string | undefined {
  if (!name.isWellFormed()) return "it is not well-formed Unicode";
  if (CONTROL.test(name)) return "it contains a control character";
  if (FORMAT.test(name.replace(EMOJI_JOINER, ""))) return "it contains an invisible character";
  if (NONCHARACTER.test(name)) return "it contains a code point that is no character";
  if (WINDOWS_FORBIDDEN.test(name)) return 'it contains one of < > " | ? *';
  return undefined;
}

/** What is wrong with the name as a place in a file system; asked for the name and for its NFKC form. */
function placeFault(name: string): string | undefined {
  if (ONLY_DOTS.test(name)) return "it has nothing but dots and spaces";
  if (SEPARATOR.test(name)) return "it contains one of / \\ :";
  if (WINDOWS_DEVICE.test(name)) return "it is a device name on Windows";
  return undefined;
}

function fileNameFault(name: string): string | undefined {
  if (name === "") return "it is empty";
  // A string has at most as many UTF-16 units as UTF-8 bytes: a huge one is refused without work.
  if (name.length > MAX_NAME_BYTES || byteLength(name) > MAX_NAME_BYTES) {
    return `it is longer than ${MAX_NAME_BYTES} bytes`;
  }
  const fault = characterFault(name) ?? placeFault(name);
  if (fault !== undefined) return fault;
  if (/^\s|\s$/.test(name)) return "it begins or ends with a space";
  if (name.endsWith(".")) return "it ends with a dot";
  // Full-width and other look-alikes fold to ASCII when a file is copied through a legacy code page.
  return placeFault(name.normalize("NFKC"));
}

function wordFault(word: string): string | undefined {
  if (word === "") return "it is empty";
  if (word.length > MAX_CLIENT_NAME_CHARS) {
    return `it is longer than ${MAX_CLIENT_NAME_CHARS} characters`;
  }
  if (!WORD.test(word)) return "only A-Z a-z 0-9 . _ - are allowed, and a letter or digit first";
  return undefined;
}

function clientNameFault(name: string): string | undefined {
  const fault = wordFault(name);
  if (fault !== undefined) return fault;
  if (name.endsWith(".")) return "it ends with a dot";
  if (WINDOWS_DEVICE.test(name)) return "it is a device name on Windows";
  if (RESERVED_CLIENT_NAMES.includes(name.toLowerCase())) return "the word is reserved";
  return undefined;
}

/**
 * Accepts one name of a file or folder, at most {@linkcode MAX_NAME_BYTES} of UTF-8, that stays a direct
 * child of its folder and means the same file on every system; throws `bad_name` for any other.
 *
 * @example
 * ```ts
 * import { checkFileName } from "./file_name.ts";
 * checkFileName("holiday 2026 🏖️.jpg");
 * ```
 */
export function checkFileName(name: string): void {
  refuse("file name", name, fileNameFault(name));
}

/** Whether {@linkcode checkFileName} accepts the name. */
export function isFileName(name: string): boolean {
  return fileNameFault(name) === undefined;
}

/** Bytes of UTF-8 of a path's names and the separators between them. */
export function pathBytes(segments: readonly string[]): number {
  return segments.reduce((sum, segment) => sum + byteLength(segment), segments.length - 1);
}

/**
 * Accepts 1 to {@linkcode MAX_PATH_SEGMENTS} file names that are together, with a separator between them, at
 * most {@linkcode MAX_PATH_BYTES} long; throws `bad_name` otherwise.
 */
export function checkFilePath(segments: readonly string[]): void {
  if (segments.length === 0 || segments.length > MAX_PATH_SEGMENTS) {
    const reason = `it must have 1 to ${MAX_PATH_SEGMENTS} segments, not ${segments.length}`;
    refuse("file path", segments[0] ?? "", reason);
  }
  for (const segment of segments) checkFileName(segment);
  if (pathBytes(segments) > MAX_PATH_BYTES) {
    refuse("file path", segments.join("/"), `it is longer than ${MAX_PATH_BYTES} bytes`);
  }
}

/**
 * Accepts a client's name: a letter or digit, then letters, digits and `. _ -`, at most
 * {@linkcode MAX_CLIENT_NAME_CHARS}, no trailing dot, no device of Windows, neither `all` nor `server` in
 * any case; throws `bad_name` otherwise.
 */
export function checkClientName(name: string): void {
  refuse("client name", name, clientNameFault(name));
}

/** Whether {@linkcode checkClientName} accepts the name. */
export function isClientName(name: string): boolean {
  return clientNameFault(name) === undefined;
}

/** Accepts a tag, of a client name's alphabet and length; throws `bad_name` otherwise. */
export function checkTag(tag: string): void {
  refuse("tag", tag, wordFault(tag));
}

/** Accepts an id, a UUID of any version in lower case (36 characters); throws `bad_name` otherwise. */
export function checkId(id: string): void {
  refuse("id", id, UUID.test(id) ? undefined : "it is not a UUID in lower case");
}
