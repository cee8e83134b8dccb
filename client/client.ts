/**
 * A client as a library: joins where it must, stays connected, and says what happens through events. It
 * prints nothing.
 *
 * @module
 */

import { join, resolve } from "node:path";
import type { Address } from "../platform/address.ts";
import { systemClock } from "../platform/clock.ts";
import { openDataDirectory } from "../platform/data_directory.ts";
import { HostFacts, systemHost } from "../platform/host_facts.ts";
import { systemRandom } from "../platform/random.ts";
import { Agent, type AgentEvents, type AgentState, type ByeReason } from "./agent.ts";
import { createDial } from "./dial.ts";
import { enrol, readJoinKey } from "./enrol.ts";
import { FILES_DIRECTORY, InboxFolder } from "./inbox_folder.ts";
import { openClient } from "./open_client.ts";
import { type ReceiveEvents, Receiver } from "./receive.ts";
import { type StoredFile, Uploader } from "./upload.ts";

/** Which files a client takes from its server. */
export interface PushSettings {
  /** Where they are put. @default `files` in the data directory */
  directory?: string;
  /** Largest file, in bytes. @default no limit */
  maxFileBytes?: number;
  /** Space that they must leave free on the disk, in bytes. @default 1 % of it, at most 1 GiB */
  minFreeBytes?: number;
}

/** Settings of {@linkcode connect}. */
export interface ConnectOptions extends AgentEvents, ReceiveEvents {
  /** Directory of this client's key, settings and queues; made when missing, used by one client at a time. */
  dataDirectory: string;
  /**
   * Joins with this key first; needed once.
   * @default the server that this data directory has joined
   */
  joinKey?: string;
  /** The name to join or to appear under. @default the join key's, or else the host's */
  name?: string;
  /** Address of an open plaintext server, to be used without joining. */
  openServer?: Address;
  /** Which files are taken from the server; false for none. @default all for which there is space */
  push?: PushSettings | false;
}

/** A client that keeps itself connected. */
export interface ConnectedClient extends AsyncDisposable {
  /** What it is doing now. */
  readonly state: AgentState;
  /**
   * Queues a text for the server, durably, and sends it as soon as there is a connection; its id. Throws
   * when the queue is full or the text too long.
   */
  say(text: string): string;
  /**
   * Sends one file over a connection of its own; resolves once the server has stored it. Goes on where an earlier
   * try for the same unchanged file was cut.
   */
  send(path: string): Promise<StoredFile>;
  /** Resolves when it has stopped; rejects when the server refuses this client for good. */
  readonly ended: Promise<void>;
  /** Says goodbye and ends it; safe to call again. */
  stop(reason?: ByeReason): Promise<void>;
}

/**
 * Joins where a join key is given, connects, and stays connected until it is stopped. Rejects when joining
 * fails or the data directory cannot be used; a server that is away is waited for.
 */
export async function connect(options: ConnectOptions): Promise<ConnectedClient> {
  const { dataDirectory, joinKey, name, openServer } = options;
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const context = { clock, dial: createDial(clock), dataDirectory, epoch: clock.wall() };
  stack.use(openDataDirectory(dataDirectory, { lock: true }));
  if (joinKey !== undefined) await enrol(readJoinKey(joinKey), { name, context });
  const plaintext = openServer !== undefined;
  const { access, store, uploads } = stack.use(
    await openClient({ server: openServer, plaintext, name }, context),
  );
  const facts = new HostFacts(systemHost(dataDirectory));
  const receiver = new Receiver({
    clock,
    random: systemRandom,
    connect: (request) => access.connect({ role: "data", ...request }),
    folder: inboxOf(options),
    store,
  }, options);
  const agent = new Agent({
    clock,
    random: systemRandom,
    connect: (request) => access.connect({ role: "agent", ...request }),
    store,
    vitals: () => facts.vitals(),
    receiver,
  }, options);
  const ended = agent.run();
  ended.catch(() => {}); // Whoever cares awaits `ended`; others are not made to.
  const open = stack.move();
  const stop = async (reason: ByeReason = "stop") => {
    await agent.stop(reason);
    await ended.catch(() => {}); // Told by `ended` itself.
    await open.disposeAsync();
  };
  return {
    get state() {
      return agent.state;
    },
    say: (text) => agent.say(text),
    send: async (path) => {
      await using uploader = new Uploader({
        clock,
        random: systemRandom,
        connect: (signal) => access.connect({ role: "data", ...(signal && { signal }) }),
        memory: uploads(),
      });
      return await uploader.send(path);
    },
    ended,
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

function inboxOf({ push = {}, dataDirectory }: ConnectOptions): InboxFolder | undefined {
  if (push === false) return undefined;
  const { directory = join(dataDirectory, FILES_DIRECTORY), ...limits } = push;
  return new InboxFolder({ directory: resolve(directory), ...limits });
}
