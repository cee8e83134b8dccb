/**
 * What the main thread and the worker that stores files say to each other: calls and answers, with bytes that
 * move instead of being copied.
 *
 * @module
 */

import { type DurableFileCode, DurableFileError, systemCode } from "./durable_file_error.ts";
import type { BundleItemResult, BundleRequest } from "./file_bundle.ts";

/** The calls that the worker answers, by name: arguments and result. */
export interface FileCalls {
  /** Opens a new file; resolves with its handle. */
  create(path: string): Promise<number>;
  /** Opens a file that an earlier run has left; resolves with its handle. */
  reopen(path: string, marks: readonly number[]): Promise<number>;
  /** Resolves with the memory of the chunk. */
  write(handle: number, chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  prefixSha256(handle: number, offset: number): Promise<string>;
  continueAt(handle: number, offset: number): Promise<void>;
  sha256Hex(handle: number): Promise<string>;
  sync(handle: number): Promise<number>;
  cut(handle: number, length: number): Promise<void>;
  close(handle: number): Promise<void>;
  /** SHA-256 in hex of a file of `bytes` bytes; undefined when it has more or fewer. */
  sha256(path: string, bytes: number): Promise<string | undefined>;
  /** Resolves with the memory of the bundle besides its results. */
  storeBundle(request: BundleRequest): Promise<StoredBundle>;
  settleBundle(stagingDirectory: string, ids: readonly string[]): Promise<void>;
}

/** What became of a bundle, and its memory. */
export interface StoredBundle {
  readonly results: BundleItemResult[];
  readonly memory: ArrayBuffer;
}

/** The name of a call. */
export type FileMethod = keyof FileCalls;

/** One call. */
export interface FileCall<M extends FileMethod = FileMethod> {
  readonly id: number;
  readonly method: M;
  readonly args: Parameters<FileCalls[M]>;
}

/** What the main thread sends. */
export type FileRequest = FileCall | { readonly failpoint: string } | "close";

/** An error on its way between threads. */
export interface ThrownFailure {
  readonly message: string;
  /** That of a {@linkcode DurableFileError}. */
  readonly kind?: DurableFileCode | undefined;
  /** The system's. */
  readonly code?: string | undefined;
}

/** What the worker sends. */
export type FileAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: ThrownFailure }
  | { readonly crash: string }
  | "closed";

/** An error as it is sent. */
export function thrownFailure(error: unknown): ThrownFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof DurableFileError) return { message, kind: error.code };
  return { message, code: systemCode(error) };
}

/** The error that was sent, with the same code. */
export function receivedError({ message, kind, code }: ThrownFailure): Error {
  if (kind !== undefined) return new DurableFileError(kind, message);
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}
