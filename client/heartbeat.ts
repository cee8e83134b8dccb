/**
 * The client's side of the heartbeat on one connection: when to beat, and when the server counts as gone.
 *
 * It starts no connection and closes none; it says so through its ports. A process that was stopped, or a
 * machine that slept, does not blame the server for its own absence.
 *
 * @module
 */

import type { Clock, Random, Timer } from "../platform/clock.ts";
import type { Vitals } from "../platform/host_facts.ts";
import { type FrameOf, SERVER_SILENT_INTERVALS } from "../protocol/mod.ts";

/** What a {@linkcode Heartbeat} works with. */
export interface HeartbeatPorts {
  /** Time. */
  clock: Clock;
  /** Chance, for the offset of the second beat. */
  random: Random;
  /** Time between two beats, in milliseconds, as the server's ACK names it. */
  intervalMs: number;
  /** Measures the machine. */
  vitals: () => Vitals;
  /** Sends one frame. */
  send: (frame: FrameOf<"HEARTBEAT">) => void;
  /** Called once when no byte, or no answer to a beat, has come for SERVER_SILENT_INTERVALS intervals. */
  onSilent: (silentMs: number) => void;
}

/** Beats whose answer is waited for; of older ones no round trip is measured. */
const MAX_BEATS_IN_FLIGHT = 8;
/** A timer that fires later than this, in intervals, means that this process did not run meanwhile. */
const STOPPED_INTERVALS = 0.5;

/** Beats and listens on one connection until it is disposed of. */
export class Heartbeat implements Disposable {
  readonly #ports: HeartbeatPorts;
  readonly #sentAt = new Map<number, number>();
  #seq = 0;
  #heardAt: number;
  #roundTripMs: number | undefined;
  #answeredSeq: number | undefined;
  #beatTimer: Timer | undefined;
  #silenceTimer: Timer | undefined;
  #stopped = false;

  /** Sends nothing yet. */
  constructor(ports: HeartbeatPorts) {
    this.#ports = ports;
    this.#heardAt = ports.clock.now();
  }

  /** Number of the last beat that the server answered; undefined before the first. */
  get answeredSeq(): number | undefined {
    return this.#answeredSeq;
  }

  /** Round trip of the last answered beat, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Beats at once, then at a random moment within one interval, then every interval. */
  start(): void {
    const { clock, random, intervalMs } = this.#ports;
    this.#heardAt = clock.now();
    this.#watchSilence(this.#silenceMs);
    this.#beat();
    this.#scheduleBeat(random() * intervalMs);
  }

  /** Takes note of bytes from the server: any byte is life. */
  heard(): void {
    this.#heardAt = this.#ports.clock.now();
  }

  /** Takes the server's answer to a beat; one for a beat that is not in flight is ignored. */
  answered(beat: FrameOf<"BEAT">): void {
    const sentAt = this.#sentAt.get(beat.seq);
    if (sentAt === undefined) return;
    for (const seq of [...this.#sentAt.keys()]) if (seq <= beat.seq) this.#sentAt.delete(seq);
    this.#roundTripMs = this.#ports.clock.now() - sentAt;
    this.#answeredSeq = beat.seq;
  }

  /** Asks the server for a sign of life at once; one more interval of silence then counts as gone. */
  probe(): void {
    if (this.#stopped) return;
    this.#beat();
    this.#watchSilence(this.#ports.intervalMs);
  }

  /** Ends all timers; nothing is sent afterwards. */
  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#beatTimer?.cancel();
    this.#silenceTimer?.cancel();
  }

  /**
   * The last moment at which the connection is known to have carried bytes both ways. What still comes from the server says
   * nothing of the way there: a beat behind a lost segment may wait for a minute.
   */
  get #aliveAt(): number {
    const [oldest] = this.#sentAt.values();
    return oldest === undefined ? this.#heardAt : Math.min(this.#heardAt, oldest);
  }

  get #silenceMs(): number {
    return this.#ports.intervalMs * SERVER_SILENT_INTERVALS;
  }

  #scheduleBeat(ms: number): void {
    this.#beatTimer = this.#ports.clock.after(ms, () => {
      this.#scheduleBeat(this.#ports.intervalMs);
      this.#beat();
    });
  }

  #beat(): void {
    if (this.#stopped) return;
    const { clock, send, vitals } = this.#ports;
    const seq = this.#seq++;
    this.#sentAt.set(seq, clock.now());
    const [oldest] = this.#sentAt.keys();
    if (this.#sentAt.size > MAX_BEATS_IN_FLIGHT && oldest !== undefined) {
      this.#sentAt.delete(oldest);
    }
    const at = Math.max(0, Math.round(clock.wall()));
    send({ verb: "HEARTBEAT", seq, at, vitals: vitals() });
  }

  #watchSilence(ms: number): void {
    const { clock, intervalMs, onSilent } = this.#ports;
    this.#silenceTimer?.cancel();
    const aliveBefore = this.#aliveAt;
    const due = clock.now() + ms;
    this.#silenceTimer = clock.after(ms, () => {
      const now = clock.now();
      if (this.#aliveAt > aliveBefore) {
        this.#watchSilence(Math.max(0, this.#aliveAt + this.#silenceMs - now));
      } else if (now - due > intervalMs * STOPPED_INTERVALS) {
        this.probe();
      } else {
        this.#stopped = true;
        this.#beatTimer?.cancel();
        onSilent(now - this.#aliveAt);
      }
    });
  }
}
