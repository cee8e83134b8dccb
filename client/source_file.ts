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
  /** The open file. */
  file: Deno.FsFile;
  /** Its size, in bytes. */
  size: number;
  /** Time of its last change, in milliseconds since 1970; undefined where the system has none. */
  mtime: number | undefined;
}

/** Opens a regular file whose name the server's gate will accept; rejects with a `TransferError`. */
export async function openSource(path: string): Promise<SourceFile> {
  const facts = await attempt(path, () => Deno.stat(path));
  if (facts.isDirectory) throw unreadable(path, "it is a directory");
  if (!facts.isFile) throw unreadable(path, "it is no regular file");
  checkName(path);
  const file = await attempt(path, () => Deno.open(path));
  try {
    // What counts is the file that is now open, whatever the name stands for by then.
    const { size, mtime } = await file.stat();
    return { file, size, mtime: mtime?.getTime() };
  } catch (error) {
    file.close();
    throw unreadable(path, whyUnreadable(error), error);
  }
}

/** Why the system does not let a file or folder be read, for people. */
export function whyUnreadable(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  return `it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
}

function checkName(path: string): void {
  try {
    checkFileName(basename(path));
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError(path, `its name is not allowed: ${words}`, {
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
    throw unreadable(path, whyUnreadable(cause), cause);
  }
}
