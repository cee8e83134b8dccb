/**
 * What an agent notes in its journal, and when: its own start and end, a reboot, sleep, the loss and the return of
 * the server, and vitals while there is none.
 *
 * @module
 */

import type { Clock, Timer } from "../platform/clock.ts";
import type { Vitals } from "../platform/host_facts.ts";
import { SLEPT_MS } from "./connection_watch.ts";
import type { JournalDetails, JournalEvent } from "./journal.ts";
import type { ClientStore } from "./store.ts";

/** How often vitals are noted while there is no server, in milliseconds. */
export const VITALS_MS = 60_000;
/** Uncertainty of the moment of a boot, in milliseconds: uptimes are whole seconds, and clocks are put right. */
const BOOT_TOLERANCE_MS = 10_000;
/** The fact that says when this machine was last known to be alive, and whether the agent ended as it should. */
const ALIVE = "alive";

/** What an {@linkcode AgentJournal} works with. */
export interface AgentJournalPorts {
  clock: Clock;
  store: ClientStore;
  /** Measures the machine. */
  vitals: () => Vitals;
  /** Told of an entry that could not be written; the agent goes on without it. */
  onWarning: (warning: string) => void;
}

/** Keeps the journal of one agent until it is disposed of. */
export class AgentJournal implements Disposable {
  readonly #ports: AgentJournalPorts;
  #timer: Timer | undefined;
  #drift = 0;
  /** Since when there is no server, on the monotonic clock; undefined while it is there. */
  #lostAt: number | undefined;
  /** Whether that stands in the journal. */
  #isNoted = false;
  #failed = false;

  /** Notes nothing before `start()`. */
  constructor(ports: AgentJournalPorts) {
    this.#ports = ports;
  }

  /** Notes that the agent has started, and whether the machine has been booted since it was last alive. */
  start(): void {
    const { clock } = this.#ports;
    this.#drift = clock.wall() - clock.now();
    this.#lostAt = clock.now();
    this.#noteStart();
    this.#tick();
  }

  /** Notes that there is a server again, if it stands in the journal that there was none. */
  connected(): void {
    const now = this.#ports.clock.now();
    const ms = now - (this.#lostAt ?? now);
    this.#lostAt = undefined;
    if (this.#isNoted) this.#add("server_back", { ms });
    this.#isNoted = false;
  }

  /** Notes that the server was lost, or is not to be reached; once per absence. */
  lost(reason: string): void {
    this.#lostAt ??= this.#ports.clock.now();
    if (this.#isNoted) return;
    this.#isNoted = true;
    this.#add("server_lost", { reason });
    this.#stayAlive(true);
  }

  /** Notes that the agent ends as it was told to. */
  stopped(reason: string): void {
    this.#add("stopped", { reason });
    this.#stayAlive(false);
  }

  /** Notes nothing more. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #noteStart(): void {
    const { clock, store, vitals } = this.#ports;
    const last = parseAlive(store.recall(ALIVE));
    const { up } = vitals();
    const now = clock.wall();
    this.#stayAlive(true);
    if (last === undefined) return this.#add("started");
    const bootedAt = up === undefined ? undefined : now - up * 1_000;
    const rebooted = bootedAt !== undefined && bootedAt > last.at + BOOT_TOLERANCE_MS;
    const reason = last.running ? "it had ended without a goodbye" : "it had been stopped";
    this.#add(rebooted ? "rebooted" : "started", { reason, ms: now - last.at });
  }

  /** Once a minute, connected or not. */
  #tick(): void {
    const { clock, vitals } = this.#ports;
    this.#timer = clock.after(VITALS_MS, () => {
      this.#tick();
      this.#noteSleep();
      if (this.#lostAt === undefined) return;
      this.#add("vitals", { vitals: vitals() });
      this.#stayAlive(true);
    });
  }

  #noteSleep(): void {
    const { clock } = this.#ports;
    const drift = clock.wall() - clock.now();
    const ms = drift - this.#drift;
    this.#drift = drift;
    if (ms > SLEPT_MS) this.#add("slept", { ms });
    else if (ms < -SLEPT_MS) this.#add("clock_set", { ms: -ms });
  }

  #stayAlive(running: boolean): void {
    const at = Math.trunc(this.#ports.clock.wall());
    this.#try(() => this.#ports.store.remember(ALIVE, JSON.stringify({ at, running })));
  }

  #add(event: JournalEvent, details?: JournalDetails): void {
    this.#try(() => {
      this.#ports.store.journal.add(event, details);
      this.#failed = false;
    });
  }

  /** A full disk must not cost the heartbeats; it is said once. */
  #try(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (this.#failed) return;
      this.#failed = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.#ports.onWarning(`Cannot write the journal: ${reason}`);
    }
  }
}

function parseAlive(fact: string | undefined): { at: number; running: boolean } | undefined {
  return fact === undefined ? undefined : JSON.parse(fact);
}
