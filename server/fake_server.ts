/**
 * A server in memory for tests of its sessions: a clock that stands still, a store without a file, folders
 * that are removed at the end, and clients that are joined to it without sockets.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import { join } from "node:path";
import { sleep, systemClock } from "../platform/clock.ts";
import { IN_MEMORY, openDatabase } from "../platform/database.ts";
import { FakeClock } from "../platform/fake_clock.ts";
import type { DiskSpace, Reservation } from "../platform/disk_space.ts";
import { settleBundle, storeBundle } from "../platform/file_bundle.ts";
import { type FileSystem, systemFiles } from "../platform/file_system.ts";
import { promptRawFiles } from "../platform/raw_file.ts";
import { systemRandomBytes, uuidV7 } from "../platform/random.ts";
import { type FakeDuplexOptions, fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { generateKeyPair, keyIdOf, type KeyPair, type Role } from "../protocol/mod.ts";
import { type Alerting, buildAlerting } from "./alerting.ts";
import type { Channel } from "./alert/channel.ts";
import type { Notice } from "./alert/notice.ts";
import { Backups } from "./backup.ts";
import { FakePeer } from "./fake_peer.ts";
import { commitGroup, type StoreMethod } from "./group_commit.ts";
import { Lobby, type LobbyLimits } from "./lobby.ts";
import { Outgoing, type OutgoingOptions } from "./outgoing.ts";
import type { IncomingMessage, MessageReceipt, PushNotice, ServerParts } from "./parts.ts";
import { timingOf } from "./presence.ts";
import { Roster } from "./roster.ts";
import { type Store, StoreError } from "./store.ts";
import { StoreDatabase } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";
import { Timeline } from "./timeline.ts";
import { TransferLocks } from "./transfer_locks.ts";
import { Vault, type VaultOptions } from "./vault.ts";
import { Reception, type VisitingSocket } from "./visit.ts";
import type { WatchedChange } from "./watch.ts";

/** The id of every {@linkcode FakeServer}. */
export const FAKE_SERVER_ID = "10965244468947a4021d869c0c5126ecc6f84669";

/** As much room as is asked for. */
function unlimited(): Promise<Reservation> {
  return Promise.resolve({ wrote() {}, [Symbol.dispose]() {} });
}

/** Received files without a worker. */
function fileStore(files: FileSystem): VaultOptions["store"] {
  return {
    files,
    bundleMemory: (bytes) => new Uint8Array(bytes),
    storeBundle: (request) => storeBundle(promptRawFiles, request, systemClock),
    settleBundle: (stagingDirectory, ids) =>
      settleBundle(promptRawFiles, { stagingDirectory, ids }),
  };
}

/** Longest time that a test waits for a condition, in milliseconds of real time: a busy machine is slow. */
const PATIENCE_MS = 30_000;

/** Settings of {@linkcode FakeServer.start}. */
export interface FakeServerOptions {
  /** @default {false} */
  plaintext?: boolean;
  /** @default {false} */
  open?: boolean;
  /** @default {20000} */
  intervalMs?: number;
  maxFileBytes?: number;
  quotaBytes?: number;
  /** Room for received files. @default as much as is asked for */
  reserveFiles?: DiskSpace["reserve"];
  lobbyLimits?: LobbyLimits;
  /** Where alerts are told. @default {[]} */
  channels?: readonly Channel[];
  /** Room for copies of outgoing files. @default as much as is asked for */
  reserve?: OutgoingOptions["reserve"];
  /** The file system of received files. @default {systemFiles} */
  files?: FileSystem;
}

/** An enrolled client. */
export interface FakeIdentity {
  keys: KeyPair;
  keyId: string;
  name: string;
}

/** How {@linkcode FakeServer.dial} connects. */
export interface DialOptions extends FakeDuplexOptions {
  /** @default {"10.0.0.7"} */
  address?: string;
  /** Stands for the TLS handshake. */
  handshake?: () => Promise<unknown>;
}

/** One running server in memory. */
export class FakeServer implements AsyncDisposable {
  readonly clock = new FakeClock();
  /** Every message that was handed to whoever shows messages. */
  readonly messages: IncomingMessage[] = [];
  /** Every step of a message to a client. */
  readonly receipts: MessageReceipt[] = [];
  /** Every published file. */
  readonly files: { from: string; path: string; bytes: number }[] = [];
  /** What became of every pushed file. */
  readonly pushes: PushNotice[] = [];
  /** Every change of state. */
  readonly changes: WatchedChange[] = [];
  /** Every alert and recovery. */
  readonly notices: Notice[] = [];
  /** Every line of the log, as its template. */
  readonly logged: string[] = [];
  /** The tables behind the store. */
  readonly tables: StoreDatabase;
  readonly parts: ServerParts;
  /** The folder of received files. */
  readonly directory: string;
  /** The folder of files that wait for clients. */
  readonly outgoing: string;
  readonly #reception: Reception;
  readonly #database: ReturnType<typeof openDatabase>;
  readonly #failures = new Map<StoreMethod, StoreError>();
  readonly #held = new Map<StoreMethod, Promise<void>>();
  readonly #waiting = new Map<StoreMethod, number>();
  readonly #visits = new Set<Promise<void>>();
  #alerting: Alerting | undefined;

  private constructor(directory: string, options: FakeServerOptions) {
    this.directory = directory;
    this.outgoing = join(directory, ".outgoing");
    this.#database = openDatabase(IN_MEMORY, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
    this.tables = new StoreDatabase(this.#database);
    this.parts = this.#buildParts(options);
    const { plaintext = false, open = false } = options;
    this.#reception = new Reception(this.parts, { serverId: FAKE_SERVER_ID, plaintext, open });
  }

  /** Starts one; dispose it. */
  static async start(options: FakeServerOptions = {}): Promise<FakeServer> {
    const server = new FakeServer(await Deno.makeTempDir(), options);
    await server.parts.vault.prepare();
    await server.parts.outgoing.prepare();
    return server;
  }

  /** Puts a client on record, as if it had joined. */
  async enrol(name: string, tags: string[] = []): Promise<FakeIdentity> {
    const keys = await generateKeyPair();
    const keyId = keyIdOf(keys.publicKey);
    const { invite } = this.invite({ tags });
    const request = { invite, id: keyId, publicKey: keys.publicKey, suggestedName: undefined };
    const enrolled = this.tables.enrol({ ...request, name, now: this.clock.wall() });
    if (typeof enrolled === "string") throw new Error(`Cannot enrol ${name}: ${enrolled}`);
    return { keys, keyId, name };
  }

  /** Makes an invite. */
  invite(
    options: { name?: string; tags?: string[]; ttlMs?: number } = {},
  ): { invite: string; secret: Uint8Array } {
    const { name, tags = [], ttlMs = 3_600_000 } = options;
    const invite = this.parts.newId();
    const secret = systemRandomBytes(32);
    const createdAt = this.clock.wall();
    const expiresAt = createdAt + ttlMs;
    this.tables.addInvite({ id: invite, secret, expiresAt, usesLeft: 1, name, tags, createdAt });
    return { invite, secret };
  }

  /** Connects somebody who has not said anything yet. */
  dial(options: DialOptions = {}): FakePeer {
    const { address = "10.0.0.7", handshake, ...duplex } = options;
    const [client, server] = fakeDuplexPair(duplex);
    const socket: VisitingSocket = handshake ? { ...server, handshake } : server;
    const ended = this.#reception.receive(socket, address);
    this.#visits.add(ended);
    void ended.finally(() => this.#visits.delete(ended));
    return new FakePeer(client, ended);
  }

  /** Connects an enrolled client and brings it through the greeting. */
  async connect(
    identity: FakeIdentity,
    options: DialOptions & { role?: Role; epoch?: number } = {},
  ): Promise<FakePeer> {
    const peer = this.dial(options);
    await peer.greet(identity, { ...options, serverId: FAKE_SERVER_ID });
    return peer;
  }

  /** Lets every further call of a method of the store fail, until `undefined` is given. */
  fail(method: StoreMethod, error: StoreError | undefined): void {
    if (error === undefined) this.#failures.delete(method);
    else this.#failures.set(method, error);
  }

  /** Lets every further call of a method of the store wait until the result is called. */
  hold(method: StoreMethod): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(method, promise);
    return () => {
      this.#held.delete(method);
      resolve();
    };
  }

  /** How many calls of a method are being held. */
  waiting(method: StoreMethod): number {
    return this.#waiting.get(method) ?? 0;
  }

  /**
   * Resolves when `condition` holds, rejects when it does not within {@linkcode PATIENCE_MS}: files and keys are
   * real, and their operations take turns of the event loop.
   */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = systemClock.now() + PATIENCE_MS;
    while (!await condition()) {
      if (systemClock.now() > deadline) {
        throw new Error(`Cannot wait any longer for ${condition}`);
      }
      await sleep(systemClock, 0);
    }
  }

  /** The changes of one client, as `FROM>TO cause`. */
  path(client: string): string[] {
    return this.changes.filter((change) => change.client === client)
      .map(({ from, to, cause }) => `${from ?? "new"}>${to} ${cause ?? "-"}`);
  }

  /** The audit lines so far, without their time. */
  audits(): Record<string, unknown>[] {
    return this.tables.events({ kinds: ["audit"] }).map(({ data }) => ({ ...data }));
  }

  /** The names of published files, below the clients' folders, in order. */
  async published(): Promise<string[]> {
    const found: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(this.directory)) {
      if (!isDirectory || name.startsWith(".")) continue;
      for await (const file of Deno.readDir(join(this.directory, name))) {
        found.push(`${name}/${file.name}`);
      }
    }
    return found.sort();
  }

  /** How many files are being received. */
  async staged(): Promise<number> {
    const top = join(this.directory, ".staging");
    let staged = 0;
    for await (const { name } of Deno.readDir(top)) {
      for await (const entry of Deno.readDir(join(top, name))) {
        if (!entry.name.includes(".json")) staged++;
      }
    }
    return staged;
  }

  /** Ends everything; rejects when a connection or a timer is left over. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { agent, others } of this.parts.roster.members()) {
      for (const link of [agent, ...others]) void link?.end("shutdown");
    }
    this.#reception.closeAll();
    await this.until(async () => {
      await this.clock.advance(60_000);
      return this.#visits.size === 0;
    });
    await this.#alerting?.[Symbol.asyncDispose]();
    await this.parts.timeline.flush();
    await this.parts.outgoing.close();
    this.#database.close();
    await Deno.remove(this.directory, { recursive: true });
    if (this.clock.waiting > 0) throw new Error(`${this.clock.waiting} timers are left over`);
  }

  #buildParts(options: FakeServerOptions): ServerParts {
    const { clock } = this;
    const roster = new Roster();
    const store = this.#store();
    const log = this.#log();
    const timing = timingOf(options.intervalMs ?? 20_000);
    const timeline = new Timeline({ clock, store, log, roster, absentMs: timing.downFarMs });
    const onNotice = (notice: Notice) => void this.notices.push(notice);
    const newId = () => uuidV7(clock);
    this.#alerting = buildAlerting({
      ...{ clock, random: () => 0.5, newId, log, timing, store, roster, timeline, onNotice },
      channels: options.channels ?? [],
      onChange: (change) => void this.changes.push(change),
      onDoubt: (why) => void this.logged.push(why),
    });
    const { watch, alarm, courier, clones, overlays } = this.#alerting;
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
      vault: new Vault({
        directory: this.directory,
        maxFileBytes: options.maxFileBytes,
        quotaBytes: options.quotaBytes,
        newId,
        store: fileStore(options.files ?? systemFiles),
        space: { reserve: options.reserveFiles ?? unlimited },
      }),
      locks: new TransferLocks(),
      outgoing: new Outgoing({
        directory: this.outgoing,
        newId,
        reserve: options.reserve ?? unlimited,
      }),
      lobby: new Lobby(options.lobbyLimits),
      backups: new Backups({
        directory: this.directory,
        spaceOf: () => Promise.resolve({ reserve: unlimited }),
      }),
      randomBytes: systemRandomBytes,
      newId,
      onMessage: (message) => void this.messages.push(message),
      onReceipt: (receipt) => void this.receipts.push(receipt),
      onFile: (file) => void this.files.push(file),
      onPush: (notice) => void this.pushes.push(notice),
    };
  }

  /** The tables behind promises, each call committed on its own. */
  #store(): Store {
    let lastId = 0;
    const call = async (method: StoreMethod, args: unknown[]) => {
      const held = this.#held.get(method);
      if (held !== undefined) {
        this.#waiting.set(method, this.waiting(method) + 1);
        await held;
        this.#waiting.set(method, this.waiting(method) - 1);
      }
      const failure = this.#failures.get(method);
      if (failure !== undefined) throw failure;
      const store = { database: this.#database, tables: this.tables };
      const [answer] = commitGroup([{ id: ++lastId, method, args }], store);
      if (answer === undefined || "error" in answer) {
        throw new StoreError(answer?.error.message ?? "no answer");
      }
      return answer.value;
    };
    return new Proxy({} as Store, {
      get: (_, name) => {
        if (name === "then") return undefined;
        return (...args: unknown[]) => call(name as StoreMethod, args);
      },
    });
  }

  #log(): Logger {
    const note = (template: string) => void this.logged.push(template);
    return { debug: note, info: note, warn: note, error: note } as unknown as Logger;
  }
}
