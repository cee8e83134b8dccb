/**
 * Files to send: their bytes repeat nowhere, so that a piece in the wrong place is noticed.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Size of a piece with its own number, in bytes. */
const BLOCK_BYTES = 4096;
/** Bytes that are read or written at once. */
const CHUNK_BYTES = 1024 * 1024;

/** Random bytes that are marked, every 4 KiB, with their place. */
export function sampleBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  markPlaces(bytes, 0);
  return bytes;
}

/** Writes a new file of that size, which costs little to make, and resolves with its SHA-256 in hex. */
export async function writeSample(path: string, size: number): Promise<string> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const hash = createHash("sha256");
  const chunk = sampleBytes(Math.min(size, CHUNK_BYTES));
  for (let at = 0; at < size;) {
    const part = chunk.subarray(0, size - at);
    markPlaces(part, at);
    hash.update(part);
    for (let from = 0; from < part.length;) from += await file.write(part.subarray(from));
    at += part.length;
  }
  return hash.digest("hex");
}

/** SHA-256 of bytes or text, in hex. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** SHA-256 of a file of any size, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}

/** Writes the place of every block, counted from `from`, into the block. */
function markPlaces(bytes: Uint8Array<ArrayBuffer>, from: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 8 <= bytes.length; at += BLOCK_BYTES) {
    view.setBigUint64(at, BigInt(from + at));
  }
}
