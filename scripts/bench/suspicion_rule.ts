/**
 * Suspicion as in memberlist (Consul, Serf) with Lifeguard's local health, seen by one observer: a beat that is late is
 * a failed probe, then a suspicion goes on for some time, and any sign of life ends it.
 *
 * What gossip adds cannot be had by one observer: nobody else probes, and nobody confirms a suspicion.
 *
 * @module
 */

import { type Alarm, type AlarmRule, type ArrivalTrace, whenAwake } from "./alarm_rule.ts";
import { BEAT_MS } from "./timeout_rules.ts";

const SECOND = 1_000;
/** `ProbeTimeout` of memberlist's profile for long ways (`DefaultWANConfig`), in milliseconds. */
const PROBE_TIMEOUT_MS = 3 * SECOND;
/** `ProbeInterval` of the same, which suspicion is counted in, in milliseconds. */
const PROBE_INTERVAL_MS = 5 * SECOND;
/** `SuspicionMult` of the same. */
const SUSPICION_MULTIPLIER = 6;
/** `AwarenessMaxMultiplier`: how far an observer that doubts itself stretches its patience. */
const MAX_HEALTH = 8;

/** How long a suspicion lasts without confirmations among `members`, in milliseconds. */
export function suspicionMs(members: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  return SUSPICION_MULTIPLIER * scale * PROBE_INTERVAL_MS;
}

/** What the observer thinks of one machine. */
interface Probed {
  state: "unknown" | "alive" | "suspect" | "gone" | "left";
  /** Arrival of the last beat. */
  last: number;
  /** When the state changes if nothing arrives. */
  due: number;
  goneSince: number;
}

/** Plays it over all machines at once, since they share the observer's health. */
function alarms(trace: ArrivalTrace): Alarm[] {
  const observer = new Observer(trace);
  const all = trace.machines.flatMap((arrivals, machine) =>
    arrivals.map((arrival) => ({ ...arrival, machine }))
  ).sort((a, b) => a.at - b.at);
  for (const { at, kind, machine } of all) {
    observer.runTo(at);
    if (kind === "bye") observer.left(machine);
    else if (kind === "beat" || kind === "connect") observer.alive(machine, at);
  }
  observer.runTo(trace.ms);
  return observer.end();
}

class Observer {
  readonly #trace: ArrivalTrace;
  readonly #suspicionMs: number;
  readonly #probed: Probed[];
  readonly #alarms: Alarm[] = [];
  /** 0 while its probes succeed, up to MAX_HEALTH - 1 while they fail. */
  #score = 0;
  #nextDue = Infinity;

  constructor(trace: ArrivalTrace) {
    this.#trace = trace;
    this.#suspicionMs = suspicionMs(trace.machines.length);
    this.#probed = trace.machines.map(() => ({
      state: "unknown",
      last: 0,
      due: Infinity,
      goneSince: 0,
    }));
  }

  /** Does whatever is due before `at`. */
  runTo(at: number): void {
    while (this.#nextDue < at) {
      const probed = this.#probed.find(({ due }) => due === this.#nextDue);
      if (probed !== undefined) this.#fall(probed);
      this.#nextDue = Math.min(...this.#probed.map(({ due }) => due));
    }
  }

  alive(machine: number, at: number): void {
    const probed = this.#probed[machine];
    if (probed === undefined) return;
    if (probed.state === "gone") this.#alarms.push({ machine, from: probed.goneSince, to: at });
    if (probed.state === "alive") this.#score = Math.max(0, this.#score - 1);
    probed.state = "alive";
    probed.last = at;
    this.#setDue(probed, at + BEAT_MS + PROBE_TIMEOUT_MS * (1 + this.#score));
  }

  left(machine: number): void {
    const probed = this.#probed[machine];
    if (probed === undefined || probed.state === "gone") return;
    probed.state = "left";
    probed.due = Infinity;
  }

  end(): Alarm[] {
    const { ms } = this.#trace;
    const open = this.#probed.flatMap(({ state, goneSince }, machine) =>
      state === "gone" ? [{ machine, from: goneSince, to: ms }] : []
    );
    return [...this.#alarms, ...open];
  }

  #fall(probed: Probed): void {
    const now = probed.due;
    if (probed.state === "alive") {
      this.#score = Math.min(MAX_HEALTH - 1, this.#score + 1);
      probed.state = "suspect";
      this.#setDue(probed, now + this.#suspicionMs);
    } else {
      probed.state = "gone";
      probed.goneSince = now;
      probed.due = Infinity;
    }
  }

  #setDue(probed: Probed, due: number): void {
    probed.due = whenAwake(due, this.#trace.stills);
    this.#nextDue = Math.min(this.#nextDue, probed.due);
  }
}

/** Suspicion with the parameters of memberlist's profile for long ways. */
export const MEMBERLIST: AlarmRule = {
  name: "memberlist suspicion",
  about:
    "late by 3 s x local health (1 to 8), then suspect for 6 x log10(N) x 5 s; BYE counts as leaving",
  source: "hashicorp/memberlist config.go DefaultWANConfig, suspicion.go, awareness.go",
  alarms,
};
