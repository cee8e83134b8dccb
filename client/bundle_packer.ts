/**
 * Small files put together into one frame and its bytes, ready to be written as they are.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encodeFrame, MAX_BUNDLE_BYTES, MAX_BUNDLE_ITEMS } from "../protocol/mod.ts";
import type { PlannedFile } from "./manifest_plan.ts";
import type { SourceAccess } from "./source_access.ts";
import { whyUnreadable } from "./source_file.ts";

/** A file of a bundle, as it was read. */
export interface PackedFile {
  /** What was announced. */
  file: PlannedFile;
  /** SHA-256 of its bytes in hex. */
  sha256: string;
}

/** What one bundle holds. */
export interface Bundle {
  /** The frame and the bytes behind it; valid until the buffer is packed into again. */
  bytes: Uint8Array;
  /** What is in it, in order. */
  items: PackedFile[];
}

/** A file that was left out of its bundle. */
export interface UnpackedFile {
  /** What was announced. */
  file: PlannedFile;
  /** A word for programs. */
  code: "changed" | "unreadable";
  /** For people. */
  reason: string;
}

/** Room for the longest frame before the bytes: 400 items of at most 80 bytes. */
const HEAD_BYTES = 40 * 1024;

/** Memory for one bundle, to be used again and again. */
export function bundleBuffer(): Uint8Array {
  // One byte more than the largest bundle has: a file that has grown shows itself by it.
  return new Uint8Array(HEAD_BYTES + MAX_BUNDLE_BYTES + 1);
}

/** The longest run of `files` from `from` on that fits one bundle: the place behind it. */
export function bundleEnd(files: readonly PlannedFile[], from: number): number {
  let bytes = 0;
  let at = from;
  for (; at < files.length && at - from < MAX_BUNDLE_ITEMS; at++) {
    bytes += files[at]?.size ?? 0;
    if (bytes > MAX_BUNDLE_BYTES) break;
  }
  return at;
}

/**
 * Reads `files` into `buffer` and puts the frame before them. Files that cannot be read, or have another size by
 * now, are left out and told to `onUnpacked`; undefined when nothing is left.
 */
export async function packBundle(
  files: readonly PlannedFile[],
  { manifest, buffer, access, onUnpacked }: {
    manifest: string;
    buffer: Uint8Array;
    access: SourceAccess;
    onUnpacked: (unpacked: UnpackedFile) => void;
  },
): Promise<Bundle | undefined> {
  const items: PackedFile[] = [];
  let end = HEAD_BYTES;
  for (const file of files) {
    const { source, size } = file;
    try {
      const asked = access.read(source, buffer.subarray(end, end + size + 1));
      const count = typeof asked === "number" ? asked : await asked;
      if (count !== size) {
        const reason = "it was changed while it was being sent";
        onUnpacked({ file, code: "changed", reason });
        continue;
      }
      const bytes = buffer.subarray(end, end + size);
      items.push({ file, sha256: createHash("sha256").update(bytes).digest("hex") });
      end += size;
    } catch (cause) {
      onUnpacked({ file, code: "unreadable", reason: whyUnreadable(cause) });
    }
  }
  if (items.length === 0) return undefined;
  const head = encodeFrame("BUNDLE", {
    id: manifest,
    items: items.map(({ file: { n }, sha256 }) => [n, sha256]),
  });
  const begin = HEAD_BYTES - head.length;
  buffer.set(head, begin);
  return { bytes: buffer.subarray(begin, end), items };
}
