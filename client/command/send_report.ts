/**
 * What `hbclient send` prints, for people and for programs, and the exit code that follows from it.
 *
 * @module
 */

import { quoted } from "../../platform/option_value.ts";
import { formatSize } from "../../platform/quantity.ts";
import type { Terminal } from "../../platform/terminal.ts";
import type { ClientError } from "../client_error.ts";
import type { LeftOut } from "../directory_walk.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import type { Batch } from "../send_batch.ts";
import { grouped, type ManyResult, summaryLine } from "../tally.ts";
import type { StoredFile, UploadProgress } from "../upload_progress.ts";

/** Lines about files that were left out; more are counted. */
export const MAX_LEFT_OUT_LINES = 1_000;

/** The report of one command. */
export class SendReport {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #failures: ExitCode[] = [];
  #total = 0;
  #leftOutLines = 0;
  #leftOutUnsaid = 0;

  /** Prints JSON with `json`, else lines for people. */
  constructor(terminal: Terminal, { json }: { json: boolean }) {
    this.#terminal = terminal;
    this.#json = json;
  }

  /** What the command exits with. */
  get exitCode(): ExitCode {
    return exitCodeOf(this.#failures, this.#total);
  }

  /** How far an upload is. */
  phase(progress: UploadProgress | undefined): void {
    if (!this.#json || progress === undefined) return;
    const { id, path, phase, sent, size, files } = progress;
    const counts = files === undefined ? {} : { files_done: files.done, files: files.total };
    this.#terminal.json({ id, path, state: phase, sent, size, ...counts });
  }

  /** A file that was sent by itself is stored. */
  stored(file: StoredFile): void {
    this.#total++;
    if (this.#json) this.#terminal.json({ ...file, state: "stored" });
    else this.#terminal.data(storedLine(file));
  }

  /** One of many is stored; those of a folder are only counted for people. */
  storedOfMany(file: StoredFile, { isFolder }: { isFolder: boolean }): void {
    if (this.#json) this.#terminal.json({ ...file, state: "stored" });
    else if (!isFolder) this.#terminal.data(storedLine(file));
  }

  /** One of many is not sent, or not stored. */
  leftOut({ id, path, state, code, reason }: LeftOut & { id?: string }): void {
    if (this.#json) this.#terminal.json({ id, path, state, code, reason });
    if (this.#leftOutLines >= MAX_LEFT_OUT_LINES) return void this.#leftOutUnsaid++;
    this.#leftOutLines++;
    if (state === "failed") {
      this.#terminal.error("hbclient", `Cannot send ${quoted(path)}: ${reason}`);
    } else this.#terminal.talk(`hbclient: skipped ${quoted(path)}: ${reason}`);
  }

  /** What became of many. */
  summary(result: ManyResult, { path, isFolder }: { path: string; isFolder: boolean }): void {
    const { id, as, stored, bytes, already, skipped, failed, exitCodes } = result;
    const done = stored + already;
    this.#total += Math.max(1, done + failed);
    const [common = EXIT.some] = exitCodes;
    const code = exitCodes.size === 1 ? common : EXIT.some;
    for (let at = 0; at < failed; at++) this.#failures.push(code);
    if (this.#leftOutUnsaid > 0) {
      this.#terminal.talk(`hbclient: ${grouped(this.#leftOutUnsaid)} more were left out`);
      this.#leftOutUnsaid = 0;
    }
    if (this.#json) {
      const counts = { stored, already, skipped, failed, bytes };
      this.#terminal.json({
        id,
        path,
        state: "summary",
        ...(as !== undefined && { as }),
        ...counts,
      });
    } else if (isFolder) {
      this.#terminal.data(summaryLine(result, path));
    } else if (already > 0) {
      this.#terminal.data(`${grouped(already)} already stored`);
    }
  }

  /** Nothing more can be done for a file, or for many as a whole. */
  failed({ path }: Batch, { id, error }: { id: string; error: ClientError }): void {
    const { code, message: reason, hint, exitCode } = error;
    this.#total++;
    this.#failures.push(exitCode);
    if (this.#json) this.#terminal.json({ id, path, state: "failed", code, reason });
    this.#terminal.error("hbclient", reason, hint);
  }

  /** A batch that was not tried, because it would fail like one before. */
  repeated({ path }: Batch, { code, message: reason, exitCode }: ClientError): void {
    this.#total++;
    this.#failures.push(exitCode);
    if (this.#json) this.#terminal.json({ path, state: "failed", code, reason });
    this.#terminal.error("hbclient", `Cannot send ${quoted(path)}: as above`);
  }

  /** The person has paused an upload. */
  paused({ id, path, sent, size }: UploadProgress): void {
    if (this.#json) this.#terminal.json({ id, path, state: "paused", sent, size });
  }

  /** The person has given an upload up. */
  cancelled({ id, path }: UploadProgress): void {
    if (this.#json) this.#terminal.json({ id, path, state: "cancelled" });
  }
}

/** The exit code for failures with these codes out of `total` files. */
export function exitCodeOf(failures: readonly ExitCode[], total: number): ExitCode {
  const [first] = failures;
  if (first === undefined) return EXIT.done;
  if (failures.length < total) return EXIT.some;
  return failures.every((code) => code === first) ? first : EXIT.some;
}

/** The line that says where a file was stored. */
export function storedLine({ path, as, bytes, already }: StoredFile): string {
  const note = already === true ? ", it was already there" : "";
  return `stored ${path} as ${quoted(as)} (${formatSize(bytes)})${note}`;
}
