/**
 * What the server does with a file once it is published: record it, tell of it.
 *
 * @module
 */

import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";
import { StoreError } from "./store.ts";
import { type PublishedFile, TransferError } from "./vault.ts";

/**
 * Records a file of a client under the transfer's id. One that cannot be recorded is taken back, as it would
 * lie there twice when it is sent again; rejects with {@linkcode TransferError} then.
 */
export async function recordFile(
  file: PublishedFile,
  { id, member, parts }: { id: string; member: Member; parts: ServerParts },
): Promise<void> {
  const { clock, log, onFile, store, timeline, vault } = parts;
  const { id: client, name } = member.record;
  const { as, path, bytes, sha256 } = file;
  const stored = { direction: "in" as const, state: "stored", at: clock.wall() };
  try {
    await store.addFile({ id, client, name: as, path, bytes, sha256, ...stored });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    await vault.takeBack(file);
    const reason = "The server could not record the file in its database";
    throw new TransferError(error.full ? "no_space" : "io", reason, { cause: error });
  }
  timeline.changed();
  log.info("{name}: stored {path} ({bytes} bytes)", { name, path, bytes });
  onFile({ from: name, path, bytes });
}
