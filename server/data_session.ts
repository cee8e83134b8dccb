/**
 * One session of role `data`: offers, their bytes, and the word that they are stored.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import {
  byteStream,
  checkOffer,
  type Connection,
  encodeFrame,
  type FrameOf,
  MAX_REASON_CHARS,
  type Offer,
  ProtocolError,
  pumpBytes,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import { ackFrame } from "./ack.ts";
import type { Guest } from "./control_session.ts";
import { farewell } from "./farewell.ts";
import { FrameReader } from "../platform/frame_reader.ts";
import type { ServerParts } from "./parts.ts";
import { type FetchContext, serveFetch } from "./push_session.ts";
import { recordFile } from "./record_file.ts";
import type { Link, Member } from "./roster.ts";
import { type IncomingFile, TransferError } from "./vault.ts";

/** Time in which a sender can read why its file was refused in the middle, in milliseconds. */
const DRAIN_MS = 5_000;
/** Bytes read at once meanwhile. */
const DRAIN_BYTES = 64 * 1024;

/** What may come between two files and changes nothing: the last three are reserved. */
const IGNORED = new Set(["unknown", "CANCEL", "PREFIX", "PUSH"]);

interface Transfer {
  id: string;
  offer: Offer;
  file: IncomingFile;
}

/** Serves the session to its end; rejects only with what broke the connection. */
export async function runDataSession(guest: Guest, parts: ServerParts): Promise<void> {
  const member = parts.roster.admit(guest.record);
  using place = parts.roster.takeDataConnection(member);
  if (place === undefined) {
    const reason = "Too many files are being sent at once. Try again in a moment";
    const bytes = encodeFrame("REFUSE", { code: "full", reason });
    return await farewell(guest.connection, { clock: parts.clock, bytes });
  }
  await new DataSession(guest, { parts, member }).run();
}

class DataSession implements Link {
  readonly epoch: number;
  #guest: Guest;
  #connection: Connection;
  #frames: FrameReader;
  #member: Member;
  #parts: ServerParts;
  #progressAt = 0;
  /** Whether bytes of a file are leaving, so that no frame can. */
  #isSending = false;
  #stallTimer: Timer | undefined;

  constructor(guest: Guest, server: { parts: ServerParts; member: Member }) {
    this.#guest = guest;
    this.#connection = guest.connection;
    this.#frames = new FrameReader(guest.connection);
    this.#parts = server.parts;
    this.#member = server.member;
    this.epoch = guest.admitted.epoch;
  }

  async run(): Promise<void> {
    const { clock, watch } = this.#parts;
    this.#member.others.add(this);
    this.#guest.setOnBytes(() => {
      this.#progressAt = clock.now();
      watch.heard(this.#member.record.id);
    });
    this.#progressAt = clock.now();
    this.#watchProgress();
    try {
      const { version } = this.#guest.admitted;
      const { name } = this.#member.record;
      this.#connection.send(ackFrame(this.#parts, { version, name }));
      await this.#serve();
    } catch (error) {
      await this.#explain(error);
      throw error;
    } finally {
      this.#stallTimer?.cancel();
      this.#member.others.delete(this);
      this.#connection.close();
    }
  }

  ping(): void {} // The agent's connection is the one that is asked.

  deliver(): void {} // Messages travel on the agent's connection.

  async end(why: "shutdown" | "replaced" | "revoked"): Promise<void> {
    if (this.#isSending) return this.#connection.close();
    this.#connection.send({ verb: "BYE", reason: why === "replaced" ? "replaced" : "shutdown" });
    await farewell(this.#connection, { clock: this.#parts.clock });
  }

  async #serve(): Promise<void> {
    while (!this.#connection.closed) {
      const frame = await this.#frames.next();
      if (frame === null || frame.verb === "END" || frame.verb === "BYE") return;
      if (frame.verb === "FILE") await this.#onFile(frame);
      else if (frame.verb === "FETCH") {
        if (!await serveFetch(frame, this.#fetchContext())) return;
      } else if (!IGNORED.has(frame.verb)) {
        throw new ProtocolError("unexpected", `Cannot take ${frame.verb} while no file is open`);
      }
    }
  }

  #fetchContext(): FetchContext {
    const progressed = () => {
      this.#progressAt = this.#parts.clock.now();
    };
    return {
      connection: this.#connection,
      frames: this.#frames,
      member: this.#member,
      parts: this.#parts,
      progressed,
      sending: (isSending) => {
        this.#isSending = isSending;
      },
    };
  }

  async #onFile({ id, path, size }: FrameOf<"FILE">): Promise<void> {
    const { store, vault } = this.#parts;
    const { id: client, name } = this.#member.record;
    const offer = checkOffer(path, size);
    if ("code" in offer) return this.#reject(id, offer);
    const refusal = vault.refusal(offer);
    if (refusal !== undefined) return this.#reject(id, refusal);
    if (await store.hasFile(client, id)) {
      return this.#reject(id, { code: "denied", reason: "This transfer has been stored before" });
    }
    try {
      await using file = await vault.open(name, offer);
      this.#connection.send({ verb: "READY", id, offset: 0 });
      if (!await this.#takeBytes({ id, offer, file })) return;
      await this.#finish({ id, offer, file });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.#reject(id, { code: error.code, reason: error.message });
    }
  }

  /** Takes exactly the announced bytes; false when they could not be written and the session is over. */
  async #takeBytes(transfer: Transfer): Promise<boolean> {
    const { id, offer, file } = transfer;
    try {
      const bytes = byteStream(this.#connection.reader, { length: offer.size });
      await pumpBytes(bytes, (chunk) => file.write(chunk));
      return true;
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.#reject(id, { code: error.code, reason: error.message });
      // The bytes still on their way cannot be told from frames, so the connection ends with the word.
      await this.#drainAndClose();
      return false;
    }
  }

  /** Closing with unread bytes would reset the connection and lose the REJECT: read on for a moment. */
  async #drainAndClose(): Promise<void> {
    const { clock } = this.#parts;
    const timer = clock.after(DRAIN_MS, () => this.#connection.close());
    const scrap = new Uint8Array(DRAIN_BYTES);
    try {
      await this.#connection.flushed();
      while (await this.#connection.reader.read(scrap) !== null);
    } catch {
      // Closed by the timer or by the peer: either way there is nothing left to wait for.
    } finally {
      timer.cancel();
      this.#connection.close();
    }
  }

  async #finish({ id, offer, file }: Transfer): Promise<void> {
    const sum = await this.#connection.readFrame();
    if (sum?.verb === "CANCEL" && sum.id === id) return;
    if (sum?.verb !== "SUM" || sum.id !== id || sum.bytes !== offer.size) {
      throw new ProtocolError(
        "surplus",
        `Cannot take ${
          sum?.verb ?? "the end of the stream"
        } as SUM must follow the ${offer.size} announced bytes`,
      );
    }
    const published = await file.publish(sum.sha256);
    await recordFile(published, { id, member: this.#member, parts: this.#parts });
    const { as, sha256 } = published;
    this.#connection.send({ verb: "STORED", id, as, bytes: offer.size, sha256 });
  }

  #reject(id: string, why: { code: FrameOf<"REJECT">["code"]; reason: string }): void {
    const { code } = why;
    const reason = why.reason.slice(0, MAX_REASON_CHARS);
    const retry = code === "busy" || code === "no_space" || code === "io";
    this.#connection.send({ verb: "REJECT", id, code, reason, retry });
    const { id: client } = this.#member.record;
    void this.#parts.timeline.audit("file_rejected", { client, code, reason });
  }

  async #explain(error: unknown): Promise<void> {
    if (!(error instanceof ProtocolError) || this.#connection.closed) return;
    const { timeline, clock } = this.#parts;
    const { id: client } = this.#member.record;
    const { address } = this.#guest;
    await timeline.audit("protocol_error", { client, address, reason: error.message });
    const bytes = encodeFrame("REFUSE", { code: "bad_frame", reason: error.message });
    await farewell(this.#connection, { clock, bytes });
  }

  /** Without a byte for a minute the transfer is given up, or the idle connection closed. */
  #watchProgress(): void {
    const { clock, log } = this.#parts;
    const left = this.#progressAt + TRANSFER_STALL_MS - clock.now();
    this.#stallTimer = clock.after(left, () => {
      if (clock.now() - this.#progressAt < TRANSFER_STALL_MS) return this.#watchProgress();
      const { name } = this.#member.record;
      log.warn("{name}: gave a transfer up after {ms} ms without a byte", {
        name,
        ms: TRANSFER_STALL_MS,
      });
      this.#connection.close();
    });
  }
}
