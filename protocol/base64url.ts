/**
 * Bytes as base64url without padding (RFC 4648, section 5), strictly.
 *
 * @module
 */

/** Encodes bytes. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Decodes text; throws a SyntaxError for other letters, padding, or stray bits. */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) {
    throw new SyntaxError("Cannot decode base64url: it holds other characters");
  }
  const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
  if (encodeBase64Url(bytes) !== text) {
    throw new SyntaxError("Cannot decode base64url: its last character holds stray bits");
  }
  return bytes;
}
