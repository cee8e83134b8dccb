/**
 * How many small files are looked at and read: at once on this thread, which is fastest for a command that does
 * nothing else, or in the background, for a program that has heartbeats to send.
 *
 * @module
 */

/** What stands under a path, links not followed. */
export interface SourceFacts {
  /** What it is. */
  kind: "file" | "folder" | "link" | "other";
  /** Its size in bytes. */
  size: number;
  /** Time of its last change in milliseconds since 1970, -1 when the system has none. */
  mtime: number;
}

/** Reads a file system. */
export interface SourceAccess {
  /** What stands under `path`. */
  facts(path: string): SourceFacts | Promise<SourceFacts>;
  /** The names in a folder, sorted. */
  names(path: string): string[] | Promise<string[]>;
  /** Fills `into` from the beginning of a file as far as that goes; the number of bytes. */
  read(path: string, into: Uint8Array): number | Promise<number>;
}

/** Blocks the thread meanwhile. */
export const blockingSources: SourceAccess = {
  facts: (path) => factsOf(Deno.lstatSync(path)),
  names: (path) => Array.from(Deno.readDirSync(path), ({ name }) => name).sort(),
  read(path, into) {
    using file = Deno.openSync(path);
    let filled = 0;
    while (filled < into.length) {
      const count = file.readSync(into.subarray(filled));
      if (count === null) break;
      filled += count;
      // One byte more than the file should have was asked for: that it did not come means the end.
      if (filled === into.length - 1) break;
    }
    return filled;
  },
};

/** Leaves the thread to others meanwhile. */
export const backgroundSources: SourceAccess = {
  facts: async (path) => factsOf(await Deno.lstat(path)),
  names: async (path) => (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort(),
  async read(path, into) {
    using file = await Deno.open(path);
    let filled = 0;
    while (filled < into.length) {
      const count = await file.read(into.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return filled;
  },
};

function factsOf(info: Deno.FileInfo): SourceFacts {
  const kind = info.isFile
    ? "file"
    : info.isDirectory
    ? "folder"
    : info.isSymlink
    ? "link"
    : "other";
  return { kind, size: info.size, mtime: info.mtime?.getTime() ?? -1 };
}
