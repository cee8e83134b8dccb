/**
 * How far an upload is, and what came out of it, as values for whoever shows it.
 *
 * @module
 */

/** What is being done with a file or folder: waiting for the server or the line, comparing what the server holds
 * already, sending, or waiting until the server has stored it. */
export type UploadPhase = "waiting" | "checking" | "sending" | "verifying";

/** How far one file, or one folder, is. */
export interface UploadProgress {
  /** The transfer's or manifest's id. */
  id: string;
  /** The path as the person named it. */
  path: string;
  /** What is being done. */
  phase: UploadPhase;
  /** Bytes handed to the network, or compared while checking; what the server held already counts. */
  sent: number;
  /** Bytes of the file, or of all files. */
  size: number;
  /** Of many files: how many are done, and how many there are. */
  files?: { done: number; total: number };
}

/** A file that the server has stored. */
export interface StoredFile {
  /** The transfer's id. */
  id: string;
  /** The path as the person named it. */
  path: string;
  /** Its name on the server. */
  as: string;
  /** Its size. */
  bytes: number;
  /** SHA-256 of its bytes in hex, the same on both sides. */
  sha256: string;
  /** True when the server had stored it before and nothing was sent now. */
  already?: true;
}
