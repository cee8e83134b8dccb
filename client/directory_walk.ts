/**
 * What lies in a folder that is to be sent: one pass, in sorted order, bounded, following no link.
 *
 * @module
 */

import { join } from "node:path";
import { nextTurn } from "../platform/clock.ts";
import { quoted } from "../platform/option_value.ts";
import { MAX_MANIFEST_ENTRIES, MAX_PATH_SEGMENTS } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import { EXIT } from "./exit_code.ts";
import type { SourceAccess, SourceFacts } from "./source_access.ts";
import { whyUnreadable } from "./source_file.ts";

/** A regular file that was found. */
export interface FoundFile {
  /** Its path below the folder. */
  path: string[];
  /** Where it lies, as the person would name it. */
  source: string;
  /** Its size in bytes. */
  size: number;
  /** Time of its last change in milliseconds since 1970, -1 when the system has none. */
  mtime: number;
}

/** Something that is not sent. */
export interface LeftOut {
  /** Where it lies, as the person would name it. */
  path: string;
  /** Skipped on principle, or failed. */
  state: "skipped" | "failed";
  /** A word for programs. */
  code: string;
  /** For people. */
  reason: string;
}

/** What a walk has found. */
export interface Walked {
  /** Regular files in sorted order. */
  files: FoundFile[];
  /** Folders in which there is neither file nor folder. */
  directories: string[][];
  /** What is not sent. */
  leftOut: LeftOut[];
}

/** Entries after which others get their turn: signals and timers. */
const ENTRIES_PER_TURN = 2_000;

interface Level {
  path: string[];
  source: string;
  names: string[];
  next: number;
  /** Entries that are sent. */
  kept: number;
}

/** Walks through the folder `root`; rejects with a `ClientError` when there is more than one manifest may hold. */
export async function walkDirectory(
  root: string,
  { access, signal }: { access: SourceAccess; signal?: AbortSignal | undefined },
): Promise<Walked> {
  const walked: Walked = { files: [], directories: [], leftOut: [] };
  const levels: Level[] = [{
    path: [],
    source: root,
    names: await access.names(root),
    next: 0,
    kept: 0,
  }];
  let entries = 0;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.names[level.next++];
    if (name === undefined) {
      levels.pop();
      // Of a folder in which everything is left out, the folder is sent.
      if (level.kept === 0 && level.path.length > 0) walked.directories.push([...level.path]);
      continue;
    }
    if (++entries > MAX_MANIFEST_ENTRIES) throw tooMany(root);
    if (entries % ENTRIES_PER_TURN === 0) await nextTurn();
    signal?.throwIfAborted();
    const deeper = await visit(level, name, { access, walked });
    if (deeper !== undefined) levels.push(deeper);
  }
  return walked;
}

/** Looks at one entry; resolves with the level below it for a folder that has one. */
async function visit(
  level: Level,
  name: string,
  { access, walked }: { access: SourceAccess; walked: Walked },
): Promise<Level | undefined> {
  const path = [...level.path, name];
  const source = join(level.source, name);
  try {
    const asked = access.facts(source);
    const facts = asked instanceof Promise ? await asked : asked;
    const { kind, size, mtime } = facts;
    if (kind === "file") {
      level.kept++;
      return void walked.files.push({ path, source, size, mtime });
    }
    if (kind !== "folder") return void walked.leftOut.push(skipped(source, facts));
    // The folder that is sent counts as one of the segments.
    if (path.length + 1 > MAX_PATH_SEGMENTS) {
      const reason = `it is more than ${MAX_PATH_SEGMENTS} folders deep`;
      return void walked.leftOut.push({ path: source, state: "failed", code: "bad_name", reason });
    }
    const names = await access.names(source);
    level.kept++;
    return { path, source, names, next: 0, kept: 0 };
  } catch (cause) {
    const reason = whyUnreadable(cause);
    walked.leftOut.push({ path: source, state: "failed", code: "unreadable", reason });
    return undefined;
  }
}

function skipped(path: string, { kind }: SourceFacts): LeftOut {
  const reason = kind === "link" ? "it is a symbolic link" : "it is no regular file";
  return { path, state: "skipped", code: kind === "link" ? "link" : "special", reason };
}

function tooMany(root: string): ClientError {
  return new ClientError(
    `Cannot send ${quoted(root)}: it holds more than ${MAX_MANIFEST_ENTRIES} files and folders`,
    { exitCode: EXIT.refused, code: "too_large", hint: "Send its folders one by one" },
  );
}
