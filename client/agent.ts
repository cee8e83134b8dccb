/**
 * The agent: stays connected to the server for as long as the process lives.
 *
 * It prints nothing and opens nothing by itself; the chat, the service and the library door all drive it
 * through its ports and listen to its events.
 *
 * @module
 */

import { type Clock, type Random, sleep } from "../platform/clock.ts";
import { failpoint } from "../platform/failpoint.ts";
import type { Vitals } from "../platform/host_facts.ts";
import { uuidV7 } from "../platform/random.ts";
import { RECONNECT_MAX_MS } from "../protocol/mod.ts";
import { AgentJournal } from "./agent_journal.ts";
import {
  AgentSession,
  type ByeReason,
  type SessionEnd,
  type SessionEvents,
} from "./agent_session.ts";
import { CannotConnectError, ClientError, RefusedError, WRONG_SERVER } from "./client_error.ts";
import type { Dialled } from "./dial.ts";
import type { MessageAnswer } from "./message_delivery.ts";
import { checkMessageText } from "./message_text.ts";
import type { Receiver } from "./receive.ts";
import { Reconnect, shutdownDelay } from "./reconnect.ts";
import type { ClientStore } from "./store.ts";
import type { StoredMessage } from "./stored_message.ts";

export type { ByeReason } from "./agent_session.ts";
export type { MessageAnswer } from "./message_delivery.ts";

/** What the agent is doing. */
export type AgentState =
  | { kind: "connecting" }
  | { kind: "connected"; name: string; address: Dialled["address"]; rttMs: number }
  | { kind: "waiting"; waitMs: number; reason: string; hint?: string | undefined }
  | { kind: "stopped" };

/** What the agent tells; what nobody listens to is dropped. */
export interface AgentEvents {
  /** It has begun to do something else. */
  onState?: (state: AgentState) => void;
  /** A message of the server is on this machine's disk. */
  onMessage?: (message: StoredMessage) => void;
  /** The server has stored, shown or refused a message. */
  onReceipt?: (answer: MessageAnswer) => void;
  /** Something that a person should know. */
  onWarning?: (warning: string) => void;
}

/** What an {@linkcode Agent} works with. */
export interface AgentPorts {
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Opens one connection of role `agent`. */
  connect: (request: { onRead: () => void; signal: AbortSignal }) => Promise<Dialled>;
  /** Outbox and inbox; the caller closes it after `run()`. */
  store: ClientStore;
  /** Measures the machine. */
  vitals: () => Vitals;
  /** Fetches the files of the server, for as long as the agent runs. @default they are refused */
  receiver?: Receiver;
}

/** Time for saying BYE when the agent stops, in milliseconds. */
export const STOP_LIMIT_MS = 2_000;
/** Refusals that another try would not change. */
const FINAL_REFUSALS = ["version", "unknown_client", "bad_proof", "revoked", "name_taken"];

/** Keeps one client connected. */
export class Agent {
  readonly #ports: AgentPorts;
  readonly #events: AgentEvents;
  readonly #reconnect: Reconnect;
  readonly #journal: AgentJournal;
  readonly #stopping = new AbortController();
  /** Ends a try to connect that goes on for too long after `stop()`. */
  readonly #giveUp = new AbortController();
  /** The goodbye that `stop()` wants. */
  #bye: Parameters<AgentSession["leave"]>[0] | undefined;
  /** The connection under way, from its first byte to its last. */
  #attempt: Promise<unknown> | undefined;
  #state: AgentState = { kind: "connecting" };
  #session: AgentSession | undefined;
  #everConnected = false;
  #onDrained: (() => void) | undefined;

  /** Does nothing before `run()`. */
  constructor(ports: AgentPorts, events: AgentEvents = {}) {
    this.#ports = ports;
    this.#events = events;
    this.#reconnect = new Reconnect(ports.random);
    const onWarning = (warning: string) => events.onWarning?.(warning);
    this.#journal = new AgentJournal({ ...ports, onWarning });
  }

  /** What it is doing now. */
  get state(): AgentState {
    return this.#state;
  }

  /** Round trip of the last answered heartbeat, in milliseconds; undefined while there is none. */
  get roundTripMs(): number | undefined {
    return this.#session?.roundTripMs;
  }

  /**
   * Connects, serves, reconnects, until `stop()`. Rejects with a `RefusedError` when the server refuses this
   * client for good.
   */
  async run(): Promise<void> {
    using journal = this.#journal;
    journal.start();
    const receiving = this.#receive();
    try {
      while (!this.#stopping.signal.aborted) {
        const attempt = this.#connectOnce();
        this.#attempt = attempt;
        const wait = await attempt;
        if (wait === undefined || this.#stopping.signal.aborted) continue;
        journal.lost(wait.reason);
        this.#become({ kind: "waiting", ...wait });
        // Only stop() ends the wait early, and the loop then ends by itself.
        await sleep(this.#ports.clock, wait.waitMs, this.#stopping.signal).catch(() => {});
      }
    } finally {
      await this.#ports.receiver?.stop();
      await receiving;
      this.#become({ kind: "stopped" });
    }
  }

  /** Queues a text for the server, durably, and sends it when connected. Returns the message's id. */
  say(text: string): string {
    checkMessageText(text);
    const { clock, store } = this.#ports;
    const id = uuidV7(clock);
    store.outbox.queue({ id, at: clock.wall(), text });
    failpoint("outbox_queued");
    this.#session?.flush();
    return id;
  }

  /** Notes that messages were shown to a person, and tells the server now or when connected. */
  markShown(...ids: string[]): void {
    try {
      this.#ports.store.markShown(...ids);
    } catch (error) {
      // It is shown once more at the next start; a full disk must not cost the heartbeats.
      const reason = error instanceof Error ? error.message : String(error);
      this.#events.onWarning?.(`Cannot note that a message was shown: ${reason}`);
    }
    this.#session?.flush();
  }

  /** Resolves when the server has stored everything that waited, or after `limitMs` at the latest. */
  async drained(limitMs: number): Promise<void> {
    if (this.#ports.store.outbox.waiting().messages === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onDrained = resolve;
    using _limit = this.#ports.clock.after(limitMs, resolve);
    await promise;
    this.#onDrained = undefined;
  }

  /**
   * Says BYE where connected and ends `run()`; either step takes STOP_LIMIT_MS at most. A greeting under way is
   * finished first: the server may already have let this client in, and would miss it without a BYE. Safe to
   * call again.
   */
  async stop(reason: ByeReason = "stop", backInSeconds?: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#bye = { reason, ...(backInSeconds === undefined ? {} : { backInSeconds }) };
    const why = new ClientError("Cannot go on: the agent was stopped");
    this.#stopping.abort(why);
    this.#journal.stopped(reason);
    using _limit = this.#ports.clock.after(STOP_LIMIT_MS, () => this.#giveUp.abort(why));
    const received = this.#ports.receiver?.stop();
    await this.#session?.leave(this.#bye, STOP_LIMIT_MS);
    await this.#attempt?.catch(() => {}); // What went wrong is told by `run()`.
    await received;
  }

  /** A fault in what receives files must not cost the heartbeats. */
  async #receive(): Promise<void> {
    try {
      await this.#ports.receiver?.run();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#events.onWarning?.(`Cannot receive files any more: ${reason}`);
    }
  }

  /** One connection from the first byte to the last; resolves with the wait before the next. */
  async #connectOnce(): Promise<{ waitMs: number; reason: string; hint?: string | undefined }> {
    this.#become({ kind: "connecting" });
    let dialled: Dialled;
    try {
      const onRead = () => this.#session?.heard();
      dialled = await this.#ports.connect({ onRead, signal: this.#giveUp.signal });
    } catch (error) {
      return this.#afterFailure(error);
    }
    const session = new AgentSession(dialled, { ...this.#ports, events: this.#sessionEvents() });
    this.#everConnected = true;
    const startedAt = this.#ports.clock.now();
    this.#session = session;
    const { ack, address, rttMs } = dialled;
    this.#journal.connected();
    this.#become({ kind: "connected", name: ack.name, address, rttMs });
    const ending = session.run();
    if (this.#bye !== undefined) await session.leave(this.#bye, STOP_LIMIT_MS);
    const end = await ending;
    this.#session = undefined;
    const lastedMs = this.#ports.clock.now() - startedAt;
    this.#reconnect.sessionEnded({ lastedMs, intervalMs: ack.interval });
    return this.#afterSession(end, ack.interval);
  }

  #afterFailure(error: unknown): { waitMs: number; reason: string; hint?: string | undefined } {
    if (this.#stopping.signal.aborted) return { waitMs: 0, reason: "stopping" };
    const expected = error instanceof CannotConnectError || error instanceof RefusedError;
    if (!expected) throw error;
    // On its way a laptop meets other servers at the address of its own; only the first try is final.
    const isForeign = error.code === WRONG_SERVER && !this.#everConnected;
    if (isForeign || FINAL_REFUSALS.includes(error.code)) throw error;
    return { waitMs: this.#reconnect.next(), reason: error.message, hint: error.hint };
  }

  #afterSession(end: SessionEnd, intervalMs: number): { waitMs: number; reason: string } {
    const { random } = this.#ports;
    switch (end.kind) {
      case "lost":
        return { waitMs: this.#reconnect.next(), reason: end.reason };
      case "refused":
        if (FINAL_REFUSALS.includes(end.code)) {
          throw new RefusedError(end.code, `Cannot stay connected: the server says: ${end.reason}`);
        }
        return { waitMs: this.#reconnect.next(), reason: `the server says: ${end.reason}` };
      case "bye":
        if (end.reason === "replaced") {
          this.#events.onWarning?.(
            "Another machine or process uses this identity; the server has let it in instead of this one",
          );
          return { waitMs: RECONNECT_MAX_MS, reason: "replaced by another connection" };
        }
        return {
          waitMs: shutdownDelay(intervalMs, random),
          reason: `the server said bye (${end.reason})`,
        };
    }
  }

  #sessionEvents(): SessionEvents {
    return {
      onMessage: (message) => this.#events.onMessage?.(message),
      onReceipt: (answer) => {
        this.#events.onReceipt?.(answer);
        if (this.#ports.store.outbox.waiting().messages === 0) this.#onDrained?.();
      },
      onWarning: (warning) => this.#events.onWarning?.(warning),
    };
  }

  #become(state: AgentState): void {
    this.#state = state;
    this.#events.onState?.(state);
  }
}
