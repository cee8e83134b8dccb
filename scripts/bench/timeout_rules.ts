/**
 * The rules of programs that wait for a fixed time: Uptime Kuma, MQTT, Beszel and Healthchecks. Sources are source
 * files as read in August 2026; `†` marks what is common knowledge and was not read again.
 *
 * @module
 */

import { type AlarmRule, alarmsOfEach, type Arrival, type Detector } from "./alarm_rule.ts";

const SECOND = 1_000;
/** The interval at which all machines of these worlds beat, in milliseconds. */
export const BEAT_MS = 20 * SECOND;
/** How often Healthchecks looks for what is overdue, in milliseconds. */
const SWEEP_MS = 2 * SECOND;

/** Only heartbeats count, and only their silence. */
class BeatTimeout implements Detector {
  readonly #limitMs: number;
  readonly #sweepMs: number;
  #last = Infinity;

  constructor(limitMs: number, sweepMs: number) {
    this.#limitMs = limitMs;
    this.#sweepMs = sweepMs;
  }

  due(): number {
    return Math.ceil((this.#last + this.#limitMs) / this.#sweepMs) * this.#sweepMs;
  }

  arrive({ kind, at }: Arrival): boolean {
    if (kind !== "beat") return false;
    this.#last = at;
    return true;
  }
}

/** Silence for one time, or a lost connection for another. */
class ConnectionTimeout implements Detector {
  readonly #silentMs: number;
  readonly #lostMs: number;
  readonly #knowsBye: boolean;
  #due = Infinity;

  constructor(
    { silentMs, lostMs, knowsBye }: { silentMs: number; lostMs: number; knowsBye: boolean },
  ) {
    this.#silentMs = silentMs;
    this.#lostMs = lostMs;
    this.#knowsBye = knowsBye;
  }

  due(): number {
    return this.#due;
  }

  arrive({ kind, at }: Arrival): boolean {
    if (kind === "bye" && this.#knowsBye) {
      this.#due = Infinity;
      return false;
    }
    if (kind === "close" || kind === "bye") {
      this.#due = Math.min(this.#due, at + this.#lostMs);
      return false;
    }
    this.#due = at + this.#silentMs;
    return true;
  }
}

/**
 * Uptime Kuma's push monitor: gone one interval and a buffer of 1 s after the last push, with its default of no
 * retries (`server/model/monitor.js`, `db/knex_init_db.js`).
 */
export const UPTIME_KUMA: AlarmRule = {
  name: "Uptime Kuma push",
  about: "last push + 20 s + 1 s, 0 retries; the server looks at pushes only",
  source: "louislam/uptime-kuma server/model/monitor.js, db/knex_init_db.js (6398a9581)",
  alarms: (trace) => alarmsOfEach(trace, () => new BeatTimeout(BEAT_MS + SECOND, 1)),
};

/**
 * An MQTT broker with last wills: gone after 1.5 times the keep-alive without a packet, or at once when the connection
 * ends without DISCONNECT (MQTT 3.1.1, 3.1.2.5 and 3.1.2.10). A BYE counts as DISCONNECT, which MQTT knows as well.
 */
export const MQTT: AlarmRule = {
  name: "MQTT last will",
  about: "no packet for 1.5 x 20 s, or a close without DISCONNECT; BYE counts as DISCONNECT",
  source: "MQTT 3.1.1, 3.1.2.5 and 3.1.2.10; no will delay",
  alarms: (trace) =>
    alarmsOfEach(
      trace,
      () => new ConnectionTimeout({ silentMs: 1.5 * BEAT_MS, lostMs: 0, knowsBye: true }),
    ),
};

/**
 * Beszel's status alert: down when the socket has been silent for 70 s or closed and not come back within 5 s, and
 * told of after a minute of that (`internal/hub/ws/ws.go`, `internal/alerts/alerts_status.go`). Beszel itself sends
 * once a minute; here every heartbeat keeps the socket alive, which only helps it.
 */
export const BESZEL: AlarmRule = {
  name: "Beszel",
  about: "socket silent for 70 s or closed, + 5 s for a reconnect, + 60 s until the alert",
  source: "henrygd/beszel internal/hub/ws/ws.go, internal/alerts/alerts_status.go (f1e5797c)",
  alarms: (trace) =>
    alarmsOfEach(
      trace,
      () =>
        new ConnectionTimeout({
          silentMs: (70 + 5 + 60) * SECOND,
          lostMs: (5 + 60) * SECOND,
          knowsBye: false,
        }),
    ),
};

/**
 * Healthchecks with its shortest settings, a period and a grace of a minute each, seen by a sweep every 2 s
 * (`hc/api/views.py`, `sendalerts.py`).
 */
export const HEALTHCHECKS: AlarmRule = {
  name: "Healthchecks",
  about: "last ping + 60 s period + 60 s grace (the least it takes), looked for every 2 s",
  source: "healthchecks/healthchecks hc/api/views.py, sendalerts.py (29b5ec25)",
  alarms: (trace) => alarmsOfEach(trace, () => new BeatTimeout(120 * SECOND, SWEEP_MS)),
};
