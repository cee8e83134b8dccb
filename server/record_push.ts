/**
 * What the server does when a client says what became of a file that was pushed to it, on whichever
 * connection it says so.
 *
 * @module
 */

import type { FrameOf } from "../protocol/mod.ts";
import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";
import type { PushOutcome, PushRecord } from "./store_record.ts";

/** Whose push it is. */
export interface PushTarget {
  member: Member;
  parts: ServerParts;
}

/** How a push ends. */
type End = { state: "stored"; landed: string } | { state: "refused"; reason: string };

/** Takes the client's word that it has stored a push; a push that does not wait is left as it is. */
export async function recordPushStored(
  { id, as, bytes, sha256 }: FrameOf<"STORED">,
  target: PushTarget,
): Promise<void> {
  await attempt(id, target, async (push) => {
    if (bytes === push.bytes && sha256 === push.sha256) {
      return await settle(push, { state: "stored", landed: as }, target);
    }
    const reason = "hash: the client says that it has stored other bytes than were sent";
    return await settle(push, { state: "refused", reason }, target);
  });
}

/** Takes the client's refusal of a push: for good, or with `retry` for now. */
export async function recordPushRejected(
  frame: FrameOf<"REJECT">,
  target: PushTarget,
): Promise<void> {
  const { id, code, retry } = frame;
  const reason = `${code}: ${frame.reason}`;
  await attempt(id, target, async (push) => {
    if (!retry) return await settle(push, { state: "refused", reason }, target);
    const { clock, store, timeline } = target.parts;
    await store.postponePush(push.client, { id, reason, at: clock.wall() });
    timeline.changed();
    return "later";
  });
}

/** Ends a push whose copy is gone or damaged: nobody can have it any more. */
export async function recordPushDamaged(push: PushRecord, target: PushTarget): Promise<void> {
  const { id, client, name } = push;
  const { log, timeline } = target.parts;
  const clientName = target.member.record.name;
  log.error("{client}: the copy of {name} is damaged; push it again", { client: clientName, name });
  await timeline.audit("push_damaged", { client, id, name });
  const reason = "io: the server's copy of the file is damaged; push it again";
  await attempt(id, target, (waiting) => settle(waiting, { state: "refused", reason }, target));
}

/** A push whose end cannot be recorded waits on: the client is asked again and answers the same. */
async function attempt(
  id: string,
  target: PushTarget,
  record: (push: PushRecord) => Promise<PushOutcome>,
): Promise<void> {
  const { member, parts: { log, store } } = target;
  let outcome: PushOutcome = "later";
  try {
    const push = await store.waitingPush(member.record.id, id);
    if (push === undefined) return;
    outcome = await record(push);
  } catch (error) {
    log.error("Cannot record what became of a file for {name}: {error}", {
      name: member.record.name,
      error: String(error),
    });
  }
  member.agent?.pushEnded?.(id, outcome);
}

async function settle(push: PushRecord, end: End, { parts }: PushTarget): Promise<PushOutcome> {
  const { clock, onPush, outgoing, store, timeline } = parts;
  const { id, client, clientName, name } = push;
  const settled = await store.settlePush(client, { id, ...end, at: clock.wall() });
  if (settled === undefined) return "settled"; // Another connection was faster.
  timeline.changed();
  onPush({ to: clientName, name, ...end });
  if (settled.unused) await outgoing.discard(push.content);
  return "settled";
}
