/**
 * One FETCH of a client, from the agreement on an offset to the client's word that it has stored the file.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import type { FrameReader } from "../platform/frame_reader.ts";
import {
  type Connection,
  type Frame,
  type FrameOf,
  ProtocolError,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import { CopyError, type OutgoingFile } from "./outgoing_file.ts";
import {
  type PushTarget,
  recordPushDamaged,
  recordPushRejected,
  recordPushStored,
} from "./record_push.ts";
import type { PushRecord } from "./store_record.ts";

/** Offsets that a client may propose for one FETCH; each costs reading the file up to there. */
const MAX_PROPOSALS = 8;
/** How often the bytes that have left are looked at, in milliseconds. */
const PROGRESS_MS = TRANSFER_STALL_MS / 12;
/** What a client is told when its file cannot be read for now. */
const CANNOT_READ = "The server cannot read its copy of the file at the moment";

/** The data session that a FETCH came on. */
export interface FetchContext extends PushTarget {
  connection: Connection;
  /** The session's frames; nobody else may read them meanwhile. */
  frames: FrameReader;
  /** Called while bytes are read or leave, so that the session's limit of standstill does not end it. */
  progressed: () => void;
  /** Called before the first byte and after the last: between them no frame, not even BYE, can be sent. */
  sending: (isSending: boolean) => void;
}

/** What a client may answer; "over" ends its session, "again" only this FETCH. */
type Answer = FrameOf<"STORED"> | FrameOf<"REJECT"> | FrameOf<"READY"> | "over" | "again";

/**
 * Serves one FETCH to its end. Resolves with whether the session goes on: false when the client has ended it,
 * or its bytes can no longer be told from frames. Rejects with what broke the connection; the push then waits
 * on and is announced again.
 */
export async function serveFetch(
  frame: FrameOf<"FETCH">,
  context: FetchContext,
): Promise<boolean> {
  const { connection, member, parts } = context;
  const { id } = frame;
  const push = await parts.store.waitingPush(member.record.id, id);
  if (push === undefined) {
    const reason = "No such file waits for this machine";
    connection.send({ verb: "REJECT", id, code: "denied", reason, retry: false });
    return true;
  }
  using _turn = parts.outgoing.takeTurn(push, connection);
  const fetch = new Fetch(push, context);
  try {
    return await fetch.serve(frame.offset);
  } finally {
    if (!fetch.answered) member.agent?.pushEnded?.(id, "later");
  }
}

class Fetch {
  /** Whether it has been recorded what became of the file. */
  answered = false;
  #push: PushRecord;
  #context: FetchContext;
  /** How many of the announced bytes have been sent: between them no frame can stand. */
  #sent: "nothing" | "some" | "all" = "nothing";

  constructor(push: PushRecord, context: FetchContext) {
    this.#push = push;
    this.#context = context;
  }

  async serve(proposed: number): Promise<boolean> {
    try {
      using file = await this.#context.parts.outgoing.open(this.#push);
      const offset = await this.#agree(proposed, file);
      if (typeof offset !== "number") return await this.#finish(offset);
      return await this.#send(offset, file);
    } catch (error) {
      if (!(error instanceof CopyError)) throw error;
      return await this.#giveUp(error);
    }
  }

  /** The offset from which both have the same bytes, or the answer that ended the search for it. */
  async #agree(proposed: number, file: OutgoingFile): Promise<number | Answer> {
    const { connection, progressed } = this.#context;
    const { id, bytes } = this.#push;
    let offset = proposed;
    for (let proposals = 0; proposals < MAX_PROPOSALS; proposals++) {
      if (offset > bytes) {
        connection.send({ verb: "CANCEL", id }); // What the client holds is no beginning of this file.
        return "again";
      }
      const sha256 = await file.prefixSha256(offset, progressed);
      if (offset === 0) return 0;
      connection.send({ verb: "PREFIX", id, offset, sha256 });
      const answer = await this.#nextAnswer();
      if (typeof answer === "string" || answer.verb !== "READY") return answer;
      if (answer.offset > offset) throw unexpected(answer);
      if (answer.offset === offset) return offset;
      offset = answer.offset;
    }
    throw new ProtocolError(
      "unexpected",
      `Cannot go on with a file: the client proposed more than ${MAX_PROPOSALS} offsets`,
    );
  }

  /** Sends READY, the bytes from `offset` on and SUM, and takes the answer. */
  async #send(offset: number, file: OutgoingFile): Promise<boolean> {
    const { connection, sending } = this.#context;
    const { id, bytes } = this.#push;
    let interrupted = false;
    const waiting = this.#nextAnswer().finally(() => interrupted = true);
    // What the client broke is met where the answer is awaited.
    waiting.catch(() => {});
    connection.send({ verb: "READY", id, offset });
    this.#sent = "some";
    sending(true);
    if (!await this.#sendBytes(file, () => interrupted)) {
      return await this.#onInterruption(await waiting);
    }
    this.#sent = "all";
    sending(false);
    const sha256 = file.sha256Hex();
    if (sha256 !== this.#push.sha256) {
      throw new CopyError("Cannot send a copy: its SHA-256 is not that of the file", {
        isLost: true,
      });
    }
    connection.send({ verb: "SUM", id, bytes, sha256 });
    const answer = await waiting;
    if (typeof answer !== "string" && answer.verb === "READY") throw unexpected(answer);
    return await this.#finish(answer);
  }

  /** Sends what is left; false when the client has said something meanwhile. */
  async #sendBytes(file: OutgoingFile, interrupted: () => boolean): Promise<boolean> {
    const { connection } = this.#context;
    using _progress = this.#watchProgress();
    let reading = file.read();
    for (let chunk = await reading; chunk !== null; chunk = await reading) {
      if (interrupted()) return false;
      const writing = connection.write(chunk);
      reading = file.read();
      // A failure while the write is under way is met on the next round, or hidden by that of the write.
      reading.catch(() => {});
      await writing;
    }
    return true;
  }

  /** In the middle of the bytes a client can only refuse or leave, and either ends the session. */
  async #onInterruption(answer: Answer): Promise<boolean> {
    if (typeof answer !== "string" && answer.verb !== "REJECT") throw unexpected(answer);
    await this.#finish(answer);
    return false;
  }

  async #finish(answer: Answer): Promise<boolean> {
    if (answer === "over") return false;
    if (answer === "again") return true;
    this.answered = true;
    if (answer.verb === "STORED") await recordPushStored(answer, this.#context);
    if (answer.verb === "REJECT") await recordPushRejected(answer, this.#context);
    return true;
  }

  /** The copy cannot be read: the client is told so where a frame can stand. A lost copy ends the push. */
  async #giveUp(error: CopyError): Promise<boolean> {
    const { connection, parts: { log } } = this.#context;
    const { id } = this.#push;
    log.error("{error}", { error: error.message });
    if (error.isLost) {
      this.answered = true;
      await recordPushDamaged(this.#push, this.#context);
    }
    if (this.#sent === "nothing") {
      const reason = error.isLost ? "The server's copy of the file is damaged" : CANNOT_READ;
      connection.send({ verb: "REJECT", id, code: "io", reason, retry: !error.isLost });
      return true;
    }
    if (this.#sent === "all") connection.send({ verb: "CANCEL", id });
    await connection.flushed();
    return false;
  }

  /** The next frame that says something of this file; an END, a BYE and the end of the stream are "over". */
  async #nextAnswer(): Promise<Answer> {
    while (true) {
      const frame = await this.#context.frames.next();
      if (frame === null || frame.verb === "END" || frame.verb === "BYE") return "over";
      if (frame.verb === "unknown") continue;
      if (frame.verb === "REJECT" && frame.id !== this.#push.id) continue;
      const isAnswer = frame.verb === "REJECT" || frame.verb === "STORED" || frame.verb === "READY";
      if (isAnswer && frame.id === this.#push.id) return frame;
      throw unexpected(frame);
    }
  }

  /** Tells the session of bytes that leave, also while one large write takes its time. */
  #watchProgress(): Disposable {
    const { connection, parts: { clock }, progressed } = this.#context;
    let seen = connection.bytesWritten;
    let timer: Timer | undefined;
    const look = () => {
      if (connection.bytesWritten > seen) progressed();
      seen = connection.bytesWritten;
      timer = clock.after(PROGRESS_MS, look);
    };
    look();
    return { [Symbol.dispose]: () => timer?.cancel() };
  }
}

function unexpected(frame: Frame): ProtocolError {
  return new ProtocolError("unexpected", `Cannot take ${frame.verb} while a file is being fetched`);
}
