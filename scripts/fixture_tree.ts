/**
 * A small made-up project in a temporary directory, for tests of the checks.
 *
 * @module
 */

import { dirname, join } from "node:path";

/** The directory and its removal. */
export interface FixtureTree extends AsyncDisposable {
  /** Absolute path of the directory. */
  readonly root: string;
}

/** Writes `files`, by path from the root, into a new temporary directory; disposing removes it all. */
export async function fixtureTree(files: Record<string, string>): Promise<FixtureTree> {
  const root = await Deno.makeTempDir({ prefix: "hb-check-" });
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}
