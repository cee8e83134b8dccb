/**
 * Small files that only their owner may read: keys, tokens, settings. Written as a whole or not at all.
 *
 * @module
 */

import { dirname } from "node:path";
import { sleep, systemClock } from "./clock.ts";
import { systemRandomBytes } from "./random.ts";
import { syncDirectory } from "./sync_directory.ts";

/** Largest private file, in bytes: keys, certificates and settings are far smaller. */
export const MAX_PRIVATE_FILE_BYTES = 1024 * 1024;
/** Pauses before a rename is tried again that a Windows virus scanner or reader holds up, in milliseconds. */
const RENAME_PAUSES_MS = [10, 50, 250, 1000];

/** The text of a private file, undefined when there is none; throws above the size limit. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_PRIVATE_FILE_BYTES) {
      throw new RangeError(
        `Cannot read "${path}": ${size} bytes is more than ${MAX_PRIVATE_FILE_BYTES}`,
      );
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Replaces the file at `path` by one of mode 0600 with `text`. When it resolves, the new text is on disk; when
 * it rejects, or the machine stops meanwhile, the old file is still there as it was.
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${systemRandomBytes(8).toHex()}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      await writeAll(file, new TextEncoder().encode(text));
      await file.sync();
    }
    await replace(temporary, path);
  } catch (error) {
    // The temporary file may not even exist; what matters is the error that led here.
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
}

async function replace(from: string, to: string): Promise<void> {
  for (const pause of RENAME_PAUSES_MS) {
    try {
      return await Deno.rename(from, to);
    } catch (error) {
      if (Deno.build.os !== "windows" || !isHeldOpen(error)) throw error;
      await sleep(systemClock, pause);
    }
  }
  await Deno.rename(from, to);
}

/** Whether Windows refused because somebody has the target open. */
function isHeldOpen(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EPERM" || code === "EACCES" || code === "EBUSY";
}
