/**
 * Messages of a session, both ways: stored before they are acknowledged, sent in order, marked as they go.
 *
 * @module
 */

import type { FrameOf } from "../protocol/mod.ts";
import type { Session } from "./session.ts";

/** Messages of one peer that are being stored at once; the next is not read before one is done. */
const MAX_STORING = 256;
/** Bytes that may wait on a connection while more messages are handed to it. */
const DELIVERY_WINDOW_BYTES = 256 * 1024;

/** Takes a message of the peer: RECEIPT once it is on disk, REFUSE with its id when it cannot be. */
export async function handleMessage(
  frame: FrameOf<"MESSAGE">,
  session: Session,
): Promise<void> {
  void storeMessage(frame, session);
  session.storing++;
  while (session.storing >= MAX_STORING) {
    await new Promise<void>((resolve) => {
      session.stored = resolve;
    });
  }
}

async function storeMessage(frame: FrameOf<"MESSAGE">, session: Session): Promise<void> {
  const { connection, member, parts, client } = session;
  const { id, text } = frame;
  try {
    const at = parts.clock.wall();
    const isNew = await parts.store.receiveMessage({ id, client, sentAt: frame.at, at, text });
    connection.send({ verb: "RECEIPT", ids: [id], state: "stored" });
    if (isNew) {
      parts.timeline.changed();
      parts.onMessage({ id, client, from: member.record.name, text });
    }
  } catch (error) {
    parts.log.error("Cannot store a message of {name}: {error}", {
      name: member.record.name,
      error: String(error),
    });
    const reason = "The server could not write the message to its disk. Send it again later";
    connection.send({ verb: "REFUSE", code: "full", reason, id });
  } finally {
    session.storing--;
    session.stored?.();
  }
}

/**
 * Notes how far the peer has taken messages of ours. One that cannot be noted is sent again after a reconnect,
 * and the peer then drops it.
 */
export async function handleReceipt(
  frame: FrameOf<"RECEIPT">,
  session: Session,
): Promise<void> {
  const { parts, client, member, sentMessages } = session;
  const { ids, state } = frame;
  try {
    const changed = await parts.store.markMessages(client, { ids, state });
    for (const id of ids) sentMessages.delete(id);
    if (changed.length > 0) parts.timeline.changed();
  } catch (error) {
    parts.log.error("Cannot record a receipt of {name}: {error}", {
      name: member.record.name,
      error: String(error),
    });
  }
}

const delivering = new WeakSet<Session>();
const again = new WeakSet<Session>();

/** Sends what waits for the client and has not been sent in this session, in order. */
export async function deliverMessages(session: Session): Promise<void> {
  if (delivering.has(session)) return void again.add(session);
  delivering.add(session);
  try {
    do {
      again.delete(session);
      await deliverOnce(session);
    } while (again.has(session) && !session.connection.closed);
  } catch (error) {
    session.parts.log.error("Cannot deliver messages to {name}: {error}", {
      name: session.member.record.name,
      error: String(error),
    });
  } finally {
    delivering.delete(session);
  }
}

async function deliverOnce(session: Session): Promise<void> {
  const { connection, parts, client, sentMessages } = session;
  const waiting = await parts.store.waitingMessages(client);
  const sent: string[] = [];
  for (const message of waiting) {
    if (sentMessages.has(message.id)) continue;
    if (connection.pendingBytes > DELIVERY_WINDOW_BYTES) await connection.flushed();
    if (connection.closed) break;
    sentMessages.add(message.id);
    connection.send({ verb: "MESSAGE", id: message.id, at: message.sentAt, text: message.text });
    if (message.state === "queued") sent.push(message.id);
  }
  if (sent.length === 0) return;
  await parts.store.markMessages(client, { ids: sent, state: "sent" });
  parts.timeline.changed();
}
