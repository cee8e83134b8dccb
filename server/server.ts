/**
 * One running server: builds the parts in order, connects them, and takes them down in the reverse order.
 *
 * @module
 */

import { join } from "node:path";
import type { Logger } from "@logtape/logtape";
import { type Clock, systemClock } from "../platform/clock.ts";
import {
  type DataDirectory,
  DataDirectoryError,
  openDataDirectory,
} from "../platform/data_directory.ts";
import { DiskSpace } from "../platform/disk_space.ts";
import { isDiskFull } from "../platform/durable_file_error.ts";
import { type FileStore, openFileStore } from "../platform/file_store.ts";
import { getLog } from "../platform/log.ts";
import { readPrivateFile, writePrivateFile } from "../platform/private_file.ts";
import { systemRandom, systemRandomBytes, uuidV7 } from "../platform/random.ts";
import { DEFAULT_PORT, HEARTBEAT_INTERVAL_MS } from "../protocol/mod.ts";
import { buildAlerting } from "./alerting.ts";
import type { Channel } from "./alert/channel.ts";
import type { Notice } from "./alert/notice.ts";
import { WatchdogPing } from "./alert/watchdog_ping.ts";
import { AliveMark } from "./alive_mark.ts";
import { Backups, DATABASE_FILE, IDENTITY_FILES } from "./backup.ts";
import { ballastFile } from "./ballast.ts";
import { makeIdentity, readIdentity, type ServerIdentity } from "./certificate.ts";
import { DiskGuard } from "./disk_guard.ts";
import { Disks } from "./disks.ts";
import { healthTrouble } from "./health.ts";
import { type ApiServer, openApiServer } from "./http/api_server.ts";
import {
  acceptAll,
  type AcceptedSocket,
  openListener,
  plainAddress,
  type PortListener,
} from "./listener.ts";
import { Lobby, type LobbyLimits, MAX_CONNECTIONS, MAX_TLS_CONNECTIONS } from "./lobby.ts";
import { Operations } from "./operations.ts";
import { OwnPort } from "./own_port.ts";
import { Outgoing, roomOn } from "./outgoing.ts";
import type { IncomingMessage, MessageReceipt, PushNotice, ServerParts } from "./parts.ts";
import { type Cause, timingOf } from "./presence.ts";
import { Roster } from "./roster.ts";
import { openStore, type Store } from "./store.ts";
import { Timeline } from "./timeline.ts";
import { TransferLocks } from "./transfer_locks.ts";
import { Vault } from "./vault.ts";
import { Reception } from "./visit.ts";

/** Time that all sessions together have to say goodbye when the server stops, in milliseconds. */
const SHUTDOWN_MS = 3_000;
/** Old lines of the timeline are looked for this often, in milliseconds. */
const PRUNE_MS = 3_600_000;
/** An outside service is told this often that the server works, in milliseconds. */
const NOTIFY_EVERY_MS = 60_000;
/** Messages whose time is over are looked for this often, in milliseconds. */
const EXPIRE_MS = 5_000;

/** Settings of {@linkcode startServer}. */
export interface ServerOptions {
  /** Directory of the server's key, database and locks; made when missing. */
  dataDirectory: string;
  /**
   * Address and port of clients; port 0 takes a free one.
   * @default {{ hostname: "0.0.0.0", port: 5001 }}
   */
  listen?: { hostname: string; port: number };
  /**
   * Address and port of the local API; "off" takes a free port of the loopback that only this server's own
   * commands can find.
   * @default {"off"}
   */
  http?: { hostname: string; port: number } | "off";
  /**
   * Speak plaintext instead of TLS.
   * @default {false}
   */
  plaintext?: boolean;
  /**
   * Let clients in that are not enrolled, as unverified; with `plaintext` also classic ones.
   * @default {false}
   */
  open?: boolean;
  /**
   * Usual time between two heartbeats, in milliseconds; every liveness limit scales with it.
   * @default {20000}
   */
  intervalMs?: number;
  /**
   * Silence after which a client is DOWN, in milliseconds.
   * @default {2.5 times the interval}
   */
  downMs?: number | undefined;
  /**
   * Folder of received files, with one folder per client.
   * @default {"files" in the data directory}
   */
  filesDirectory?: string | undefined;
  /**
   * Largest file that is taken, in bytes.
   * @default {no limit}
   */
  maxFileBytes?: number | undefined;
  /**
   * What the files of one client may take, in bytes.
   * @default {no limit}
   */
  quotaBytes?: number | undefined;
  /**
   * What stays free on the disk whatever is sent, in bytes.
   * @default {1 % of the disk, at most 1 GiB}
   */
  minFreeBytes?: number | undefined;
  /**
   * Where alerts are told besides the console and the log.
   * @default {[]}
   */
  channels?: readonly Channel[];
  /**
   * Asked for by GET for as long as the server truly works.
   * @default {nothing is asked for}
   */
  notifyUrl?: URL | undefined;
  /**
   * Time from one such request to the next, in milliseconds.
   * @default {60000}
   */
  notifyEveryMs?: number;
  /** Called for every message of a client, after it has been stored. */
  onMessage?: (message: IncomingMessage) => void;
  /** Called for every step of a message to a client, after it has been recorded. */
  onReceipt?: (receipt: MessageReceipt) => void;
  /** Called for every alert and recovery, after it has been stored if it can be, and for troubles of the server itself. */
  onNotice?: (notice: Notice) => void;
  /** Called for every received file, after it has been published. */
  onFile?: (file: { from: string; path: string; bytes: number }) => void;
  /** Called when a client has stored or refused a file that was pushed to it, after that is recorded. */
  onPush?: (notice: PushNotice) => void;
  /** Caps on connections, for tests. */
  lobbyLimits?: LobbyLimits;
  /**
   * Time, for tests.
   * @default {systemClock}
   */
  clock?: Clock;
}

/** A running server. */
export interface RunningServer extends AsyncDisposable {
  /** Where clients reach it. */
  readonly address: { hostname: string; port: number };
  /** Where the local API listens. */
  readonly apiUrl: string;
  /** First 40 hex digits of SHA-256 over its public key. */
  readonly serverId: string;
  /** What an operator can do: invite, send messages, list, revoke. */
  readonly operations: Operations;
  /** Says BYE to everyone and stops; safe to call again. */
  close(): Promise<void>;
}

/** Starts a server; rejects with an error for people when a directory, port or database is not to be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack();
  const clock = options.clock ?? systemClock;
  const log = getLog("server");
  const directory = stack.use(await openDirectory(options.dataDirectory));
  const guard = stack.use(diskGuard(directory.path, { clock, log }));
  await guard.start();
  const store = await openStore(join(directory.path, DATABASE_FILE), {
    onFull: () => guard.noteFull(),
  });
  stack.defer(() => store.close());
  await restoreIdentity(directory, { store, log });
  const identity = await loadIdentity(directory, clock);
  const files = stack.use(await openFileStore());
  const parts = buildParts(options, { clock, log, store, files, directory, guard, stack });
  await parts.vault.prepare();
  await sweepVault(parts);
  await parts.outgoing.prepare();
  await parts.outgoing.sweep(() => store.outgoingContents());
  await restore(parts);
  await parts.courier.start();
  startPruning(parts, stack);
  startExpiring(parts, stack);
  const ownPort = new OwnPort({ clock });
  const listener = openPort(options, { identity, parts, ownPort, stack });
  // A server that nobody can reach was not alive.
  await stack.use(new AliveMark(parts)).start();
  const address = listener.addr;
  const policy = { plaintext: options.plaintext === true, open: options.open === true };
  const operations = new Operations(parts, { ...policy, identity, address });
  const api = await openApi(options, { parts, operations, directory, stack });
  guard.subscribe(async ({ condition }) => {
    if (condition === "well") await api.publish();
  });
  // Before the API, which waits for the answers that it owes.
  stack.defer(() => parts.outgoing.close());
  stack.use(parts.backups);
  const check = () => healthTrouble({ ...parts, ownPort, address });
  startPings(options, { parts, check, stack });
  const running = stack.move();
  return {
    address: { hostname: address.hostname, port: address.port },
    apiUrl: api.url,
    serverId: identity.serverId,
    operations,
    close: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function startPings(
  { notifyUrl: url, notifyEveryMs: everyMs = NOTIFY_EVERY_MS }: ServerOptions,
  { parts, check, stack }: {
    parts: ServerParts;
    check: () => Promise<string | undefined>;
    stack: AsyncDisposableStack;
  },
): void {
  if (url === undefined) return;
  const { clock, log } = parts;
  stack.use(new WatchdogPing({ clock, log, fetch, url, everyMs, check })).start();
}

/** A full disk gives the ballast back, as opening takes a few bytes. */
async function openDirectory(path: string): Promise<DataDirectory> {
  try {
    return openDataDirectory(path, { lock: true });
  } catch (error) {
    const cause = error instanceof DataDirectoryError ? error.cause : undefined;
    if (!isDiskFull(cause) || await ballastFile(path).remove() === 0) throw error;
    return openDataDirectory(path, { lock: true });
  }
}

function diskGuard(directory: string, { clock, log }: { clock: Clock; log: Logger }): DiskGuard {
  const space = new DiskSpace({ directory, minFreeBytes: 0 });
  const ballast = ballastFile(directory);
  return new DiskGuard({ directory, clock, log, ballast, freeBytes: () => space.free() });
}

/** Takes the server's key out of a database that was put here from a backup; the key last, as it is what is asked for. */
async function restoreIdentity(
  { path }: DataDirectory,
  { store, log }: { store: Store; log: Logger },
): Promise<void> {
  const files = new Map((await store.serverFiles()).map(({ name, content }) => [name, content]));
  const key = files.get(IDENTITY_FILES.key);
  if (key === undefined) return;
  const present = await readPrivateFile(join(path, IDENTITY_FILES.key));
  if (present !== undefined && present !== key) return; // Of another server, whose clients know that one.
  if (present === undefined) {
    for (const name of [IDENTITY_FILES.certificate, IDENTITY_FILES.key]) {
      const content = files.get(name);
      if (content !== undefined) await writePrivateFile(join(path, name), content);
    }
    log.warn("Restored from a backup: this server is the one that it was made of");
  }
  await store.dropServerFiles();
}

async function loadIdentity(directory: DataDirectory, clock: Clock): Promise<ServerIdentity> {
  const keyPath = join(directory.path, IDENTITY_FILES.key);
  const certificatePath = join(directory.path, IDENTITY_FILES.certificate);
  const keyPem = await readPrivateFile(keyPath);
  const certificatePem = await readPrivateFile(certificatePath);
  const now = clock.wall();
  if (keyPem === undefined && certificatePem !== undefined) {
    throw new Error(
      `Cannot use the server's certificate: its key "${keyPath}" is missing; restore it from a backup`,
    );
  }
  let identity: ServerIdentity;
  try {
    identity = keyPem === undefined || certificatePem === undefined
      ? await makeIdentity(now, keyPem)
      : await readIdentity({ keyPem, certificatePem }, now);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot use the server's key "${keyPath}" or its certificate: ${why}; restore them from a backup`,
      { cause },
    );
  }
  if (identity.keyPem !== keyPem) await writePrivateFile(keyPath, identity.keyPem);
  if (identity.certificatePem !== certificatePem) {
    await writePrivateFile(certificatePath, identity.certificatePem);
  }
  return identity;
}

interface Foundation {
  clock: Clock;
  log: Logger;
  store: Store;
  files: FileStore;
  directory: DataDirectory;
  guard: DiskGuard;
  stack: AsyncDisposableStack;
}

function buildParts(options: ServerOptions, foundation: Foundation): ServerParts {
  const { clock, log, store, files, directory, guard, stack } = foundation;
  const roster = new Roster();
  const timing = timingOf(options.intervalMs ?? HEARTBEAT_INTERVAL_MS, options.downMs);
  const timeline = new Timeline({ clock, store, log, roster, absentMs: timing.downFarMs });
  const onNotice = options.onNotice ?? (() => {});
  const newId = () => uuidV7(clock);
  const alerting = stack.use(buildAlerting({
    ...{ clock, random: systemRandom, newId, log, timing, store, roster, timeline, onNotice },
    channels: options.channels ?? [],
    onDoubt: (reason) => log.warn("Every deadline starts anew: {reason}", { reason }),
  }));
  const { watch, alarm, courier, clones, overlays } = alerting;
  stack.defer(() => timeline.flush());
  const connections = options.plaintext === true ? MAX_CONNECTIONS : MAX_TLS_CONNECTIONS;
  const outgoing = join(directory.path, "outgoing");
  const { minFreeBytes, quotaBytes, maxFileBytes } = options;
  const disks = new Disks({ minFreeBytes });
  guard.subscribe(async ({ condition, free, notice }) => {
    (await disks.of(directory.path)).isClosed = condition !== "well";
    await alarm.announce(notice);
    await timeline.audit(`disk_${condition}`, { free });
    if (condition === "well") await alarm.flush();
  });
  const reserve = roomOn(() => disks.of(outgoing));
  const received = options.filesDirectory ?? join(directory.path, "files");
  const vault = new Vault({
    directory: received,
    maxFileBytes,
    quotaBytes,
    newId,
    store: files,
    space: { reserve: async (bytes) => await (await disks.of(received)).reserve(bytes) },
  });
  return {
    clock,
    log,
    timing,
    store,
    watch,
    alarm,
    courier,
    clones,
    overlays,
    roster,
    timeline,
    vault,
    locks: new TransferLocks(),
    outgoing: new Outgoing({ directory: outgoing, newId, reserve }),
    lobby: new Lobby({ connections, ...options.lobbyLimits }),
    backups: new Backups({
      directory: directory.path,
      spaceOf: (folder) => disks.of(folder),
    }),
    randomBytes: systemRandomBytes,
    newId,
    onMessage: options.onMessage ?? (() => {}),
    onReceipt: options.onReceipt ?? (() => {}),
    onFile: options.onFile ?? (() => {}),
    onPush: options.onPush ?? (() => {}),
  };
}

/** Puts the clients on record under watch: each has some time to come back (HB-47). */
async function restore(
  { alarm, clock, overlays, roster, store, watch }: ServerParts,
): Promise<void> {
  const records = await store.clients();
  for (const overlay of await store.overlays()) overlays.add(overlay);
  const clients = records.map(({ id, state, cause, lastSeen, stateSince }) => {
    const lastSeenAt = lastSeen ?? stateSince;
    return { client: id, state, cause: cause as Cause | undefined, lastSeenAt };
  });
  alarm.restore({ ...await store.openAlerts(), clients });
  for (const record of records) {
    roster.admit(record);
    const silentForMs = Math.max(0, clock.wall() - (record.lastSeen ?? clock.wall()));
    // Whoever was being watched when the server stopped still is; who had said goodbye is not missed.
    const watched = record.state !== "PLANNED";
    const { plannedUntil } = record;
    watch.restore(record.id, {
      state: record.state,
      cause: record.cause as Cause | undefined,
      silentForMs,
      plannedForMs: plannedUntil === undefined ? undefined : plannedUntil - clock.wall(),
      watched,
    });
  }
}

/** Removes unfinished files that nobody will continue. */
async function sweepVault({ clock, log, store, vault }: ServerParts): Promise<void> {
  const swept = await vault.sweep(clock.wall(), (client, id) => store.hasFile(client, id));
  if (swept > 0) log.info("Removed {swept} unfinished files of earlier", { swept });
}

function startPruning(parts: ServerParts, stack: AsyncDisposableStack): void {
  const { clock, log, store } = parts;
  stack.use(repeat(clock, PRUNE_MS, async () => {
    try {
      while (await store.prune(clock.wall()) > 0);
      while (await store.vacuum() > 0);
    } catch (error) {
      log.error("Cannot remove what is past its time: {error}", { error: String(error) });
    }
    try {
      await sweepVault(parts);
    } catch (error) {
      log.error("{error}", { error: error instanceof Error ? error.message : String(error) });
    }
  }));
}

function startExpiring(parts: ServerParts, stack: AsyncDisposableStack): void {
  const { clock, log, roster, store, timeline, onReceipt } = parts;
  stack.use(repeat(clock, EXPIRE_MS, async () => {
    try {
      const expired = await store.expireMessages(clock.wall());
      if (expired.length > 0) timeline.changed();
      for (const { id, client, text } of expired) {
        const to = roster.get(client)?.record.name ?? client;
        onReceipt({ id, to, text, state: "expired" });
      }
    } catch (error) {
      log.error("Cannot let messages expire: {error}", { error: String(error) });
    }
  }));
}

/** Runs `work`, which never rejects, `ms` after its last end until it is disposed of, also in the middle of it. */
function repeat(clock: Clock, ms: number, work: () => Promise<void>): Disposable {
  let isOver = false;
  const next = () =>
    clock.after(ms, async () => {
      await work();
      if (!isOver) timer = next();
    });
  let timer = next();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer.cancel();
    },
  };
}

function openPort(
  options: ServerOptions,
  context: {
    identity: ServerIdentity;
    parts: ServerParts;
    ownPort: OwnPort;
    stack: AsyncDisposableStack;
  },
): PortListener {
  const { identity, parts, ownPort, stack } = context;
  const { clock, log, roster } = parts;
  const { hostname, port } = options.listen ?? { hostname: "0.0.0.0", port: DEFAULT_PORT };
  const plaintext = options.plaintext === true;
  const tls = plaintext ? undefined : { cert: identity.certificatePem, key: identity.keyPem };
  const listener = openListener({ hostname, port, tls, clock });
  const reception = new Reception(parts, {
    serverId: identity.serverId,
    plaintext,
    open: options.open === true,
  });
  const abort = new AbortController();
  const visits = new Set<Promise<void>>();
  const receive = async (socket: AcceptedSocket) => {
    if (await ownPort.claims(socket.remoteAddr)) return socket.close();
    await reception.receive(socket, plainAddress(socket.remoteAddr.hostname));
  };
  const onConnection = (socket: AcceptedSocket) => {
    const visit = receive(socket).finally(() => visits.delete(visit));
    visits.add(visit);
  };
  const accepting = acceptAll(listener, { onConnection, clock, log, signal: abort.signal });
  stack.defer(async () => {
    abort.abort();
    listener.close();
    await accepting;
    const goodbyes = roster.members().flatMap(({ agent, others }) =>
      [...(agent ? [agent] : []), ...others].map((link) => link.end("shutdown"))
    );
    await Promise.all(goodbyes);
    reception.closeAll();
    const { promise: bound, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(SHUTDOWN_MS, resolve);
    await Promise.race([Promise.all(visits).then(() => listener.drained()), bound]);
  });
  return listener;
}

async function openApi(
  options: ServerOptions,
  context: {
    parts: ServerParts;
    operations: Operations;
    directory: DataDirectory;
    stack: AsyncDisposableStack;
  },
): Promise<ApiServer> {
  const { parts, operations, directory, stack } = context;
  const http = options.http ?? "off";
  const listen = http === "off" ? { hostname: "127.0.0.1", port: 0 } : http;
  const api = await openApiServer({ listen, operations, parts, dataDirectory: directory.path });
  stack.defer(() => api.close());
  return api;
}
