/**
 * A directory of a test's own, and what lies in it.
 *
 * @module
 */

import { join, relative } from "node:path";

/** A directory that goes away with its test. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

/** Makes one. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "hb-test-" }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Every file and folder below a folder, by its path from there; links are named and not followed. */
export async function walk(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      found.push(relative(root, path));
      if (entry.isDirectory) await visit(path);
    }
  };
  await visit(root);
  return found.sort();
}
