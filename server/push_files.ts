/**
 * `push`, whether from the console or through the local API: each file is looked at and copied, and then all of
 * them are queued for everybody at once.
 *
 * @module
 */

import { isAbsolute } from "node:path";
import { lookAtSource, type NewCopy, type Source, SourceError } from "./outgoing.ts";
import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";
import { MAX_WAITING_PUSHES } from "./store_pushes.ts";
import type { NewPush } from "./store_record.ts";

/** Pushes that one operation may queue: files times clients. */
const MAX_PUSHES_AT_ONCE = 10_000;

/** What is to be pushed to whom. */
export interface PushRequest {
  members: Member[];
  /** Absolute. */
  paths: string[];
  /** Gives the copying up. */
  signal?: AbortSignal | undefined;
}

/** What has been queued, and for whom nothing was. */
export interface PushAnswer {
  /** One per file and client. */
  ids: string[];
  refused: {
    /** The client's name. */
    client: string;
    /** Why, in words. */
    reason: string;
  }[];
}

/** Queues files for clients; rejects with {@linkcode SourceError} when a file is not to be had, and queues none then. */
export async function pushFiles(request: PushRequest, parts: ServerParts): Promise<PushAnswer> {
  const { outgoing, store, timeline } = parts;
  const { receivers, refused } = await chooseReceivers(request.members, parts);
  if (receivers.length === 0) return { ids: [], refused };
  const sources = await lookAtSources(request.paths, receivers.length);
  await using copies = new AsyncDisposableStack();
  const pushes: NewPush[] = [];
  const copyOf = new Map<string, NewCopy>();
  for (const source of sources) {
    const copy = copies.use(await outgoing.copy(source, request.signal));
    for (const { record } of receivers) {
      const { name, path } = source;
      const { content, bytes, sha256 } = copy;
      const id = parts.newId();
      pushes.push({ id, client: record.id, name, path, content, bytes, sha256 });
      copyOf.set(id, copy);
    }
  }
  const ids = await store.queuePushes({ pushes, at: parts.clock.wall() });
  for (const id of ids) copyOf.get(id)?.keep();
  timeline.changed();
  for (const { agent } of receivers) agent?.deliver();
  return { ids, refused: [...refused, ...leftOut(pushes, { ids, receivers })] };
}

/** Those who can get files, and why the others cannot. */
async function chooseReceivers(
  members: Member[],
  { store }: ServerParts,
): Promise<{ receivers: Member[]; refused: PushAnswer["refused"] }> {
  const full = new Set(await store.fullPushQueues(members.map(({ record }) => record.id)));
  const receivers: Member[] = [];
  const refused: PushAnswer["refused"] = [];
  for (const member of members) {
    const { id, kind, name } = member.record;
    if (kind === "classic") {
      refused.push({
        client: name,
        reason: "it speaks the classic dialect, which has no word for that",
      });
    } else if (full.has(id)) refused.push({ client: name, reason: FULL });
    else receivers.push(member);
  }
  return { receivers, refused };
}

const FULL = `its queue is full: ${MAX_WAITING_PUSHES} files wait for it`;

async function lookAtSources(paths: string[], receivers: number): Promise<Source[]> {
  const count = paths.length * receivers;
  if (count === 0) throw new SourceError("bad_request", "Cannot push: no file is named");
  if (count > MAX_PUSHES_AT_ONCE) {
    throw new SourceError(
      "bad_request",
      `Cannot push ${paths.length} files to ${receivers} clients: at most ${MAX_PUSHES_AT_ONCE} at once`,
    );
  }
  const sources: Source[] = [];
  for (const path of paths) {
    if (!isAbsolute(path)) {
      throw new SourceError("bad_request", `Cannot push "${path}": the path must be absolute`);
    }
    sources.push(await lookAtSource(path));
  }
  return sources;
}

/** The clients whose queue had no room for all of the files. */
function leftOut(
  pushes: NewPush[],
  { ids, receivers }: { ids: string[]; receivers: Member[] },
): PushAnswer["refused"] {
  const queued = new Set(ids);
  const clients = new Set(pushes.filter(({ id }) => !queued.has(id)).map(({ client }) => client));
  return receivers.filter(({ record }) => clients.has(record.id))
    .map(({ record }) => ({ client: record.name, reason: FULL }));
}
