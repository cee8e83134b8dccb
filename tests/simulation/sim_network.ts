/**
 * What a network does to a stream between a machine and the server: it delays, loses and cuts, and TCP makes of all
 * that nothing but delays. Arrival times are computed when something is sent, since all cuts are known beforehand.
 *
 * The model: few small segments, Linux timers. A segment that is lost is sent again 0.2 s + RTT after the first try,
 * and then after twice that, four times, and so on: 0.2, 0.6, 1.4, 3.0, 6.2, 12.6, 25.4, 51.0 s for a short RTT. What
 * is behind it waits. There is no tail loss probe and no fast retransmission, so real streams are no slower.
 *
 * @module
 */

import { onGrid } from "./event_queue.ts";
import type { SimRandom } from "./sim_random.ts";

/** Shortest time to the first retransmission above the round trip (TCP_RTO_MIN of Linux), in milliseconds. */
export const RTO_MIN_MS = 200;
/** Longest time between two (TCP_RTO_MAX of Linux), in milliseconds. */
export const RTO_MAX_MS = 120_000;
/** Time to the first repetition of a SYN (TCP_TIMEOUT_INIT of Linux), in milliseconds; it doubles. */
export const SYN_RETRY_MS = 1_000;
/** Time after which Linux gives up to send again (tcp_retries2 = 15), in milliseconds: about 15 minutes. */
const GIVE_UP_MS = 924_600;

/** How a link behaves while it is not cut. */
export interface LinkProfile {
  readonly name: string;
  /** Shortest time for one way, in milliseconds. */
  readonly delayMs: number;
  /** Mean of what comes on top, exponentially distributed, in milliseconds. */
  readonly jitterMs: number;
  /** Share of segments that are lost. */
  readonly loss: number;
}

/** Kinds of links. The figures are plausible, not measured. */
export const LINKS = {
  lan: { name: "LAN", delayMs: 0.3, jitterMs: 0.3, loss: 1e-5 },
  wifi: { name: "Wi-Fi", delayMs: 2, jitterMs: 6, loss: 5e-3 },
  mobile: { name: "4G", delayMs: 28, jitterMs: 15, loss: 1e-2 },
} as const satisfies Record<string, LinkProfile>;

/** Times from (inclusive) and to (exclusive), in milliseconds of the world's time. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Spans in order that do not touch, asked about moments that mostly grow. */
export class Spans {
  readonly #spans: Span[] = [];
  /** The first span that ends after the moment of the last `seek`. */
  #at = 0;
  /** Where the one before it ends, and where it begins: between the two, nothing has to be looked for. */
  #freeFrom = 0;
  #freeTo = Infinity;

  /** Takes spans in any order; those that overlap become one. */
  constructor(spans: readonly Span[]) {
    for (const span of spans.toSorted((a, b) => a.from - b.from)) {
      const last = this.#spans.at(-1);
      if (last === undefined || span.from > last.to) this.#spans.push({ ...span });
      else if (span.to > last.to) this.#spans[this.#spans.length - 1] = { ...last, to: span.to };
    }
    this.#freeTo = this.#spans[0]?.from ?? Infinity;
  }

  /** Whether `at` lies in none; {@linkcode endOf} can then be asked about later moments. */
  isFree(at: number): boolean {
    return (at >= this.#freeFrom && at < this.#freeTo) || this.#seek(at);
  }

  /** The end of the span that holds `at`, a moment not before that of the last `isFree`; undefined when none does. */
  endOf(at: number): number | undefined {
    for (let index = this.#at; index < this.#spans.length; index++) {
      const span = this.#spans[index];
      if (span === undefined || span.from > at) return undefined;
      if (span.to > at) return span.to;
    }
    return undefined;
  }

  #seek(at: number): boolean {
    while (this.#at > 0 && (this.#spans[this.#at - 1]?.to ?? 0) > at) this.#at--;
    while ((this.#spans[this.#at]?.to ?? Infinity) <= at) this.#at++;
    this.#freeFrom = this.#spans[this.#at - 1]?.to ?? 0;
    this.#freeTo = this.#spans[this.#at]?.from ?? Infinity;
    return at < this.#freeTo;
  }
}

/** What all streams of one direction of one link share. */
export interface Path {
  readonly profile: LinkProfile;
  readonly random: SimRandom;
  /** When nothing gets through. */
  readonly cuts: Spans;
  /** When the sending machine stands still: it sends again as soon as that is over. */
  readonly stills: Spans;
}

/** Whether one segment sent at `at` gets through. */
function passes({ profile, random, cuts }: Path, at: number): boolean {
  return cuts.endOf(at) === undefined && random.next() >= profile.loss;
}

function delay({ profile, random }: Path): number {
  return profile.delayMs + random.roughlyExponential(profile.jitterMs);
}

/** One direction of one TCP connection. */
export class SimStream {
  readonly #path: Path;
  readonly #rto: number;
  /** Arrival of what was sent last; nothing overtakes it. */
  #arrived = 0;
  /** When the last segment that had been lost was sent with success and acknowledged. */
  #clear = 0;
  /** The moment at which the last segment was sent for the last time. */
  #left = 0;
  #before = { arrived: 0, clear: 0 };

  /** A stream that has carried nothing yet. */
  constructor(path: Path) {
    this.#path = path;
    this.#rto = RTO_MIN_MS + 2 * (path.profile.delayMs + path.profile.jitterMs);
  }

  /** When the last sending that counted took place: what a machine loses that dies before it. */
  get leftAt(): number {
    return this.#left;
  }

  /** Sends a segment at `at`, not before the last one, and returns when it arrives. */
  send(at: number): number {
    const { cuts, stills, profile, random } = this.#path;
    const before = this.#before;
    before.arrived = this.#arrived;
    before.clear = this.#clear;
    let left = at;
    if (!cuts.isFree(at) || !stills.isFree(at) || random.next() < profile.loss) {
      left = this.#sendAgain(at);
    }
    this.#left = left;
    const arrives = onGrid(left + delay(this.#path));
    if (arrives > this.#arrived) this.#arrived = arrives;
    return this.#arrived;
  }

  /** Takes the last `send` back: it was planned and does not take place. */
  undo(): void {
    this.#arrived = this.#before.arrived;
    this.#clear = this.#before.clear;
  }

  /** Sends until it gets through; a segment behind a lost one goes when that has been acknowledged. */
  #sendAgain(at: number): number {
    const { stills } = this.#path;
    let wait = this.#rto;
    let next = this.#clear;
    if (at >= this.#clear) {
      next = at + wait;
      wait *= 2;
    }
    while (next - at < GIVE_UP_MS) {
      next = stills.endOf(next) ?? next;
      if (passes(this.#path, next)) break;
      next += wait;
      wait = Math.min(RTO_MAX_MS, wait * 2);
    }
    this.#clear = next + this.#rto - RTO_MIN_MS;
    return next;
  }
}

/**
 * When the handshake of a TCP connection is done that is begun at `at`; Infinity when it takes longer than
 * `deadlineMs`. The SYN is repeated after 1, 3 and 7 seconds.
 */
export function handshake(
  { up, down }: { up: Path; down: Path },
  { at, deadlineMs }: { at: number; deadlineMs: number },
): number {
  let wait = SYN_RETRY_MS;
  // From here on in time they are asked about.
  up.cuts.isFree(at);
  down.cuts.isFree(at);
  for (let sent = at; sent < at + deadlineMs; sent += wait, wait *= 2) {
    if (!passes(up, sent)) continue;
    const answered = sent + delay(up);
    if (!passes(down, answered)) continue;
    const done = onGrid(answered + delay(down));
    return done <= at + deadlineMs ? done : Infinity;
  }
  return Infinity;
}
