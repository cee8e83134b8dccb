/**
 * One connection of the agent, from ACK to its end: heartbeats out, messages both ways, offers
 * of files in.
 *
 * @module
 */

import type { Clock, Random, Timer } from "../platform/clock.ts";
import { FrameReader } from "../platform/frame_reader.ts";
import type { Vitals } from "../platform/host_facts.ts";
import {
  type Connection,
  type Frame,
  type FrameOf,
  ProtocolError,
  WRITE_STALL_MS,
} from "../protocol/mod.ts";
import { ConnectionWatch } from "./connection_watch.ts";
import type { Dialled } from "./dial.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Receiver } from "./receive.ts";
import { JournalDelivery } from "./journal_delivery.ts";
import { type MessageAnswer, MessageDelivery } from "./message_delivery.ts";
import { MessageIntake } from "./message_intake.ts";
import type { ClientStore } from "./store.ts";
import type { StoredMessage } from "./stored_message.ts";

/** Why a side says BYE. */
export type ByeReason = FrameOf<"BYE">["reason"];

/** How a session ended. */
export type SessionEnd =
  | { kind: "lost"; reason: string }
  | { kind: "bye"; reason: ByeReason }
  | { kind: "refused"; code: string; reason: string };

/** What a session tells. */
export interface SessionEvents {
  /** A message of the server has been stored here for the first time. */
  onMessage: (message: StoredMessage) => void;
  /** The server has stored, shown or refused a message of this client. */
  onReceipt: (answer: MessageAnswer) => void;
  /** Something that a person should know. */
  onWarning: (warning: string) => void;
}

/** What a session works with. */
export interface SessionPorts {
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Outbox and inbox. */
  store: ClientStore;
  /** Measures the machine. */
  vitals: () => Vitals;
  /** Whom to tell. */
  events: SessionEvents;
  /** Takes the files of the server. @default they are refused */
  receiver?: Pick<Receiver, "take">;
}

/** How often the store is searched for what other processes have left in it, in milliseconds. */
export const OUTBOX_POLL_MS = 2_000;
/** The server's word, in ACK, that it takes journals. */
const JOURNAL_FEATURE = "journal";

/** Runs one accepted connection of role `agent`; owns and closes it. */
export class AgentSession {
  readonly #connection: Connection;
  readonly #frames: FrameReader;
  readonly #ports: SessionPorts;
  readonly #heartbeat: Heartbeat;
  readonly #ended = Promise.withResolvers<void>();
  readonly #intake: MessageIntake;
  readonly #delivery: MessageDelivery;
  readonly #journal: JournalDelivery | undefined;
  #end: SessionEnd | undefined;
  #pollTimer: Timer | undefined;
  /** Whether the store has failed and not worked since; it is said once. */
  #storeFailed = false;
  readonly #watch: ConnectionWatch;

  /** Takes the connection; nothing is sent before `run()`. */
  constructor(dialled: Pick<Dialled, "connection" | "ack">, ports: SessionPorts) {
    this.#connection = dialled.connection;
    this.#frames = new FrameReader(dialled.connection);
    this.#ports = ports;
    this.#watch = new ConnectionWatch(dialled.connection, ports.clock);
    const { clock, random, store, events } = ports;
    const { connection } = dialled;
    this.#intake = new MessageIntake({ clock, store, connection, ...events });
    this.#delivery = new MessageDelivery({ clock, random, store, connection, ...events });
    this.#journal = dialled.ack.features.includes(JOURNAL_FEATURE)
      ? new JournalDelivery({ clock, journal: store.journal, connection })
      : undefined;
    this.#heartbeat = new Heartbeat({
      clock: ports.clock,
      random: ports.random,
      intervalMs: dialled.ack.interval,
      vitals: ports.vitals,
      send: (frame) => this.#connection.send(frame),
      onSilent: (ms) => this.#lose(`the server was silent for ${Math.round(ms / 1000)} s`),
    });
  }

  /** Round trip of the last answered heartbeat, in milliseconds; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs;
  }

  /** Takes note of bytes from the server. */
  heard(): void {
    this.#heartbeat.heard();
  }

  /** Serves the connection until it ends; never rejects for what the peer or the network did. */
  async run(): Promise<SessionEnd> {
    try {
      this.#heartbeat.start();
      this.#poll();
      this.flush();
      await this.#serve();
    } catch (error) {
      await this.#explain(error);
      this.#end ??= { kind: "lost", reason: reasonOf(this.#connection.failure ?? error) };
    } finally {
      this.#heartbeat[Symbol.dispose]();
      this.#intake[Symbol.dispose]();
      this.#delivery[Symbol.dispose]();
      this.#pollTimer?.cancel();
      this.#connection.close();
      this.#ended.resolve();
    }
    return this.#end ?? { kind: "lost", reason: "the server closed the connection" };
  }

  /** Sends what waits in the store and has not been sent in this session. */
  flush(): void {
    this.#delivery.flush().catch((error) => this.#onStoreFailure(error));
    this.#withStore(() => {
      this.#delivery.tellShown();
      this.#journal?.flush();
    });
  }

  /** Says BYE; the server then closes. After `limitMs` the connection is closed here. */
  async leave(bye: { reason: ByeReason; backInSeconds?: number }, limitMs: number): Promise<void> {
    this.#heartbeat[Symbol.dispose]();
    const { reason, backInSeconds } = bye;
    this.#connection.send({
      verb: "BYE",
      reason,
      ...(backInSeconds === undefined ? {} : { back_in: backInSeconds }),
    });
    using _limit = this.#ports.clock.after(limitMs, () => this.#connection.close());
    await this.#ended.promise;
  }

  #lose(reason: string): void {
    this.#end ??= { kind: "lost", reason };
    this.#connection.close();
  }

  async #serve(): Promise<void> {
    while (this.#end === undefined) {
      const frame = await this.#frames.next();
      if (frame === null) return;
      if (frame.verb !== "unknown") this.#handle(frame);
    }
  }

  #handle(frame: Frame): void {
    switch (frame.verb) {
      case "BEAT":
        return this.#heartbeat.answered(frame);
      case "PING":
        return void this.#connection.send({ verb: "PONG", n: frame.n });
      case "MESSAGE":
        return this.#intake.take(frame);
      case "RECEIPT":
        return this.#withStore(() => this.#delivery.receipted(frame));
      case "JOURNALED":
        return this.#withStore(() => this.#journal?.journaled(frame));
      case "REFUSE":
        return this.#onRefuse(frame);
      case "BYE":
        this.#end = { kind: "bye", reason: frame.reason };
        return;
      case "PUSH":
        return this.#onPush(frame);
      default:
        throw new ProtocolError("unexpected", `Cannot take ${frame.verb} from the server here`);
    }
  }

  /**
   * What the store cannot write now, such as on a full disk, is made up for after the next reconnect; it must not cost
   * the connection, on which the heartbeats travel.
   */
  #withStore(run: () => void): void {
    try {
      run();
      this.#storeFailed = false;
    } catch (error) {
      this.#onStoreFailure(error);
    }
  }

  #onStoreFailure(error: unknown): void {
    if (this.#storeFailed || this.#connection.closed) return;
    this.#storeFailed = true;
    this.#ports.events.onWarning(`Cannot use this machine's store: ${reasonOf(error)}`);
  }

  #onPush(frame: FrameOf<"PUSH">): void {
    const { receiver } = this.#ports;
    if (receiver !== undefined) {
      return receiver.take(frame, (answer) => void this.#connection.send(answer));
    }
    const { id } = frame;
    const reason = "This machine takes no files";
    this.#connection.send({ verb: "REJECT", id, code: "denied", reason, retry: false });
  }

  #onRefuse({ code, reason, id }: FrameOf<"REFUSE">): void {
    if (id === undefined) {
      // A frame of ours that the server could not read changes nothing; any other word ends the session.
      if (code === "bad_frame") return this.#ports.events.onWarning(`The server says: ${reason}`);
      this.#end = { kind: "refused", code, reason };
      return;
    }
    this.#withStore(() => this.#delivery.refused({ code, reason, id }));
  }

  /** Looks after everything that nobody reports: other processes' messages, stuck writes, a nap. */
  #poll(): void {
    this.#pollTimer = this.#ports.clock.after(OUTBOX_POLL_MS, () => {
      this.#poll();
      this.flush();
      if (this.#watch.isStuck()) {
        this.#lose(`the server took no bytes for ${WRITE_STALL_MS / 1000} s`);
      }
      // After a sleep the connection may be dead without anybody knowing: ask at once.
      if (this.#watch.hasSlept()) this.#heartbeat.probe();
    });
  }

  /** Tells the server what it did wrong, where that can still be told. */
  async #explain(error: unknown): Promise<void> {
    if (!(error instanceof ProtocolError) || this.#connection.closed) return;
    this.#connection.send({ verb: "REFUSE", code: "bad_frame", reason: error.message });
    using _limit = this.#ports.clock.after(OUTBOX_POLL_MS, () => this.#connection.close());
    await this.#connection.flushed();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
    return "the connection was reset";
  }
  if (error instanceof Deno.errors.UnexpectedEof) return "the connection was cut off";
  if (error instanceof ProtocolError && error.code === "truncated") {
    return "the connection was cut off";
  }
  return error instanceof Error ? error.message : String(error);
}
