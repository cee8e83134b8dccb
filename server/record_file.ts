/**
 * What the server does with a file once it is published: record it, tell of it.
 *
 * @module
 */

import type { PublishedFile } from "./incoming_file.ts";
import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";
import { StoreError } from "./store.ts";
import { TransferError } from "./transfer_error.ts";

/**
 * Records a file of a client under the transfer's id. One that cannot be recorded lies there unacknowledged, and is
 * found and recorded when the transfer is offered again, unless the caller takes it back; rejects with
 * {@linkcode TransferError} then.
 */
export async function recordFile(
  file: PublishedFile,
  { id, member, parts }: { id: string; member: Member; parts: ServerParts },
): Promise<void> {
  const { clock, log, onFile, store, timeline } = parts;
  const { id: client, name: from } = member.record;
  const { name, path, bytes, sha256 } = file;
  const stored = { direction: "in" as const, state: "stored", at: clock.wall() };
  try {
    await store.addFile({ id, client, name, path, bytes, sha256, ...stored });
  } catch (error) {
    throw recordError(error, { path, parts });
  }
  timeline.changed();
  log.info("{name}: stored {path} ({bytes} bytes)", { name: from, path, bytes });
  onFile({ from, path, bytes });
}

/** What a sender is told when the database could not take the record of what lies at `path`. */
export function recordError(
  error: unknown,
  { path, parts }: { path: string; parts: ServerParts },
): unknown {
  if (!(error instanceof StoreError)) return error;
  parts.log.error("Cannot record {path}: {error}", { path, error: error.message });
  const reason = "The server could not record the file in its database";
  return new TransferError(error.full ? "no_space" : "io", reason, { cause: error });
}
