/**
 * What is remembered beside a staging file, as `<its name>.json`: how much of it is surely on disk, and which
 * final name it is about to get where that cannot be seen from the file itself.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { systemCode } from "./durable_file_error.ts";
import type { FileOperations } from "./raw_file.ts";

/** The final name that a file is getting, and the file by which to recognise it there. */
export interface NotedPlace {
  /** The real path of the folder. */
  readonly directory: string;
  readonly name: string;
  readonly bytes: number;
  /** In lower-case hex. */
  readonly sha256: string;
}

/** What is remembered. */
export interface StagingNote {
  /** How many bytes, from the beginning, have been synced. */
  readonly synced: number;
  readonly place?: NotedPlace;
}

/** Behind the name of the staging file. */
export const NOTE_ENDING = ".json";
/** A note that is being written; without meaning after a crash. */
const NEW_NOTE_ENDING = ".json.new";
/** Longest note, in bytes: two paths of 4,096 bytes, escaped. */
const MAX_NOTE_BYTES = 64 * 1024;
const NO_NOTE: StagingNote = { synced: 0 };

/** The note beside the staging file at `path`; an empty one where there is none that can be read. */
export async function readNote(files: FileOperations, path: string): Promise<StagingNote> {
  try {
    const bytes = await files.readStart(path + NOTE_ENDING, MAX_NOTE_BYTES);
    return parseNote(JSON.parse(new TextDecoder().decode(bytes))) ?? NO_NOTE;
  } catch {
    // It says only what need not be sent or looked for again: without it, everything is checked.
    return NO_NOTE;
  }
}

/** Writes the note beside the staging file at `path`: after a power cut it is the old or the new one. */
export async function writeNote(
  files: FileOperations,
  { path, note }: { path: string; note: StagingNote },
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(note));
  const fresh = path + NEW_NOTE_ENDING;
  await removeIfThere(files, fresh);
  try {
    await files.writeNew(fresh, bytes);
  } catch (error) {
    await removeQuietly(files, fresh);
    throw error;
  }
  await files.rename(fresh, path + NOTE_ENDING);
}

/** Removes the note beside the staging file at `path`. */
export async function removeNote(files: FileOperations, path: string): Promise<void> {
  for (const ending of [NOTE_ENDING, NEW_NOTE_ENDING]) await removeIfThere(files, path + ending);
}

/** Removes a name; whether there was one. */
export async function removeIfThere(files: FileOperations, path: string): Promise<boolean> {
  try {
    await files.remove(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Removes a name behind a failure that is reported; a name that stays must be harmless. */
export async function removeQuietly(files: FileOperations, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch {
    // What stays is known to the sweep: a note without meaning, or the empty file that a note names.
  }
}

/** The name of the staging file to which a name in a staging directory belongs. */
export function stagedName(name: string): string {
  const ending = [NEW_NOTE_ENDING, NOTE_ENDING].find((ending) => name.endsWith(ending)) ?? "";
  return name.slice(0, name.length - ending.length);
}

/** Removes the empty file that reserved a final name for the file at `path` when the program died. */
export async function removePlaceholder(files: FileOperations, path: string): Promise<void> {
  const { place } = await readNote(files, path);
  if (place === undefined || place.bytes === 0) return;
  try {
    if (await files.realPath(place.directory) !== place.directory) return;
    const placeholder = join(place.directory, place.name);
    const { isFile, size } = await files.look(placeholder);
    if (isFile && size === 0) await files.remove(placeholder);
  } catch {
    // What cannot be looked at or removed is an empty file at worst; it was never acknowledged.
  }
}

function parseNote(value: unknown): StagingNote | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const synced = "synced" in value ? value.synced : undefined;
  if (!isSize(synced)) return undefined;
  const place = "place" in value ? parsePlace(value.place) : undefined;
  return place === undefined ? { synced } : { synced, place };
}

function parsePlace(value: unknown): NotedPlace | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { directory, name, bytes, sha256 } = value as Record<keyof NotedPlace, unknown>;
  if (typeof directory !== "string" || typeof name !== "string" || name === "") return undefined;
  if (typeof sha256 !== "string" || !isSize(bytes)) return undefined;
  const isInside = dirname(join(directory, name)) === directory;
  return isInside ? { directory, name, bytes, sha256 } : undefined;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
