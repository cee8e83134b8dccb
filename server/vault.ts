/**
 * Received files: where they are staged, where they end up, and how large they may be.
 *
 * The bytes and their publication are `platform/durable_file.ts`; this file decides the places. Staging
 * lies in a folder beside the clients' folders, on the same file system, under a name that no client can
 * have.
 *
 * @module
 */

import { join } from "node:path";
import { DataDirectoryError } from "../platform/data_directory.ts";
import { DurableFileError, StagedFile, sweepStaging } from "../platform/durable_file.ts";
import { type FileSystem, systemFiles } from "../platform/file_system.ts";
import type { BadOffer, Offer, RejectCode } from "../protocol/mod.ts";

/** Names of clients begin with a letter or a digit, so none can collide with this. */
const STAGING = ".staging";

/** Settings of a {@linkcode Vault}. */
export interface VaultOptions {
  /** The folder that holds one folder per client. */
  directory: string;
  /** Largest file, in bytes; undefined for no limit. */
  maxFileBytes: number | undefined;
  /** Name of a staging file; unique. */
  newId: () => string;
  /**
   * Operations on files.
   * @default {systemFiles}
   */
  files?: FileSystem;
}

/** A file as it was published. */
export interface PublishedFile {
  /** Where it lies. */
  path: string;
  /** Its final name. */
  as: string;
  bytes: number;
  sha256: string;
}

/** A transfer that cannot go on, as the sender is told. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  /** The REJECT code. */
  readonly code: RejectCode;

  /** Takes the code and a reason for people. */
  constructor(code: RejectCode, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
  }
}

/** One file on its way in. */
export class IncomingFile implements AsyncDisposable {
  #staged: StagedFile;
  #offer: Offer;
  #root: string;

  /** Made by {@linkcode Vault.open}. */
  constructor(staged: StagedFile, target: { root: string; offer: Offer }) {
    this.#staged = staged;
    this.#root = target.root;
    this.#offer = target.offer;
  }

  /** Writes a chunk; rejects with {@linkcode TransferError} and from then on always. */
  async write(chunk: Uint8Array): Promise<void> {
    await inWords(this.#staged.write(chunk));
  }

  /** Publishes the file: exact length, digest when given, synced, under a name of its own. */
  async publish(expectedSha256?: string): Promise<PublishedFile> {
    const { path, size } = this.#offer;
    const published = await inWords(this.#staged.publish({
      root: this.#root,
      segments: path,
      expectedBytes: size,
      ...(expectedSha256 === undefined ? {} : { expectedSha256 }),
    }));
    const as = published.as.at(-1) ?? "";
    return { path: published.path, as, bytes: size, sha256: published.sha256 };
  }

  /** Drops whatever has not been published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#staged.discard();
  }
}

/** The folder of received files. */
export class Vault {
  #options: VaultOptions;

  /** Touches nothing; see {@linkcode Vault.prepare}. */
  constructor(options: VaultOptions) {
    this.#options = options;
  }

  /** Largest file, in bytes, or null for no limit; as told in ACK. */
  get maxFileBytes(): number | null {
    return this.#options.maxFileBytes ?? null;
  }

  /**
   * Makes the folders and removes what an earlier run left in staging; rejects with a DataDirectoryError that
   * says why they cannot be used.
   */
  async prepare(): Promise<void> {
    const { directory } = this.#options;
    try {
      await Deno.mkdir(directory, { recursive: true, mode: 0o755 });
      await sweepStaging(this.#staging, this.#files);
      await Deno.mkdir(this.#staging, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new DataDirectoryError(
        `Cannot use "${directory}" for received files: ${stateOf(cause)}`,
        { hint: "choose another folder with --files DIR", cause },
      );
    }
  }

  /** Why an offer is refused before a byte, or undefined. */
  refusal(offer: Offer): BadOffer | undefined {
    const { maxFileBytes } = this.#options;
    if (maxFileBytes === undefined || offer.size <= maxFileBytes) return undefined;
    return {
      code: "too_large",
      reason: `The file has ${offer.size} bytes and this server takes at most ${maxFileBytes}`,
    };
  }

  /** Opens a staging file for an offer of a client; dispose it whatever happens. */
  async open(clientName: string, offer: Offer): Promise<IncomingFile> {
    const { directory, newId } = this.#options;
    const place = { stagingDirectory: this.#staging, id: newId(), files: this.#files };
    const staged = await inWords(StagedFile.create(place));
    return new IncomingFile(staged, { root: join(directory, clientName), offer });
  }

  /** Removes a file that was published and not acknowledged; rejects when it cannot. */
  async takeBack(file: PublishedFile): Promise<void> {
    await this.#files.remove(file.path);
  }

  get #files(): FileSystem {
    return this.#options.files ?? systemFiles;
  }

  get #staging(): string {
    return join(this.#options.directory, STAGING);
  }
}

async function inWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DurableFileError)) throw error;
    throw new TransferError(error.code, REASONS[error.code] ?? error.message, { cause: error });
  }
}

const REASONS: Partial<Record<RejectCode, string>> = {
  no_space: "The server's disk is full",
  denied: "The server may not write to its folder for received files",
  hash: "The bytes that arrived are not those that were sent (SHA-256 differs)",
  bad_size: "The number of bytes that arrived is not the announced one",
  io: "The server could not write the file to its disk",
};

/** What is wrong with a folder, in words. */
function stateOf(cause: unknown): string {
  if (cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory) {
    return "it is no directory";
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return "this user may not write there";
  }
  return cause instanceof Error ? cause.message : String(cause);
}
