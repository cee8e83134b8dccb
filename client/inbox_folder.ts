/**
 * The folder of the files that the server sends: where they gather, where they end up, and how large they may
 * be. The bytes and their publication are `platform/durable_file.ts`.
 *
 * @module
 */

import { join } from "node:path";
import { DiskSpace, isNoSpace, type Reservation } from "../platform/disk_space.ts";
import { StagedFile, sweepStaging } from "../platform/durable_file.ts";
import { durableFileError } from "../platform/durable_file_error.ts";
import { type FileSystem, systemFiles } from "../platform/file_system.ts";
import { formatSize } from "../platform/quantity.ts";
import { type BadOffer, PARTIAL_KEEP_MS } from "../protocol/mod.ts";
import type { PushOffer } from "./download.ts";
import type { ReceivedFile } from "./store.ts";

/** Settings of an {@linkcode InboxFolder}. */
export interface InboxFolderOptions {
  /** The folder; made, with those above it, when the first file comes. */
  directory: string;
  /** Largest file, in bytes. @default no limit */
  maxFileBytes?: number | undefined;
  /** Space that is left free, in bytes. @default 1 % of the disk, at most 1 GiB */
  minFreeBytes?: number | undefined;
  /** Operations on files. @default {systemFiles} */
  files?: FileSystem;
}

/** The folder's name in the data directory, unless another one is chosen. */
export const FILES_DIRECTORY = "files";
/** Below the folder, so that a finished file only needs another name. */
const STAGING = ".staging";
/** Whose files are staged; leaves room for other senders. */
const SENDER = "server";

/** Takes files in. */
export class InboxFolder {
  readonly #options: InboxFolderOptions;
  readonly #files: FileSystem;
  readonly #space: DiskSpace;

  /** Touches nothing. */
  constructor(options: InboxFolderOptions) {
    this.#options = options;
    this.#files = options.files ?? systemFiles;
    const { directory, minFreeBytes } = options;
    this.#space = new DiskSpace({ directory, minFreeBytes });
  }

  /** Where the files end up. */
  get directory(): string {
    return this.#options.directory;
  }

  /** Why a file is refused before a byte, or undefined. */
  refusal(size: number): BadOffer | undefined {
    const { maxFileBytes } = this.#options;
    if (maxFileBytes === undefined || size <= maxFileBytes) return undefined;
    return {
      code: "too_large",
      reason: `The file has ${size} bytes and this machine takes at most ${maxFileBytes}`,
    };
  }

  /** Sets space aside for bytes that are to come; the refusal where there is not enough. */
  async reserve(bytes: number): Promise<Reservation | BadOffer> {
    const answer = await this.#space.reserve(bytes);
    if (!isNoSpace(answer)) return answer;
    const { needed, free, cause } = answer;
    const reason = cause === undefined
      ? `The file needs ${formatSize(needed)} and this machine has ${formatSize(free)} to spare`
      : "This machine cannot find out how much space it has";
    return { code: "no_space", reason };
  }

  /** Opens the staged file of a push, with what is there from before; rejects with `DurableFileError`. */
  async open(id: string): Promise<StagedFile> {
    try {
      await Deno.mkdir(this.directory, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw durableFileError(`use "${this.directory}" for received files`, error);
    }
    return await StagedFile.open({
      stagingDirectory: this.#staging,
      stagingTop: join(this.directory, STAGING),
      id,
      files: this.#files,
    });
  }

  /** Gives a complete staged file its final name; rejects with `DurableFileError`. */
  async publish(staged: StagedFile, { id, name, size, sha256 }: PushOffer): Promise<ReceivedFile> {
    const published = await staged.publish({
      root: this.directory,
      segments: [name],
      expectedBytes: size,
      expectedSha256: sha256,
    });
    return { id, as: published.as.at(-1) ?? name, path: published.path, bytes: size, sha256 };
  }

  /** Removes what nobody will complete: partials that are too old, and what is left of stored files. */
  async sweep({ now, isStored }: {
    /** Milliseconds since 1970. */
    now: number;
    isStored: (id: string) => Promise<boolean>;
  }): Promise<number> {
    const olderThan = now - PARTIAL_KEEP_MS;
    return await sweepStaging(this.#staging, { files: this.#files, olderThan, isStored });
  }

  get #staging(): string {
    return join(this.directory, STAGING, SENDER);
  }
}
