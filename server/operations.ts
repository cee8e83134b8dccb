/**
 * What an operator can do with a running server, whether from the console or through the local API.
 *
 * @module
 */

import { failpoint } from "../platform/failpoint.ts";
import {
  encodeJoinKey,
  INVITE_SECRET_BYTES,
  MAX_MESSAGE_BYTES,
  ProtocolError,
} from "../protocol/mod.ts";
import { checkClientName, checkTag } from "../protocol/mod.ts";
import { AlertOperations } from "./alert/alert_operations.ts";
import type { DeliveryRecord } from "./alert/delivery.ts";
import { type Backup, BackupError } from "./backup.ts";
import type { ServerIdentity } from "./certificate.ts";
import {
  type AlertView,
  alertView,
  type ClientView,
  clientView,
  type EventView,
  eventView,
  type FileView,
  fileView,
  type PushView,
  pushView,
} from "./json_view.ts";
import { showAddress } from "./listener.ts";
import { OperationError } from "./operation_error.ts";
import { makeReports, type ReportRequest } from "./make_reports.ts";
import { SourceError } from "./outgoing.ts";
import type { ServerParts } from "./parts.ts";
import { type PushAnswer, pushFiles } from "./push_files.ts";
import { reachableAddresses } from "./reachable_address.ts";
import type { ReportView } from "./report.ts";
import type { Link, Member } from "./roster.ts";
import { StoreError } from "./store.ts";
import type { EventKind, MessageState } from "./store_record.ts";
import type { TimelineFilter } from "./timeline.ts";

/** Uses of one join key at most. */
const MAX_USES = 10_000;
/** Tags and addresses that clients accept in a join key. */
const MAX_TAGS = 32;
const MAX_ADDRESSES = 16;
/** Longest life of a join key, in milliseconds: a year. */
const MAX_TTL_MS = 366 * 24 * 3_600_000;

/** What is set over a state, as it is shown. */
const OVERLAY_WORDS = { maintenance: "MAINTENANCE", plan: "PLANNED", snooze: "SNOOZED" } as const;

/** How the server is reached, for join keys. */
export interface Reach {
  identity: ServerIdentity;
  plaintext: boolean;
  open: boolean;
  /** Where it listens. */
  address: { hostname: string; port: number };
}

/** What a new join key allows. */
export interface InviteRequest {
  /** The only name that may join; undefined for any. */
  name?: string | undefined;
  /** Tags for the client. */
  tags: string[];
  /** How many machines may join. */
  uses: number;
  /** How long the key is valid, in milliseconds. */
  ttlMs: number;
  /** `host:port`; empty takes this machine's own addresses. */
  addresses: string[];
}

/** Which part of the timeline is wanted. */
export interface LogRequest {
  /** A client's name; undefined for all. */
  who?: string | undefined;
  /** The kinds of lines; undefined for all. */
  kinds?: EventKind[] | undefined;
  /** Not before this moment, in milliseconds since 1970. */
  since?: number | undefined;
}

/** The operator's side of one server. */
export class Operations {
  /** What can be done about alerts. */
  readonly alerting: AlertOperations;
  #parts: ServerParts;
  #reach: Reach;

  /** Made by `startServer()`. */
  constructor(parts: ServerParts, reach: Reach) {
    this.alerting = new AlertOperations(parts, (who) => this.#resolve(who));
    this.#parts = parts;
    this.#reach = reach;
  }

  /** Makes a join key. */
  async invite(request: InviteRequest): Promise<{ key: string; expires_at: string }> {
    this.#checkInvite(request);
    const { clock, newId, randomBytes, store, timeline } = this.#parts;
    const { identity, plaintext } = this.#reach;
    const { name, tags, uses } = request;
    const id = newId();
    const secret = randomBytes(INVITE_SECRET_BYTES);
    const createdAt = clock.wall();
    const expiresAt = createdAt + Math.ceil(request.ttlMs);
    await store.addInvite({ id, secret, expiresAt, usesLeft: uses, name, tags, createdAt });
    await timeline.audit("invited", { invite: id, name, tags, uses });
    const key = encodeJoinKey({
      addresses: this.#addresses(request.addresses),
      serverId: identity.serverId,
      certificate: plaintext ? undefined : identity.certificate,
      invite: id,
      secret,
      expires: expiresAt,
      ...(name === undefined ? {} : { name }),
      tags,
    });
    return { key, expires_at: new Date(expiresAt).toISOString() };
  }

  /** All clients with their presence. */
  clients(): ClientView[] {
    const { clock, roster, watch } = this.#parts;
    const time = { now: clock.now(), wall: clock.wall() };
    return roster.members().map((member) => {
      const presence = watch.get(member.record.id);
      return clientView(member, { presence, overlay: this.#overlay(member), ...time });
    });
  }

  /**
   * Queues a message for everyone that `who` means: the ids, one per client, and the names of those who are away. After
   * `expiresMs` it is not delivered any more.
   */
  async message(
    who: string,
    text: string,
    { expiresMs }: { expiresMs?: number | undefined } = {},
  ): Promise<{ ids: string[]; away: string[] }> {
    const wellFormed = text.toWellFormed();
    if (text === "") throw new OperationError("bad_request", "Cannot send a message: it is empty");
    const bytes = new TextEncoder().encode(wellFormed).length;
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new OperationError(
        "bad_request",
        `Cannot send a message as it must be <= ${MAX_MESSAGE_BYTES} bytes: it has ${bytes}`,
      );
    }
    if (expiresMs !== undefined && !(expiresMs > 0 && expiresMs <= MAX_TTL_MS)) {
      throw new OperationError(
        "bad_request",
        "Cannot send a message as its --expires must be above 0 and at most a year",
      );
    }
    const members = this.#resolve(who);
    // All at once, so that they share commits.
    const outcomes = await Promise.all(members.map(async (member) => {
      const { name } = member.record;
      try {
        return { name, id: await this.#queue(member, wellFormed, expiresMs) };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        return { name, error };
      }
    }));
    failpoint("message_queued");
    this.#parts.timeline.changed();
    refuseUnqueued(outcomes);
    const away = members.filter((member) => talkingLink(member) === undefined)
      .map(({ record }) => record.name);
    return { ids: outcomes.flatMap(({ id }) => id ?? []), away };
  }

  /** How far messages to clients have come. */
  async messageStates(ids: string[]): Promise<{ id: string; state: MessageState }[]> {
    return await this.#parts.store.messageStates(ids);
  }

  /**
   * Queues files for everyone that `who` means, each copied first, so that what is sent is what they are now;
   * `signal` gives the copying up. Throws when nobody can get them.
   */
  async push(
    who: string,
    { paths, signal }: { paths: string[]; signal?: AbortSignal | undefined },
  ): Promise<PushAnswer> {
    const members = this.#resolve(who);
    let answer: PushAnswer;
    try {
      answer = await pushFiles({ members, paths, signal }, this.#parts);
    } catch (error) {
      if (error instanceof StoreError && error.full) {
        throw new OperationError("no_space", error.message);
      }
      if (!(error instanceof SourceError)) throw error;
      const hint = error.code === "unreadable"
        ? "the server reads the file itself, so its user must be allowed to"
        : undefined;
      throw new OperationError(error.code, error.message, hint);
    }
    if (answer.ids.length > 0) return answer;
    const reasons = answer.refused.map(({ client, reason }) => `${client}: ${reason}`).join("; ");
    throw new OperationError("queue_full", `Cannot push to ${who}: ${reasons}`);
  }

  /** How far files to clients have come. */
  async pushStates(ids: string[]): Promise<PushView[]> {
    return (await this.#parts.store.pushStates(ids)).map(pushView);
  }

  /** Files from and to one client or all. */
  async files(who?: string): Promise<FileView[]> {
    const client = who === undefined ? undefined : this.#one(who).record.id;
    return (await this.#parts.store.files(client)).map(fileView);
  }

  /** Alerts; only open ones when asked. */
  async alerts(onlyOpen: boolean): Promise<AlertView[]> {
    const { store } = this.#parts;
    const alerts = await store.alerts(onlyOpen);
    const deliveries = new Map<number, DeliveryRecord[]>();
    for (const delivery of await store.deliveriesOf(alerts.map(({ id }) => id))) {
      const { alert = 0 } = delivery;
      const known = deliveries.get(alert);
      if (known === undefined) deliveries.set(alert, [delivery]);
      else known.push(delivery);
    }
    return alerts.map((alert) => alertView(alert, deliveries.get(alert.id)));
  }

  /** The timeline as it stands. */
  async log(request: LogRequest): Promise<EventView[]> {
    return (await this.#parts.timeline.read(this.#filter(request))).map(eventView);
  }

  /** The timeline as it stands and as it grows, until `signal` aborts; throws at once for an unknown client. */
  follow(request: LogRequest, signal: AbortSignal): AsyncGenerator<EventView> {
    return this.#follow(this.#filter(request), signal);
  }

  /** What was of one client, of those with a tag, or of all in a month; of revoked ones too, if they were there. */
  async report(who = "all", request: ReportRequest): Promise<ReportView[]> {
    const { roster, store } = this.#parts;
    const revoked = (await store.revokedClients()).filter(({ name, tags }) =>
      who === "all" ||
      (who.startsWith("@") ? tags.includes(who.slice(1)) : sameName(name, who))
    );
    const isKnown = who === "all" || revoked.length > 0;
    const members = isKnown ? roster.resolve(who) : this.#resolve(who);
    const clients = [...members.map(({ record }) => record), ...revoked];
    return await makeReports(clients, { request, parts: this.#parts });
  }

  /** Copies the database and the server's key into a new file at an absolute path. */
  async backup(path: string): Promise<Backup> {
    const { backups, timeline } = this.#parts;
    try {
      const backup = await backups.make(path);
      await timeline.audit("backed_up", { ...backup });
      return backup;
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      throw new OperationError(error.code, error.message, error.hint);
    }
  }

  /** Shuts a client out and ends its sessions. */
  async revoke(who: string): Promise<{ revoked: string }> {
    const { alarm, clock, outgoing, roster, store, timeline, watch } = this.#parts;
    const member = this.#one(who);
    const { id, name } = member.record;
    await store.revoke(name);
    await timeline.audit("revoked", { client: id, name });
    const links = [...(member.agent ? [member.agent] : []), ...member.others];
    await Promise.all(links.map((link) => link.end("revoked")));
    // Last, as whatever it says until then would put it on the lists again.
    watch.forget(id);
    await alarm.forget(id);
    this.#parts.clones.forget(id);
    roster.remove(id);
    const reason = "denied: the machine has been revoked";
    const unused = await store.dropPushes(id, { reason, at: clock.wall() });
    for (const content of unused) await outgoing.discard(content);
    return { revoked: name };
  }

  /** Notes that the operator was shown messages of a client, and tells it now or when it is connected. */
  async messagesShown(client: string, ids: string[]): Promise<void> {
    const { clock, roster, store } = this.#parts;
    await store.markIncomingShown(client, { ids, at: clock.wall() });
    roster.get(client)?.agent?.tellShown?.();
  }

  /** What operators have set over the state of a client. */
  #overlay({ record }: Member): string[] {
    const { alarm, clock, overlays } = this.#parts;
    const moment = { subject: record, wall: clock.wall() };
    const set = overlays.activeFor(record.id, moment).map(({ kind }) => OVERLAY_WORDS[kind]);
    const isAcked = alarm.alertsOf(record.id).some(({ acknowledgement }) =>
      acknowledgement !== undefined
    );
    return [...new Set([...set, ...(isAcked ? ["ACKED"] : [])])];
  }

  async #queue(
    member: Member,
    text: string,
    expiresMs: number | undefined,
  ): Promise<string | undefined> {
    const { clock, newId, store } = this.#parts;
    const id = newId();
    const { id: client } = member.record;
    const at = clock.wall();
    const expiresAt = expiresMs === undefined ? undefined : at + Math.ceil(expiresMs);
    if (!await store.queueMessage({ id, client, at, text, expiresAt })) return undefined;
    talkingLink(member)?.deliver();
    return id;
  }

  #resolve(who: string): Member[] {
    const members = this.#parts.roster.resolve(who);
    if (members.length > 0) return members;
    throw new OperationError(
      "not_found",
      who === "all"
        ? "Cannot find any client: none has joined yet"
        : `Cannot find "${who}": no client has that ${who.startsWith("@") ? "tag" : "name"}`,
      'see "hbserver clients"',
    );
  }

  #one(who: string): Member {
    const member = this.#parts.roster.byName(who);
    if (member !== undefined) return member;
    throw new OperationError(
      "not_found",
      `Cannot find "${who}": no client has that name`,
      'see "hbserver clients"',
    );
  }

  async *#follow(filter: TimelineFilter, signal: AbortSignal): AsyncGenerator<EventView> {
    for await (const event of this.#parts.timeline.follow(filter, signal)) yield eventView(event);
  }

  #filter({ who, kinds, since }: LogRequest): TimelineFilter {
    const client = who === undefined ? undefined : this.#one(who).record.id;
    return { client, kinds, since };
  }

  #addresses(wanted: string[]): string[] {
    if (wanted.length > 0) return wanted;
    const { hostname, port } = this.#reach.address;
    return reachableAddresses(hostname).map((host) => showAddress(host, port));
  }

  #checkInvite({ name, tags, uses, ttlMs, addresses }: InviteRequest): void {
    const refuse = (why: string) => {
      throw new OperationError("bad_request", `Cannot make a join key: ${why}`);
    };
    try {
      if (name !== undefined) checkClientName(name);
      for (const tag of tags) checkTag(tag);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refuse(error.message);
    }
    if (tags.length > MAX_TAGS) refuse(`it can hold at most ${MAX_TAGS} tags`);
    if (addresses.length > MAX_ADDRESSES) refuse(`it can hold at most ${MAX_ADDRESSES} addresses`);
    if (!Number.isInteger(uses) || uses < 1 || uses > MAX_USES) {
      refuse(`its uses must be a whole number from 1 to ${MAX_USES}`);
    }
    if (!(ttlMs > 0 && ttlMs <= MAX_TTL_MS)) refuse("its life must be above 0 and at most a year");
    if (name !== undefined && uses > 1) refuse("a name is for one machine, so --uses must be 1");
  }
}

/** Whether names differ in nothing but their case. */
function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Throws when a message could not be queued for everybody, with the names of those. */
function refuseUnqueued(outcomes: { name: string; id?: string | undefined; error?: StoreError }[]) {
  const unqueued = outcomes.filter(({ id }) => id === undefined);
  if (unqueued.length === 0) return;
  const names = unqueued.map(({ name }) => name).join(", ");
  const failure = unqueued.find(({ error }) => error !== undefined)?.error;
  if (failure === undefined) {
    throw new OperationError(
      "queue_full",
      `Cannot queue a message for ${names}: the queue is full`,
      "the machine has been away for long; what waits for it is kept and will be delivered",
    );
  }
  if (!failure.full) throw failure;
  throw new OperationError(
    "no_space",
    `Cannot queue a message for ${names}: the server's disk is full`,
    "make room on the disk of the server's data directory",
  );
}

/** The connection that messages to a client go to: its agent's, or the classic one that chatted last. */
function talkingLink({ agent, others, record }: Member): Link | undefined {
  if (record.kind !== "classic") return agent;
  return [...others].sort((one, other) => (other.lastTextAt ?? 0) - (one.lastTextAt ?? 0))[0];
}
