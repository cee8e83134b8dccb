/**
 * One session of role `agent` or `tool`: heartbeats, messages and goodbyes on one connection.
 *
 * @module
 */

import type { Timer } from "../platform/clock.ts";
import {
  type Admitted,
  type Connection,
  encodeFrame,
  type Frame,
  type FrameOf,
  ProtocolError,
  RECONNECT_MAX_MS,
  WRITE_STALL_MS,
} from "../protocol/mod.ts";
import { ackFrame } from "./ack.ts";
import { SHUT_OUT_MS } from "./clone_guard.ts";
import { farewell } from "./farewell.ts";
import { FrameReader } from "../platform/frame_reader.ts";
import { handleHeartbeat } from "./handle_heartbeat.ts";
import { JournalIntake } from "./journal_intake.ts";
import { PushDelivery } from "./handle_push.ts";
import { MessageDelivery } from "./message_delivery.ts";
import { MessageIntake } from "./message_intake.ts";
import type { ServerParts } from "./parts.ts";
import type { Cause } from "./presence.ts";
import { recordPushRejected, recordPushStored } from "./record_push.ts";
import type { Link, Member } from "./roster.ts";
import type { Session } from "./session.ts";
import type { ClientRecord, PushOutcome } from "./store_record.ts";

/** How often a session looks for a write that stands still, in milliseconds. */
const STALL_CHECK_MS = WRITE_STALL_MS / 3;
/** Time that a client has to come back once it is let in again, in milliseconds. */
const BACK_MS = 2 * RECONNECT_MAX_MS;
/** Round trips that are being measured at most; a peer that answers none cannot grow the list. */
const MAX_OPEN_PINGS = 8;

/** A greeted peer on its connection. */
export interface Guest {
  connection: Connection;
  record: ClientRecord;
  address: string;
  admitted: Admitted;
  /** Sets what happens when bytes arrive. */
  setOnBytes: (run: () => void) => void;
}

/** How a session ended, as far as presence is concerned. */
type Ending = { kind: "lost" } | { kind: "left"; cause: Cause; backInMs?: number | undefined } | {
  kind: "superseded";
};

/** Serves the session to its end; rejects only with what broke the connection. */
export async function runControlSession(guest: Guest, parts: ServerParts): Promise<void> {
  const session = new ControlSession(guest, parts);
  await session.run();
}

/** The state of one agent or tool session. */
export class ControlSession implements Link, Session {
  readonly epoch: number;
  readonly connection: Connection;
  readonly member: Member;
  readonly parts: ServerParts;
  readonly isAgent: boolean;
  #guest: Guest;
  readonly #intake: MessageIntake;
  readonly #messages: MessageDelivery;
  readonly #journal: JournalIntake;
  #pushes: PushDelivery;
  #ending: Ending = { kind: "lost" };
  #frames: FrameReader;
  #unknownVerbs = 0;
  #pings = new Map<number, number>();
  #lastPing = 0;
  #stallTimer: Timer | undefined;

  /** Takes the guest; nothing is sent before `run`. */
  constructor(guest: Guest, parts: ServerParts) {
    this.#guest = guest;
    this.parts = parts;
    this.connection = guest.connection;
    this.#frames = new FrameReader(guest.connection);
    this.epoch = guest.admitted.epoch;
    this.isAgent = guest.admitted.role === "agent";
    this.member = parts.roster.admit(guest.record);
    this.#intake = new MessageIntake(this);
    this.#messages = new MessageDelivery(this);
    this.#journal = new JournalIntake(this);
    this.#pushes = new PushDelivery(this);
  }

  /** Where it connects from. */
  get address(): string {
    return this.#guest.address;
  }

  /** Id of the client. */
  get client(): string {
    return this.member.record.id;
  }

  /** Registers, answers ACK, serves frames until the end, and tells presence how it ended. */
  async run(): Promise<void> {
    if (this.isAgent && !await this.#takePlace()) return;
    if (!this.isAgent) this.member.others.add(this);
    try {
      this.#begin();
      await this.#serve();
    } catch (error) {
      await this.#explain(error);
      throw error;
    } finally {
      this.#end();
    }
  }

  /** Sends PING; the answer measures the round trip and refutes silence. */
  ping(): void {
    if (this.#pings.size >= MAX_OPEN_PINGS) this.#pings.clear();
    const n = ++this.#lastPing;
    this.#pings.set(n, this.parts.clock.now());
    this.connection.send({ verb: "PING", n });
  }

  /** @inheritdoc */
  deliver(): void {
    void this.#messages.deliver();
    if (this.isAgent) void this.#pushes.deliver();
  }

  /** @inheritdoc */
  tellShown(): void {
    void this.#messages.tellShown();
  }

  /** @inheritdoc */
  pushEnded(id: string, outcome: PushOutcome): void {
    this.#pushes.ended(id, outcome);
  }

  /** @inheritdoc */
  async end(why: "shutdown" | "replaced" | "revoked"): Promise<void> {
    this.#ending = { kind: "superseded" }; // This server's doing says nothing of the client.
    if (why === "revoked") {
      const reason = "The operator has revoked this machine";
      this.connection.send({ verb: "REFUSE", code: "revoked", reason });
    } else this.connection.send({ verb: "BYE", reason: why });
    await farewell(this.connection, { clock: this.parts.clock });
  }

  /** Makes this the client's one agent session, unless an older process asks while a newer one is UP. */
  async #takePlace(): Promise<boolean> {
    const { clones, watch } = this.parts;
    const shutOut = clones.refusal(this.client);
    if (shutOut !== undefined) return await this.#refuse(shutOut);
    const current = this.member.agent;
    if (current !== undefined && current.epoch > this.epoch) {
      if (watch.get(this.client)?.state === "UP") {
        void this.#suspectClone(current, { swapped: false });
        return await this.#refuse("A newer process of this client is connected");
      }
    }
    this.member.agent = this;
    if (current !== undefined) void this.#displace(current);
    return true;
  }

  async #refuse(reason: string): Promise<boolean> {
    const bytes = encodeFrame("REFUSE", { code: "closed", reason });
    await farewell(this.connection, { clock: this.parts.clock, bytes });
    return false;
  }

  /** Ends the session whose place this one has taken, after it was asked whether it is alive. */
  async #displace(current: Link): Promise<void> {
    const { timeline } = this.parts;
    const { name } = this.member.record;
    const address = this.address;
    void timeline.audit("replaced", { client: this.client, address, name });
    const shutOut = await this.#suspectClone(current, { swapped: true });
    await current.end("replaced");
    if (shutOut) await this.#shutOut();
  }

  /** Whether two machines use this identity and must both be shut out. */
  async #suspectClone(other: Link, { swapped }: { swapped: boolean }): Promise<boolean> {
    const { clones } = this.parts;
    if (!await clones.isAlive(other)) return false;
    const addresses = [other.address ?? "", this.address];
    return clones.proven(this.client, { addresses, swapped });
  }

  /** Nobody is let in for a time; that the machine is not heard of then is no news. */
  async #shutOut(): Promise<void> {
    const { member, parts } = this;
    const agent = member.agent;
    await agent?.end("replaced");
    const left = { kind: "left", cause: "replaced", backInMs: SHUT_OUT_MS + BACK_MS } as const;
    parts.watch.event(this.client, left);
  }

  #begin(): void {
    const { clock, log, store, watch } = this.parts;
    const { address, admitted, setOnBytes } = this.#guest;
    const { name } = this.member.record;
    this.connection.send(ackFrame(this.parts, { version: admitted.version, name }));
    this.#watchWrites();
    if (!this.isAgent) return;
    setOnBytes(() => watch.heard(this.client));
    watch.event(this.client, { kind: "connected", watched: true });
    this.ping();
    const at = clock.wall();
    this.#noteAddress();
    this.member.record = { ...this.member.record, app: admitted.app, address, lastSeen: at };
    // A full disk must not keep a client from being watched.
    store.noteConnected(this.client, { app: admitted.app, address, at }).catch((error) =>
      log.error("Cannot record a connection: {error}", { error: String(error) })
    );
    this.deliver();
    this.tellShown();
  }

  /** A machine that has moved, or another one, is to be found in its timeline. */
  #noteAddress(): void {
    const { address: from } = this.member.record;
    const { address } = this;
    if (from === "" || from === address) return;
    void this.parts.timeline.audit("address_changed", { client: this.client, from, address });
  }

  async #serve(): Promise<void> {
    while (true) {
      const frame = await this.#frames.next();
      // What has been read ahead does not count any more once this side has closed.
      if (frame === null || this.connection.closed) return;
      if (frame.verb === "BYE") return this.#onBye(frame);
      if (frame.verb !== "unknown") await this.#handle(frame);
      else this.#unknownVerbs++;
    }
  }

  async #handle(frame: Frame): Promise<void> {
    switch (frame.verb) {
      case "HEARTBEAT":
        return handleHeartbeat(frame, this);
      case "PONG":
        return this.#onPong(frame);
      case "MESSAGE":
        return await this.#intake.take(frame);
      case "RECEIPT":
        return await this.#messages.receipted(frame);
      case "JOURNAL":
        if (this.isAgent) return this.#journal.take(frame);
        break;
      case "STORED":
        if (this.isAgent) return await recordPushStored(frame, this);
        break;
      case "REJECT":
        if (this.isAgent) return await recordPushRejected(frame, this);
        break;
      case "REFUSE":
        // Any other refusal is an answer that changes nothing here.
        if (frame.code === "full" && frame.id !== undefined) this.#messages.refused();
        return;
      default:
        break;
    }
    const { role } = this.#guest.admitted;
    throw new ProtocolError(
      "unexpected",
      `Cannot take ${frame.verb} on a connection of role ${role}`,
    );
  }

  #onPong({ n }: FrameOf<"PONG">): void {
    const { clock, clones, timeline, watch } = this.parts;
    const sentAt = this.#pings.get(n);
    if (sentAt === undefined || !this.isAgent) return;
    this.#pings.delete(n);
    clones.answered(this);
    const ms = clock.now() - sentAt;
    watch.event(this.client, { kind: "round_trip", ms });
    timeline.roundTrip(this.client, ms);
  }

  #onBye({ reason, back_in }: FrameOf<"BYE">): void {
    const planned = reason === "sleep" || reason === "reboot" || reason === "update"
      ? reason
      : "stop";
    this.#ending = {
      kind: "left",
      cause: `said bye: ${planned}`,
      backInMs: back_in === undefined ? undefined : back_in * 1000,
    };
  }

  /** Tells the peer what it did wrong, where that can still be told. */
  async #explain(error: unknown): Promise<void> {
    if (!(error instanceof ProtocolError) || this.connection.closed) return;
    const { address } = this.#guest;
    const { timeline, clock } = this.parts;
    await timeline.audit("protocol_error", { client: this.client, address, reason: error.message });
    const bytes = encodeFrame("REFUSE", { code: "bad_frame", reason: error.message });
    await farewell(this.connection, { clock, bytes });
  }

  #end(): void {
    this.parts.clones.ended(this);
    this.#stallTimer?.cancel();
    this.#pushes[Symbol.dispose]();
    this.connection.close();
    this.#intake.end();
    this.#messages[Symbol.dispose]();
    this.member.others.delete(this);
    if (!this.isAgent) return;
    if (this.member.agent === this) this.member.agent = undefined;
    else if (this.member.agent !== undefined) return; // Replaced: the client is still connected.
    const ending = this.#ending;
    if (ending.kind !== "superseded") this.parts.watch.event(this.client, ending);
  }

  /** A peer that does not read loses its connection once a write has stood still for long enough. */
  #watchWrites(stuckAt = -1, stuckChecks = 0): void {
    const { clock, log } = this.parts;
    this.#stallTimer = clock.after(STALL_CHECK_MS, () => {
      const { bytesWritten, pendingBytes, closed } = this.connection;
      if (closed) return;
      const stuck = pendingBytes > 0 && bytesWritten === stuckAt ? stuckChecks + 1 : 0;
      if (stuck * STALL_CHECK_MS < WRITE_STALL_MS) return this.#watchWrites(bytesWritten, stuck);
      log.warn("Dropped {name}: it has not read for {ms} ms", {
        name: this.member.record.name,
        ms: WRITE_STALL_MS,
      });
      this.connection.close();
    });
  }
}
