/**
 * The cases of the file benchmark and the files they send.
 *
 * @module
 */

import { join } from "node:path";

const MIB = 1024 * 1024;
/** Names that a tree's files are numbered with have this many digits. */
const DIGITS = 5;

/** What is sent. */
export interface FilesCase {
  readonly name: "one" | "small" | "medium";
  readonly title: string;
  readonly files: number;
  readonly fileBytes: number;
}

/** A case's files on a medium. */
export interface Payload {
  /** The file, or the folder of files. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly files: number;
  readonly bytes: number;
}

/** The cases, with the small sizes that only show that everything works when `quick`. */
export function filesCases({ quick }: { quick: boolean }): FilesCase[] {
  return quick
    ? [
      { name: "one", title: "1 file of 200 MB", files: 1, fileBytes: 200_000_000 },
      { name: "small", title: "1,000 files of 4 KiB", files: 1_000, fileBytes: 4096 },
      { name: "medium", title: "100 files of 1 MiB", files: 100, fileBytes: MIB },
    ]
    : [
      { name: "one", title: "1 file of 2 GB", files: 1, fileBytes: 2_000_000_000 },
      { name: "small", title: "10,000 files of 4 KiB", files: 10_000, fileBytes: 4096 },
      { name: "medium", title: "1,000 files of 1 MiB", files: 1_000, fileBytes: MIB },
    ];
}

/** Makes a case's files below `directory`; no two pieces of them are equal, and nothing can be packed. */
export async function makePayload(one: FilesCase, directory: string): Promise<Payload> {
  const path = join(directory, `payload-${one.name}`);
  const isFolder = one.files > 1;
  if (isFolder) await Deno.mkdir(path, { recursive: true });
  const block = randomBlock();
  for (let number = 0; number < one.files; number++) {
    const file = isFolder ? join(path, `f${String(number).padStart(DIGITS, "0")}`) : path;
    writeUniqueFile(file, { bytes: one.fileBytes, block, number });
  }
  return { path, isFolder, files: one.files, bytes: one.files * one.fileBytes };
}

/** Gives every file of `payload` the present as its time of change: new files, to whoever remembers old ones. */
export async function touchPayload({ path, isFolder }: Payload): Promise<void> {
  const now = new Date();
  if (isFolder) {
    for await (const entry of Deno.readDir(path)) {
      await Deno.utime(join(path, entry.name), now, now);
    }
  }
  await Deno.utime(path, now, now);
}

/** Writes as many bytes below `directory` and removes them: memory that a virtual machine sees first is slow. */
export async function warmMemory(directory: string, bytes: number): Promise<void> {
  const path = join(directory, "warm");
  try {
    writeUniqueFile(path, { bytes, block: randomBlock(), number: 0 });
  } finally {
    await Deno.remove(path);
  }
}

function randomBlock(): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(MIB);
  const most = 65_536; // What one call of getRandomValues() gives.
  for (let at = 0; at < MIB; at += most) crypto.getRandomValues(block.subarray(at, at + most));
  return block;
}

function writeUniqueFile(
  path: string,
  { bytes, block, number }: { bytes: number; block: Uint8Array<ArrayBuffer>; number: number },
): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const head = new DataView(block.buffer);
  for (let at = 0; at < bytes;) {
    head.setUint32(0, number);
    head.setFloat64(4, at);
    const piece = block.subarray(0, Math.min(block.length, bytes - at));
    for (let done = 0; done < piece.length;) done += file.writeSync(piece.subarray(done));
    at += piece.length;
  }
}
