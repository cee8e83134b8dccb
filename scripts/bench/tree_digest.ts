/**
 * One digest over a file or a tree of files: names, sizes and bytes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";

const BUFFER_BYTES = 1024 * 1024;

/**
 * SHA-256, in hex, over the file at `path`, or over names, sizes and SHA-256 of everything in the folder
 * there; the name of `path` itself does not count. Throws what the file system throws.
 */
export function treeDigest(path: string): string {
  if (Deno.lstatSync(path).isFile) return fileDigest(path);
  const hash = createHash("sha256");
  const visit = (folder: string, name: string) => {
    const entries = [...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1);
    for (const entry of entries) {
      const [inner, relative] = [join(folder, entry.name), `${name}/${entry.name}`];
      const kind = entry.isDirectory ? "folder" : entry.isFile ? fileDigest(inner) : "other";
      hash.update(`${JSON.stringify(relative)} ${kind}\n`);
      if (entry.isDirectory) visit(inner, relative);
    }
  };
  visit(path, "");
  return hash.digest("hex");
}

function fileDigest(path: string): string {
  using file = Deno.openSync(path);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BUFFER_BYTES);
  let bytes = 0;
  while (true) {
    const count = file.readSync(buffer);
    if (count === null) return `${bytes} ${hash.digest("hex")}`;
    hash.update(buffer.subarray(0, count));
    bytes += count;
  }
}
