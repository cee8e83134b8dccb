/**
 * Paths of a command line put together into what is sent at once: a folder, several files, or one file.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { quoted } from "../platform/option_value.ts";
import { foldName } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import { type FoundFile, walkDirectory, type Walked } from "./directory_walk.ts";
import { EXIT } from "./exit_code.ts";
import type { SourceAccess } from "./source_access.ts";
import { whyUnreadable } from "./source_file.ts";
import { unreadable } from "./transfer_error.ts";

/** What is sent at once. */
export type Batch = FileBatch | FolderBatch | FilesBatch;

/** One file, or something that turns out to be none. */
export interface FileBatch {
  /** By itself. */
  kind: "file";
  /** As the person named it. */
  path: string;
}

/** A folder with everything in it. */
export interface FolderBatch {
  /** Everything below. */
  kind: "folder";
  /** As the person named it. */
  path: string;
  /** Its absolute path. */
  key: string;
  /** Its name. */
  folder: string;
}

/** Several files, each placed by itself. */
export interface FilesBatch {
  /** Each by itself. */
  kind: "files";
  /** What they are called together. */
  path: string;
  /** A word for the list of their absolute paths. */
  key: string;
  /** None. */
  folder: undefined;
  /** The files. */
  files: FoundFile[];
}

/** Puts paths together: folders as they come, then files that may go together, then the rest one by one. */
export function batchesOf(paths: readonly string[]): Batch[] {
  const batches: Batch[] = [];
  const files: FoundFile[] = [];
  const rest: FileBatch[] = [];
  const names = new Set<string>();
  for (const path of paths) {
    const facts = statOf(path);
    if (facts?.isDirectory === true) {
      const key = resolve(path);
      batches.push({ kind: "folder", path, key, folder: basename(key) });
      continue;
    }
    const name = basename(path);
    const folded = foldName(name);
    // Two files of one name cannot stand in one list: the later one goes by itself, and is numbered.
    if (facts?.isFile === true && !names.has(folded)) {
      names.add(folded);
      const mtime = facts.mtime?.getTime() ?? -1;
      files.push({ path: [name], source: path, size: facts.size, mtime });
    } else {
      rest.push({ kind: "file", path });
    }
  }
  const [only] = files;
  if (files.length === 1 && only !== undefined) rest.unshift({ kind: "file", path: only.source });
  if (files.length > 1) batches.push(together(files));
  return [...batches, ...rest];
}

/** What a batch of many files holds; rejects with a `ClientError` for a folder that cannot be sent. */
export async function walkBatch(
  batch: FolderBatch | FilesBatch,
  { access, signal }: { access: SourceAccess; signal?: AbortSignal },
): Promise<Walked> {
  const { path } = batch;
  if (batch.kind === "files") return { files: batch.files, directories: [], leftOut: [] };
  if (batch.folder === "") {
    throw new ClientError(`Cannot send ${quoted(path)}: this folder has no name`, {
      exitCode: EXIT.refused,
      code: "bad_name",
      hint: "Send the folders in it",
    });
  }
  try {
    return await walkDirectory(path, { access, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ClientError) throw cause;
    throw unreadable(path, whyUnreadable(cause), cause);
  }
}

function together(files: FoundFile[]): FilesBatch {
  const list = files.map(({ source }) => resolve(source)).join("\n");
  const key = `list ${createHash("sha256").update(list).digest("hex")}`;
  return { kind: "files", path: `${files.length} files`, key, folder: undefined, files };
}

/** What stands under a path, links followed; undefined when nobody can tell, which sending it then explains. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
