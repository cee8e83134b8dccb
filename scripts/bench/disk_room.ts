/**
 * Whether a folder is on the medium that a case wants and has room for it.
 *
 * @module
 */

import { constants } from "node:fs";
import { access, statfs } from "node:fs/promises";
import type { Medium } from "./bench_result.ts";

/** What Linux calls a tmpfs. */
const TMPFS_MAGIC = 0x0102_1994;
/** Room that is left for others, in bytes. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const MB = 1_000_000;

/** Below these the runtime asks for every permission, which the programs do not have. */
const GUARDED_FOLDERS = /^\/(dev|proc|sys)(\/|$)/;

/** The tmpfs with the most room, outside the folders that the runtime guards; undefined where there is none. */
export async function findTmpfs(): Promise<string | undefined> {
  const mounts = await Deno.readTextFile("/proc/mounts").catch(() => ""); // No Linux: none is known.
  let best: { path: string; free: number } | undefined;
  for (const path of tmpfsMounts(mounts)) {
    const free = await freeBytes(path);
    if (free > (best?.free ?? 0)) best = { path, free };
  }
  return best?.path;
}

/** The folders of a text of /proc/mounts at which a tmpfs lies that the programs may use. */
export function tmpfsMounts(mounts: string): string[] {
  return mounts.split("\n").map((line) => line.split(" "))
    .filter(([, path = "", kind]) => kind === "tmpfs" && !GUARDED_FOLDERS.test(path))
    // Spaces and the like are written as octal numbers.
    .map(([, path = ""]) =>
      path.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))
    );
}

/** Bytes that this process can still write there; none where it may not write. */
async function freeBytes(path: string): Promise<number> {
  try {
    await access(path, constants.W_OK);
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return 0; // Not ours to use.
  }
}

/** Why a case that needs `bytes` cannot take place in `directory`, without naming it; undefined when it can. */
export async function whyNoRoom(
  directory: string | undefined,
  { medium, bytes }: { medium: Medium; bytes: number },
): Promise<string | undefined> {
  if (directory === undefined) return `no ${medium} was found; give one with --${medium} DIR`;
  try {
    const { type, bavail, bsize } = await statfs(directory);
    const isTmpfs = Deno.build.os === "linux" && type === TMPFS_MAGIC;
    if (isTmpfs !== (medium === "tmpfs")) {
      return `the folder for ${medium} is ${isTmpfs ? "a" : "no"} tmpfs`;
    }
    const free = bavail * bsize;
    return roomProblem({ free, bytes: bytes + RESERVE_BYTES });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return `the folder for ${medium} cannot be used: ${error.code}`;
  }
}

/** Says what is there and what is needed, where that is more; both in bytes. */
export function roomProblem({ free, bytes }: { free: number; bytes: number }): string | undefined {
  if (free >= bytes) return undefined;
  const [has, needs] = [free, bytes].map((count) => `${Math.round(count / MB)} MB`);
  return `${has} are free and ${needs} are needed`;
}
