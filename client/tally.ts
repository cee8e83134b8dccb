/**
 * What is asked of a sender of many files, and the count of what became of them.
 *
 * @module
 */

import { quoted } from "../platform/option_value.ts";
import { formatSize } from "../platform/quantity.ts";
import type { LeftOut, Walked } from "./directory_walk.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { ManifestPlan } from "./manifest_plan.ts";
import type { TransferError } from "./transfer_error.ts";
import type { StoredFile } from "./upload_progress.ts";

/** Many files that are to be sent. */
export interface ManyRequest {
  /** The path as the person named it; of several paths, how they are called together. */
  path: string;
  /** What they are remembered under: the absolute path of the folder, or a word for the list of paths. */
  key: string;
  /** The name of the folder on the server; undefined for files that are placed by themselves. */
  folder: string | undefined;
  /** What was found. */
  walked: Walked;
  /** Called for each file that the server has stored. */
  onStored?: (file: StoredFile) => void;
  /** Called for each file that is not sent, on principle or because it failed. */
  onLeftOut?: (left: LeftOut & { id?: string; exitCode: ExitCode }) => void;
}

/** What became of many files. */
export interface ManyResult {
  /** The manifest's id. */
  id: string;
  /** The folder's name on the server. */
  as: string | undefined;
  /** Files stored now. */
  stored: number;
  /** Their bytes. */
  bytes: number;
  /** Files that were stored before. */
  already: number;
  /** Left out on principle. */
  skipped: number;
  /** Not sent or not stored. */
  failed: number;
  /** What each failure would have been as an exit code. */
  exitCodes: ReadonlySet<ExitCode>;
}

/** Counts, and passes on. */
export class Tally {
  readonly #request: ManyRequest;
  readonly #id: string;
  readonly #exitCodes = new Set<ExitCode>();
  /** Numbers of files that were stored by an earlier try and are announced again. */
  readonly before: ReadonlySet<number>;
  #stored = 0;
  #bytes = 0;
  #skipped = 0;
  #failed = 0;

  /** Tells at once what is left out. */
  constructor(
    request: ManyRequest,
    { id, plan, stored }: { id: string; plan: ManifestPlan; stored: ReadonlySet<number> },
  ) {
    this.#request = request;
    this.#id = id;
    this.before = new Set(plan.files.map(({ n }) => n).filter((n) => stored.has(n)));
    for (const left of plan.leftOut) {
      this.#leave(left, left.code === "bad_name" ? EXIT.refused : EXIT.source);
    }
  }

  /** Counts a file that the server has stored. */
  stored(file: StoredFile): void {
    this.#stored++;
    this.#bytes += file.bytes;
    this.#request.onStored?.(file);
  }

  /** Counts a file that was not sent or not stored. */
  failed({ id, path, error }: { id: string; path: string; error: TransferError }): void {
    const { code, reason, exitCode } = error;
    this.#leave({ path, state: "failed", code, reason, id }, exitCode);
  }

  /** What became of all. */
  result(as: string | undefined): ManyResult {
    return {
      id: this.#id,
      as,
      stored: this.#stored,
      bytes: this.#bytes,
      already: this.before.size,
      skipped: this.#skipped,
      failed: this.#failed,
      exitCodes: this.#exitCodes,
    };
  }

  #leave(left: LeftOut & { id?: string }, exitCode: ExitCode): void {
    if (left.state === "skipped") this.#skipped++;
    else {
      this.#failed++;
      this.#exitCodes.add(exitCode);
    }
    this.#request.onLeftOut?.({ ...left, exitCode });
  }
}

/** The line that says what became of a folder. */
export function summaryLine(result: ManyResult, path: string): string {
  const { as, stored, bytes, already, skipped, failed } = result;
  const files = `${grouped(stored)} ${stored === 1 ? "file" : "files"}`;
  const counts = [
    `stored ${files} (${formatSize(bytes)})`,
    already > 0 ? `${grouped(already)} already stored` : "",
    skipped > 0 ? `skipped ${grouped(skipped)}` : "",
    failed > 0 ? `failed ${grouped(failed)}` : "",
  ];
  const where = as === undefined ? "" : ` as ${quoted(as)}`;
  return `${counts.filter((count) => count !== "").join(", ")}: ${path}${where}`;
}

/** A number with its thousands apart, the same on every machine. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
