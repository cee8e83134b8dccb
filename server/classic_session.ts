/**
 * One connection of the classic dialect: heartbeats, chat, and files, told apart by the tokeniser.
 *
 * A classic client is watched for silence from its first HEARTBEAT on (HB-100).
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { nextTurn } from "../platform/clock.ts";
import {
  byteStream,
  checkOffer,
  CLASSIC_SETTLE_MS,
  classicReady,
  classicReject,
  classicText,
  type ClassicToken,
  ClassicTokeniser,
  type Connection,
  isTokenStart,
  mayBecomeTokenStart,
  type Offer,
  pumpBytes,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import type { ClassicInput } from "./classic_input.ts";
import { farewell } from "./farewell.ts";
import type { ServerParts } from "./parts.ts";
import type { IncomingFile } from "./incoming_file.ts";
import { recordFile } from "./record_file.ts";
import type { Link, Member } from "./roster.ts";
import type { ClientRecord } from "./store_record.ts";
import { TransferError } from "./transfer_error.ts";

/** A classic peer on its connection. */
export interface ClassicGuest {
  connection: Connection;
  /** What arrives on it, with what has been read of it already. */
  input: ClassicInput;
  record: ClientRecord;
  address: string;
  /** Sets what happens when bytes arrive. */
  setOnBytes: (run: () => void) => void;
}

/** Before a chunk of so many bytes is handled, the other connections have their turn. */
const TURN_BYTES = 4 * 1024;

type OfferToken = Extract<ClassicToken, { kind: "offer" }>;

/** Serves the connection to its end; rejects only with what broke it. */
export async function runClassicSession(guest: ClassicGuest, parts: ServerParts): Promise<void> {
  await new ClassicSession(guest, parts).run();
}

class ClassicSession implements Link {
  readonly epoch = 0;
  /** Heartbeats that came on this connection. */
  beats = 0;
  lastTextAt = 0;
  #guest: ClassicGuest;
  #parts: ServerParts;
  #member: Member;
  #connection: Connection;
  #input: ClassicInput;
  #tokeniser = new ClassicTokeniser();
  #saidGoodbye = false;
  #ended = false;
  #receiving = false;
  #delivering: Promise<void> = Promise.resolve();
  #progressAt = 0;

  constructor(guest: ClassicGuest, parts: ServerParts) {
    this.#guest = guest;
    this.#parts = parts;
    this.#connection = guest.connection;
    this.#member = parts.roster.admit(guest.record);
    this.#input = guest.input;
  }

  async run(): Promise<void> {
    const { clock, log, store, watch } = this.#parts;
    const { address, setOnBytes } = this.#guest;
    const { id } = this.#member.record;
    this.#member.others.add(this);
    setOnBytes(() => {
      this.#progressAt = clock.now();
      watch.heard(id);
    });
    try {
      const known = watch.get(id);
      const watched = known !== undefined && known.watched && known.state !== "PLANNED";
      watch.event(id, { kind: "connected", watched });
      const at = clock.wall();
      this.#member.record = { ...this.#member.record, app: "classic", address, lastSeen: at };
      // A full disk must not keep a client from being watched.
      store.noteConnected(id, { app: "classic", address, at }).catch((error) =>
        log.error("Cannot record a connection: {error}", { error: String(error) })
      );
      this.deliver();
      await this.#serve();
    } finally {
      this.#member.others.delete(this);
      this.#connection.close();
      this.#tellPresence();
    }
  }

  ping(): void {} // The classic dialect has no question that a client would answer.

  /** Sends the operator's waiting texts, but never between an offer and the end of its file. */
  deliver(): void {
    this.#delivering = this.#delivering.then(() => this.#deliver());
  }

  async end(_why: "shutdown" | "replaced" | "revoked"): Promise<void> {
    this.#ended = true; // This server's doing says nothing of the client.
    await farewell(this.#connection, { clock: this.#parts.clock });
  }

  async #serve(): Promise<void> {
    while (!this.#connection.closed) {
      const chunk = await this.#input.next(this.#tokeniser.settleAfterMs);
      // A long chunk may have others behind it, and a read that finds them never lets others have a turn.
      if (chunk !== null && chunk.length >= TURN_BYTES) await nextTurn();
      const tokens = chunk === "quiet"
        ? this.#tokeniser.settle()
        : chunk === null
        ? this.#tokeniser.end()
        : this.#tokeniser.push(chunk);
      if (!await this.#handleAll(tokens)) return;
      if (chunk === null) return;
    }
  }

  /** Handles tokens in order; false when one of them was a goodbye. */
  async #handleAll(tokens: ClassicToken[]): Promise<boolean> {
    for (const token of tokens) {
      switch (token.kind) {
        case "heartbeat":
          this.#onHeartbeat();
          break;
        case "text":
          await this.#onText(token.text);
          break;
        case "offer":
          if (!await this.#handleAll(await this.#onOffer(token))) return false;
          break;
        case "bad_offer":
          if (!await this.#handleAll(await this.#reject(token, "the size is no whole number"))) {
            return false;
          }
          break;
        case "bye":
        case "end":
          this.#saidGoodbye = true;
          return false;
      }
    }
    return true;
  }

  #onHeartbeat(): void {
    const { watch, timeline, log } = this.#parts;
    const { id, name } = this.#member.record;
    this.beats++;
    watch.event(id, { kind: "beat" });
    timeline.beat(id, { seq: this.beats });
    log.debug("{name}: heartbeat {seq}", { name, seq: this.beats });
  }

  async #onText(text: string): Promise<void> {
    const { clock, newId, onMessage, store, timeline } = this.#parts;
    const { id: client, name } = this.#member.record;
    const message = { id: newId(), client, text };
    this.lastTextAt = clock.now();
    const at = clock.wall();
    await store.receiveMessage({ ...message, sentAt: at, at });
    timeline.changed();
    onMessage({ ...message, from: name });
  }

  /** Answers an offer and takes its bytes; resolves with the tokens that came glued behind a refused one. */
  async #onOffer(token: OfferToken): Promise<ClassicToken[]> {
    const { vault } = this.#parts;
    if (!isUtf8(token.nameBytes)) return await this.#reject(token, "the name is no UTF-8");
    const offer = checkOffer([token.name], token.size);
    if ("code" in offer) return await this.#reject(token, offer.reason);
    const refusal = vault.refusal(offer);
    if (refusal !== undefined) return await this.#reject(token, refusal.reason);
    try {
      await using file = await vault.openOnce(this.#member.record, offer);
      this.#receiving = true;
      await this.#connection.write(classicReady(token.nameBytes));
      this.#input.unread(this.#tokeniser.takeRest());
      return await this.#receive(offer, file);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      return await this.#abort(token.name, error.message);
    } finally {
      this.#receiving = false;
      this.deliver();
    }
  }

  async #receive(offer: Offer, file: IncomingFile): Promise<ClassicToken[]> {
    const [name = ""] = offer.path;
    using _stall = this.#watchProgress(name);
    await pumpBytes(byteStream(this.#input, { length: offer.size }), (chunk) => file.write(chunk));
    const rest = await this.#restOfToken(this.#input.takeLeft());
    if (rest.length > 0 && !isTokenStart(rest)) {
      return await this.#abort(name, `more than the announced ${offer.size} bytes came`);
    }
    const id = this.#parts.newId();
    const published = await file.publish();
    try {
      await recordFile(published, { id, member: this.#member, parts: this.#parts });
    } catch (error) {
      // The classic dialect cannot offer it again: what is sent anew would get a number.
      await this.#parts.vault.takeBack(this.#member.record, published);
      throw error;
    }
    await file.settle();
    return rest.length > 0 ? this.#tokeniser.push(rest) : [];
  }

  /** Bytes glued behind a file, with what TCP still owes of them when they may be half a token. */
  async #restOfToken(rest: Uint8Array): Promise<Uint8Array> {
    while (rest.length > 0 && !isTokenStart(rest) && mayBecomeTokenStart(rest)) {
      const more = await this.#input.next(CLASSIC_SETTLE_MS);
      if (more === "quiet" || more === null) return rest;
      rest = new Uint8Array([...rest, ...more]);
    }
    return rest;
  }

  async #reject(
    token: { name: string; nameBytes: Uint8Array },
    reason: string,
  ): Promise<ClassicToken[]> {
    const { id: client } = this.#member.record;
    await this.#connection.write(classicReject(token.nameBytes));
    const { address } = this.#guest;
    await this.#parts.timeline.audit("file_rejected", {
      client,
      address,
      file: token.name,
      reason,
    });
    return this.#tokeniser.rejected().tokens;
  }

  /** Ends the connection over a file that went wrong; the classic dialect has no word for it. */
  async #abort(file: string, reason: string): Promise<ClassicToken[]> {
    const { log, timeline } = this.#parts;
    const { id: client, name } = this.#member.record;
    const { address } = this.#guest;
    log.warn("{name}: nothing was stored of {file}: {reason}", { name, file, reason });
    await timeline.audit("file_rejected", { client, address, file, reason });
    this.#connection.close();
    return [];
  }

  async #deliver(): Promise<void> {
    const { clock, log, store, timeline } = this.#parts;
    const { id, name } = this.#member.record;
    try {
      for (const message of await store.waitingMessages(id)) {
        if (this.#receiving || this.#connection.closed) return;
        await this.#connection.write(classicText(message.text));
        await store.markMessages(id, { ids: [message.id], state: "sent", at: clock.wall() });
        timeline.changed();
      }
    } catch (error) {
      log.warn("Cannot deliver messages to {name}: {error}", { name, error: String(error) });
    }
  }

  #watchProgress(file: string): Disposable {
    const { clock, log } = this.#parts;
    this.#progressAt = clock.now();
    const check = () => {
      const left = this.#progressAt + TRANSFER_STALL_MS - clock.now();
      return clock.after(left, () => {
        if (clock.now() - this.#progressAt < TRANSFER_STALL_MS) return void (timer = check());
        log.warn("{name}: gave {file} up after {ms} ms without a byte", {
          name: this.#member.record.name,
          file,
          ms: TRANSFER_STALL_MS,
        });
        this.#connection.close();
      });
    };
    let timer = check();
    return { [Symbol.dispose]: () => timer.cancel() };
  }

  #othersBeat(): boolean {
    return [...this.#member.others].some((other) =>
      other !== this && other instanceof ClassicSession && other.beats > 0
    );
  }

  #tellPresence(): void {
    const { watch } = this.#parts;
    const { id } = this.#member.record;
    if (this.#ended || this.#othersBeat()) return;
    const cause = this.#saidGoodbye ? "said bye: stop" : "closed";
    const left = { kind: "left", cause } as const;
    if (this.beats > 0) return watch.event(id, this.#saidGoodbye ? left : { kind: "lost" });
    if (this.#member.others.size === 0 && watch.get(id)?.watched !== true) watch.event(id, left);
  }
}
