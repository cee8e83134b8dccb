/**
 * A file that is to be sent: opened, and found to be one that can be.
 *
 * @module
 */

import { basename } from "node:path";
import { checkFileName } from "../protocol/mod.ts";
import { EXIT } from "./exit_code.ts";
import { TransferError, unreadable } from "./transfer_error.ts";

/** One file that is open for reading; whoever opened it closes it. */
export interface SourceFile {
  /** The open file, at its beginning. */
  file: Deno.FsFile;
  /** Its size, in bytes. */
  size: number;
  /** Time of its last change, in milliseconds since 1970; undefined where the system has none. */
  mtime: number | undefined;
}

/** Opens a regular file whose name the server's gate will accept; rejects with a `TransferError`. */
export async function openSource(path: string): Promise<SourceFile> {
  const facts = await attempt(path, () => Deno.stat(path));
  if (facts.isDirectory) throw unreadable(path, "directories are not supported yet");
  if (!facts.isFile) throw unreadable(path, "it is no regular file");
  checkName(path);
  const file = await attempt(path, () => Deno.open(path));
  try {
    // What counts is the file that is now open, whatever the name stands for by then.
    const { size, mtime } = await file.stat();
    return { file, size, mtime: mtime?.getTime() };
  } catch (error) {
    file.close();
    throw unreadable(path, `it cannot be read: ${wordsOf(error)}`, error);
  }
}

function checkName(path: string): void {
  try {
    checkFileName(basename(path));
  } catch (cause) {
    throw new TransferError(path, `its name is not allowed: ${wordsOf(cause)}`, {
      exitCode: EXIT.refused,
      code: "bad_name",
      hint: "Send it under another name",
      keepsConnection: true,
      cause,
    });
  }
}

async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw unreadable(path, "there is no such file", cause);
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw unreadable(path, "this user may not read it", cause);
    }
    throw unreadable(path, `it cannot be read: ${wordsOf(cause)}`, cause);
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
