/**
 * A message as the client's database holds it, in either direction.
 *
 * @module
 */

/** A message of either direction. */
export interface StoredMessage {
  /** Its UUID. */
  id: string;
  /** When it was written, in milliseconds since 1970 by its sender's clock. */
  at: number;
  /** Its text as it came. */
  text: string;
}

/** A message's text as bytes, for a query: as text, `node:sqlite` would end it at the first NUL. */
export const TEXT_COLUMN = "CAST(text AS BLOB) AS text_bytes";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The message of a row with `id`, `at` and {@linkcode TEXT_COLUMN}. */
export function messageOf(row: Record<string, unknown>): StoredMessage {
  return {
    id: String(row.id),
    at: Number(row.at),
    text: decoder.decode(row.text_bytes as Uint8Array),
  };
}
