/**
 * The directory in which a program keeps its state: where it is, that it can be used, and that only one
 * process uses it at a time.
 *
 * @module
 */

import { join } from "node:path";
import { quoted } from "./option_value.ts";
import type { ProgramName } from "./product.ts";

/** What {@linkcode defaultDataDirectory} must know of the machine. */
export interface MachineFacts {
  readonly os: typeof Deno.build.os;
  /** Reads one environment variable. */
  readonly env: (name: string) => string | undefined;
  /** The user's number, null where there is none (Windows); 0 is root. */
  readonly uid: number | null;
}

/** A data directory that cannot be used. */
export class DataDirectoryError extends Error {
  override readonly name: string = "DataDirectoryError";
  /** What to do about it, or undefined. */
  readonly hint: string | undefined;

  /** Makes an error that names the directory. */
  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** A data directory that another process is using. */
export class DataDirectoryInUseError extends DataDirectoryError {
  override readonly name = "DataDirectoryInUseError";
  /** The other process, as far as it could be read. */
  readonly holderPid: number | undefined;

  /** Makes an error that names the directory and its holder. */
  constructor(path: string, holderPid: number | undefined) {
    const holder = holderPid === undefined ? "another process" : `process ${holderPid}`;
    super(`Cannot use data directory ${quoted(path)}: ${holder} is using it`, {
      hint: "Stop that process, or choose another directory with --data",
    });
    this.holderPid = holderPid;
  }
}

/** An open data directory; disposing of it gives the lock back. */
export interface DataDirectory extends Disposable {
  /** Its path as given. */
  readonly path: string;
}

const LOCK_FILE = "lock";
const PROBE_PREFIX = ".probe-";
/** Longest text that is read from the lock file, in bytes. */
const MAX_LOCK_BYTES = 32;

/**
 * Where a program keeps its state when `--data` says nothing: on Unix a directory of the system for root, else
 * one of the user; on Windows that of the account, which a service has as well.
 */
export function defaultDataDirectory(program: ProgramName, facts: MachineFacts): string {
  const parent = facts.os === "windows"
    ? windowsParent(facts)
    : facts.os === "darwin"
    ? darwinParent(facts)
    : unixParent(facts);
  return `${parent}${facts.os === "windows" ? "\\" : "/"}${program}`;
}

/**
 * Makes sure that `path` is a directory that can be read and written, creating it with mode 0700, and takes
 * its lock when `lock` is set. Throws {@linkcode DataDirectoryError} or {@linkcode DataDirectoryInUseError}.
 */
export function openDataDirectory(path: string, { lock }: { lock: boolean }): DataDirectory {
  prepare(path);
  const held = lock ? takeLock(path) : undefined;
  return { path, [Symbol.dispose]: () => held?.close() };
}

function windowsParent({ env }: MachineFacts): string {
  const parent = env("LOCALAPPDATA") ?? env("PROGRAMDATA");
  if (parent === undefined || parent === "") throw homeless("LOCALAPPDATA");
  return parent;
}

function darwinParent(facts: MachineFacts): string {
  return `${facts.uid === 0 ? "" : home(facts)}/Library/Application Support`;
}

function unixParent(facts: MachineFacts): string {
  if (facts.uid === 0) return "/var/lib";
  const state = facts.env("XDG_STATE_HOME");
  // The XDG rules have relative values ignored.
  return state?.startsWith("/") ? state : `${home(facts)}/.local/state`;
}

function home({ env }: MachineFacts): string {
  const path = env("HOME");
  if (path === undefined || path === "") throw homeless("HOME");
  return path;
}

function homeless(variable: string): DataDirectoryError {
  return new DataDirectoryError(`Cannot choose a data directory: ${variable} is not set`, {
    hint: "Name one with --data DIR",
  });
}

function prepare(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!Deno.statSync(path).isDirectory) throw notDirectory(path);
    for (const _entry of Deno.readDirSync(path)) break;
    Deno.removeSync(Deno.makeTempFileSync({ dir: path, prefix: PROBE_PREFIX }));
  } catch (error) {
    throw dataDirectoryError(path, error);
  }
}

function notDirectory(path: string, cause?: unknown): DataDirectoryError {
  return new DataDirectoryError(`Cannot use data directory ${quoted(path)}: it is no directory`, {
    hint: "Remove that file, or choose another directory with --data",
    cause,
  });
}

/** Turns the system's error into one that says what is wrong with the directory and what to do. */
export function dataDirectoryError(path: string, error: unknown): DataDirectoryError {
  if (error instanceof DataDirectoryError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EEXIST":
    case "ENOTDIR":
      return notDirectory(path, error);
    case "EACCES":
    case "EPERM":
      return new DataDirectoryError(
        `Cannot use data directory ${quoted(path)}: this user may not write there`,
        { hint: "Choose another directory with --data, or give it to this user", cause: error },
      );
    case "EROFS":
      return new DataDirectoryError(
        `Cannot use data directory ${quoted(path)}: the file system is read-only`,
        { hint: "Choose another directory with --data", cause: error },
      );
    case "ENOSPC":
    case "EDQUOT":
      return new DataDirectoryError(
        `Cannot use data directory ${quoted(path)}: there is no space left`,
        { hint: "Make room, or choose another directory with --data", cause: error },
      );
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new DataDirectoryError(`Cannot use data directory ${quoted(path)}: ${reason}`, {
        cause: error,
      });
    }
  }
}

/** Locks the directory for this process; the system gives the lock back when the process ends. */
function takeLock(path: string): Deno.FsFile {
  const file = openLockFile(path);
  try {
    if (!file.tryLockSync(true)) throw new DataDirectoryInUseError(path, readPid(file));
    writePid(file);
    return file;
  } catch (error) {
    file.close();
    throw dataDirectoryError(path, error);
  }
}

function writePid(file: Deno.FsFile): void {
  try {
    file.truncateSync(0);
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch {
    // The number only makes a message better, and a full disk has no room for it.
  }
}

function openLockFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(join(path, LOCK_FILE), {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
  } catch (error) {
    throw dataDirectoryError(path, error);
  }
}

/** The holder's process number; undefined when it cannot be read, as on Windows, where locks forbid it. */
function readPid(file: Deno.FsFile): number | undefined {
  try {
    const bytes = new Uint8Array(MAX_LOCK_BYTES);
    const count = file.readSync(bytes) ?? 0;
    const pid = Number(new TextDecoder().decode(bytes.subarray(0, count)).trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    // The number only makes the message better.
    return undefined;
  }
}
