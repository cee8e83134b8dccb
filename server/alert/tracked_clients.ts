/**
 * What the book of alerts remembers of every client, and what it asks of all of them together. Pure.
 *
 * @module
 */

import { type Evidence, evidenceOf } from "../alert_text.ts";
import type { Cause, PresenceState, Timing } from "../presence.ts";
import type { WatchedChange } from "../watch.ts";
import {
  type AlertSubject,
  areRelated,
  beganTogether,
  commonScope,
  type Onset,
} from "./failure_group.ts";
import { ongoing, type OpenAlert } from "./open_alert.ts";
import type { OverlaySet } from "./overlay_set.ts";

/** A moment, by both clocks in milliseconds. */
export interface Moment {
  /** Monotonic. */
  readonly now: number;
  /** Since 1970. */
  readonly wall: number;
}

/** A client as it was when the server stopped. */
export interface KnownClient {
  readonly client: string;
  readonly state: PresenceState;
  readonly cause: Cause | undefined;
  /** When its last byte came, in milliseconds since 1970. */
  readonly lastSeenAt: number;
}

/** What is remembered of one client. */
export interface Track {
  /** What is believed of it. */
  state: PresenceState;
  /** Why it is in the state that is measured. */
  cause: Cause | undefined;
  onset: Onset;
  /** When its last byte came, in milliseconds since 1970. */
  lastSeenAt: number;
  evidence: Evidence | undefined;
  alert: OpenAlert | undefined;
  /** DOWN or FLAPPING without an alert: it gets one when nothing mutes it any more, not before this monotonic moment. */
  untoldFrom: number | undefined;
}

/** What {@linkcode TrackedClients} needs. */
export interface TrackedClientsOptions {
  timing: Timing;
  /** The client with this id; undefined when it is not on the lists any more. */
  subject: (client: string) => AlertSubject | undefined;
  /** What operators have set. */
  overlays: OverlaySet;
}

/** All clients of which a change was ever told. */
export class TrackedClients {
  readonly #options: TrackedClientsOptions;
  readonly #tracks = new Map<string, Track>();

  /** Starts with none. */
  constructor(options: TrackedClientsOptions) {
    this.#options = options;
  }

  /** What is remembered of a client. */
  get(client: string): Track | undefined {
    return this.#tracks.get(client);
  }

  /** Forgets a client. */
  delete(client: string): void {
    this.#tracks.delete(client);
  }

  /** Takes over what was known when the server stopped; clients have until `comeBackMs` to come back. */
  restore(
    { open, clients }: { open: readonly OpenAlert[]; clients: readonly KnownClient[] },
    at: Moment,
  ): void {
    for (const { client, state, cause, lastSeenAt } of clients) {
      const alert = open.find(({ kind, members }) => kind !== "identity" && members.has(client));
      const isUntold = (state === "DOWN" || state === "FLAPPING") && alert === undefined;
      this.#tracks.set(client, {
        ...{ state, cause, lastSeenAt, alert, evidence: undefined },
        onset: { from: at.now, to: at.now },
        untoldFrom: isUntold ? at.now + this.#options.timing.comeBackMs : undefined,
      });
    }
  }

  /** Remembers a change of state. */
  note(change: WatchedChange, at: Moment): Track {
    const { client, presence, lastHeard } = change;
    const { lostAt } = presence;
    const silentTo = lastHeard + this.#options.timing.intervalMs;
    const known = this.#tracks.get(client);
    const track: Track = known ?? {
      ...{ state: "UP", cause: undefined, lastSeenAt: at.wall, evidence: undefined },
      ...{ onset: { from: lastHeard, to: silentTo }, alert: undefined, untoldFrom: undefined },
    };
    if (known === undefined) this.#tracks.set(client, track);
    // Hidden by FLAPPING: what is believed stays that.
    if (!change.flapping) track.state = change.to;
    track.cause = presence.cause;
    track.lastSeenAt = Math.round(at.wall - (at.now - lastHeard));
    // A close that comes while nothing was missing yet says exactly when the trouble began.
    if (change.to === "LATE") track.onset = { from: lastHeard, to: silentTo };
    else if (change.to === "SUSPECT" && change.from === "UP") {
      track.onset = lostAt === undefined
        ? { from: lastHeard, to: silentTo }
        : { from: lostAt, to: lostAt };
    }
    // Whoever is overdue fails at the moment at which it should have been back.
    if (change.to === "DOWN" && change.from === "PLANNED") {
      track.onset = { from: at.now, to: at.now };
    }
    if (change.to === "DOWN") track.evidence = evidenceOf(change, { presence, clock: at });
    return track;
  }

  /** The client and all that have been silent since the same time and are in no alert; those are not untold any more. */
  takeCompanions(client: string, { track, at }: { track: Track; at: Moment }): string[] {
    const { intervalMs } = this.#options.timing;
    const found = [client];
    for (const [id, other] of this.#tracks) {
      if (id === client || other.alert !== undefined) continue;
      const isSilent = other.state === "LATE" || other.state === "SUSPECT" ||
        (other.state === "DOWN" && other.untoldFrom !== undefined && other.untoldFrom <= at.now);
      if (!isSilent || this.isMuted(id, at)) continue;
      if (beganTogether(track.onset, other.onset, intervalMs)) found.push(id);
    }
    for (const id of found) {
      const other = this.#tracks.get(id);
      if (other?.state === "DOWN") other.untoldFrom = undefined;
    }
    return found;
  }

  /** The clients of which a sign of life is expected, without those in an alert. */
  presentBeside({ members }: Pick<OpenAlert, "members">): string[] {
    return this.present().filter((client) => !members.has(client));
  }

  /** The clients of which a sign of life is expected. */
  present(): string[] {
    return [...this.#tracks].filter(([, { state, alert, untoldFrom }]) =>
      state === "UP" || state === "LATE" || state === "SUSPECT" || state === "FLAPPING" ||
      (state === "DOWN" && alert === undefined && untoldFrom === undefined)
    ).map(([client]) => client);
  }

  /** What the machines of an alert have in common, in words. */
  scopeOf(alert: OpenAlert): string | undefined {
    const { subject } = this.#options;
    const known = (ids: Iterable<string>) => [...ids].flatMap((id) => subject(id) ?? []);
    const failed = ongoing(alert).map(({ client }) => client);
    const others = new Set(this.present());
    for (const client of failed) others.delete(client);
    return commonScope(known(failed), known([...failed, ...others]));
  }

  /** Whether two clients share a tag or a network. */
  areRelated(one: string, other: string): boolean {
    const { subject } = this.#options;
    const [first, second] = [subject(one), subject(other)];
    return first !== undefined && second !== undefined && areRelated(first, second);
  }

  /** Whether no alert is raised for a client now. */
  isMuted(client: string, { wall }: Moment): boolean {
    const { overlays, subject } = this.#options;
    return !overlays.isEmpty && overlays.isMuted(client, { subject: subject(client), wall });
  }

  /** Clients that are DOWN or FLAPPING without an alert, and muted no more: until when that is kept back. */
  *untold(at: Moment): Generator<{ client: string; track: Track; from: number }> {
    for (const [client, track] of this.#tracks) {
      const from = track.untoldFrom;
      if (from !== undefined && !this.isMuted(client, at)) yield { client, track, from };
    }
  }

  /** These clients are in that alert no more. */
  release(alert: OpenAlert, clients: Iterable<string>): void {
    for (const client of clients) {
      const track = this.#tracks.get(client);
      if (track?.alert === alert) track.alert = undefined;
    }
  }
}
