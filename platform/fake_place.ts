/**
 * A root and a staging directory for one test, and looks at what lies there.
 *
 * @module
 */

import { assertRejects } from "@std/assert";
import { join } from "node:path";
import { DurableFileError, StagedFile } from "./durable_file.ts";
import type { FileSystem } from "./file_system.ts";

/** Directories of one test; disposing removes them. */
export interface ScratchPlace extends AsyncDisposable {
  readonly path: string;
  readonly root: string;
  readonly staging: string;
  /** Opens staging files `id-1`, `id-2` and so on. */
  open(files?: FileSystem): Promise<StagedFile>;
}

/** Makes a directory in which the root and the staging directory do not exist yet. */
export async function scratchPlace(): Promise<ScratchPlace> {
  const path = await Deno.makeTempDir();
  const staging = join(path, "staging");
  let count = 0;
  return {
    ...{ path, staging },
    root: join(path, "root"),
    open: (files) => {
      const place = { stagingDirectory: staging, id: `id-${++count}` };
      return StagedFile.open(files === undefined ? place : { ...place, files });
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Every file and link below a directory by its path there, with its text; nothing when it is missing. */
export function tree(directory: string, prefix = ""): Record<string, string> {
  const found: Record<string, string> = {};
  let entries: Deno.DirEntry[] = [];
  try {
    entries = [...Deno.readDirSync(directory)];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(directory, name);
    if (isDirectory) Object.assign(found, tree(path, `${prefix}${name}/`));
    else found[prefix + name] = Deno.readTextFileSync(path);
  }
  return found;
}

/** The code of the {@linkcode DurableFileError} with which `promise` rejects. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, DurableFileError)).code;
}
