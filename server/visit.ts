/**
 * One accepted connection from its first byte to its end: TLS handshake, which dialect, the greeting under
 * its deadline, and then the session of its role.
 *
 * @module
 */

import { sleep } from "../platform/clock.ts";
import {
  type Admitted,
  type ByteDuplex,
  CLASSIC_PREFIX_SETTLE_MS,
  Connection,
  encodeFrame,
  GREETING_DEADLINE_MS,
  OWN_VERSIONS,
  ProtocolError,
  type Refused,
  ServerGreeting,
} from "../protocol/mod.ts";
import { farewell } from "./farewell.ts";
import { ClassicInput } from "./classic_input.ts";
import { runClassicSession } from "./classic_session.ts";
import { runControlSession } from "./control_session.ts";
import { runDataSession } from "./data_session.ts";
import { greetingAuthority } from "./greeting_authority.ts";
import type { ServerParts } from "./parts.ts";
import { RateLimit } from "./rate_limit.ts";
import type { ClientKind, ClientRecord } from "./store_record.ts";

/** Failed greetings of one address that are answered at once; later ones wait. */
const FAILURE_BURST = 20;
/** Time in which one more is answered at once, and for which a later one waits, in milliseconds. */
const FAILURE_PAUSE_MS = 2_000;
/** Bytes that tell the dialects apart: `HELLO {`. */
const HELLO_PREFIX = "HELLO {";
/** First two bytes of every TLS client. */
const TLS_HANDSHAKE = 0x16;
const TLS_VERSION = 0x03;

/** A connection as the listener hands it over. */
export interface VisitingSocket extends ByteDuplex {
  /** Completes the TLS handshake; undefined on a plaintext socket. */
  handshake?: () => Promise<unknown>;
}

/** How the port is run. */
export interface VisitPolicy {
  serverId: string;
  /** Whether the port speaks plaintext, and so may have classic peers. */
  plaintext: boolean;
  /** Whether clients without proof are let in. */
  open: boolean;
}

/** Receives the connections of one server. */
export class Reception {
  #parts: ServerParts;
  #policy: VisitPolicy;
  #failures: RateLimit;
  #connections = new Set<Connection>();

  /** Starts with nobody. */
  constructor(parts: ServerParts, policy: VisitPolicy) {
    this.#parts = parts;
    this.#policy = policy;
    const { clock } = parts;
    this.#failures = new RateLimit({ clock, burst: FAILURE_BURST, refillMs: FAILURE_PAUSE_MS });
  }

  /** Serves one connection to its end; never rejects. */
  async receive(socket: VisitingSocket, address: string): Promise<void> {
    const { lobby, log } = this.#parts;
    let onBytes = () => {};
    const connection = new Connection(socket, { onRead: () => onBytes() });
    const place = lobby.enter(address, () => connection.close());
    if (place === undefined) {
      log.warn("Refused {address}: the server is full", { address });
      return await this.#turnAway(connection);
    }
    const setOnBytes = (run: () => void) => {
      onBytes = run;
    };
    const visit: Visit = { connection, address, socket, greeted: place.greeted, setOnBytes };
    this.#connections.add(connection);
    try {
      await this.#serve(visit);
    } catch (error) {
      // Whatever one peer does ends its own connection only.
      const message = error instanceof Error ? error.message : String(error);
      log.debug("{address}: {message}", { address, message });
    } finally {
      connection.close();
      visit.room?.[Symbol.dispose]();
      place.left();
      this.#connections.delete(connection);
    }
  }

  /** Closes every connection at once, whatever it is doing: the server stops and has said its goodbyes. */
  closeAll(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** Tells a peer that there is no room, unless it may be a classic one, which has no word for that. */
  async #turnAway(connection: Connection): Promise<void> {
    const { plaintext, open } = this.#policy;
    if (plaintext && open) return connection.close();
    const { code, reason } = full("too many connections");
    const bytes = encodeFrame("REFUSE", { code, reason });
    await farewell(connection, { clock: this.#parts.clock, bytes });
  }

  async #serve(visit: Visit): Promise<void> {
    using deadline = this.#startDeadline(visit);
    if (visit.socket.handshake) await this.#handshake(visit, visit.socket.handshake);
    const input = this.#policy.plaintext ? await this.#classicInput(visit) : undefined;
    const admitted = input === undefined ? await this.#greet(visit) : undefined;
    deadline[Symbol.dispose]();
    visit.greeted();
    if (input !== undefined) await this.#serveClassic(visit, input);
    else if (admitted) await this.#serveAdmitted(visit, admitted);
  }

  /**
   * The absolute deadline of the greeting. A connection to an open plaintext port that has said nothing at
   * all may be a classic client between two heartbeats: it stays, as one of its address's unverified ones,
   * and its greeting counts from its first byte.
   */
  #startDeadline(visit: Visit): Disposable {
    const { clock, lobby } = this.#parts;
    const { connection, address, setOnBytes } = visit;
    const mayStaySilent = this.#policy.plaintext && this.#policy.open;
    let heard = false;
    let timer = clock.after(GREETING_DEADLINE_MS, () => {
      if (mayStaySilent && !heard) visit.room ??= lobby.admitUnverified(address);
      if (visit.room === undefined) return connection.close();
      visit.greeted();
      setOnBytes(() => {
        setOnBytes(() => {});
        timer = clock.after(GREETING_DEADLINE_MS, () => connection.close());
      });
    });
    setOnBytes(() => {
      heard = true;
    });
    return { [Symbol.dispose]: () => timer.cancel() };
  }

  async #handshake(visit: Visit, handshake: () => Promise<unknown>): Promise<void> {
    try {
      await handshake.call(visit.socket);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      await this.#parts.timeline.audit("tls_failed", { address: visit.address, reason });
      throw error;
    }
  }

  /**
   * Looks at the first bytes of a plaintext connection: the input of a classic peer, undefined for HB/1. Throws
   * for a peer that may not speak here.
   */
  async #classicInput(visit: Visit): Promise<ClassicInput | undefined> {
    const { connection, address } = visit;
    const { clock, timeline, log } = this.#parts;
    await connection.reader.peek(1); // An idle connection shall hold no buffer yet.
    const input = new ClassicInput(connection.reader, clock);
    const first = await this.#decidingBytes(input);
    if (first.length === 0) throw new Error("it left without a word");
    if (isTls(first)) {
      log.warn("{address} speaks TLS but this server runs with --plaintext: join it again", {
        address,
      });
      await timeline.audit("tls_on_plaintext", { address });
      throw new Error("it speaks TLS");
    }
    if (latin(first).startsWith(HELLO_PREFIX)) return void connection.reader.unread(first);
    if (!this.#policy.open) {
      await timeline.audit("classic_refused", { address });
      throw new Error("a classic peer needs --plaintext --open");
    }
    input.unread(first);
    return input;
  }

  /** Waits until the first bytes tell the dialect; a classic peer may say "HELLO" and wait for an answer. */
  async #decidingBytes(input: ClassicInput): Promise<Uint8Array> {
    const settleMs = this.#policy.open ? CLASSIC_PREFIX_SETTLE_MS : undefined;
    let bytes = new Uint8Array();
    while (bytes.length < HELLO_PREFIX.length && HELLO_PREFIX.startsWith(latin(bytes))) {
      const chunk = await input.next(bytes.length === 0 ? undefined : settleMs);
      if (chunk === null || chunk === "quiet") return bytes;
      bytes = new Uint8Array([...bytes, ...chunk]);
    }
    return bytes;
  }

  /** Runs the greeting; undefined when it ended with a refusal, which has been sent and noted. */
  async #greet(visit: Visit): Promise<Admitted | undefined> {
    const { connection } = visit;
    const greeting = new ServerGreeting(greetingAuthority(this.#parts, this.#policy));
    try {
      while (true) {
        const line = await connection.readLine();
        if (line === null) return undefined;
        const step = await greeting.receive(line);
        if (step.kind === "admitted") return step.admitted;
        if (step.kind === "refused") {
          await this.#refuse(visit, { ...step.refused, ...greeting.claimed });
          return undefined;
        }
        await connection.write(step.send);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const refused = { code: "bad_frame" as const, reason: error.message, audit: error.message };
      await this.#refuse(visit, { ...refused, ...greeting.claimed });
      return undefined;
    }
  }

  async #refuse(
    visit: Visit,
    refused: Refused & { name?: string | undefined; keyId?: string | undefined },
  ): Promise<void> {
    const { address } = visit;
    const { code, reason, audit, name, keyId } = refused;
    await this.#parts.timeline.audit("refused", { address, code, reason: audit, name, key: keyId });
    if (this.#failures.take(address) === undefined) {
      await sleep(this.#parts.clock, FAILURE_PAUSE_MS);
    }
    const range = code === "version" ? { hb: OWN_VERSIONS } : {};
    await farewell(visit.connection, {
      clock: this.#parts.clock,
      bytes: encodeFrame("REFUSE", { code, reason, ...range }),
    });
  }

  async #serveClassic(visit: Visit, input: ClassicInput): Promise<void> {
    const { address, connection, setOnBytes } = visit;
    const record = await this.#unverifiedRecord({
      id: `classic:${address}`,
      name: address.includes(":") ? `ip6-${address.replaceAll(":", "-")}` : address,
      kind: "classic",
    });
    visit.room ??= this.#parts.lobby.admitUnverified(address);
    if (visit.room === undefined || record === null) return;
    await runClassicSession({ connection, input, record, address, setOnBytes }, this.#parts);
  }

  async #serveAdmitted(visit: Visit, admitted: Admitted): Promise<void> {
    const { connection, address, setOnBytes } = visit;
    if (!admitted.verified) visit.room ??= this.#parts.lobby.admitUnverified(address);
    if (!admitted.verified && visit.room === undefined) {
      return await this.#refuse(visit, full(`too many connections from ${address}`));
    }
    const record = await this.#recordOf(visit, admitted);
    if (record === undefined) return;
    connection.greeted();
    const guest = { connection, record, address, admitted, setOnBytes };
    if (admitted.role === "data") await runDataSession(guest, this.#parts);
    else await runControlSession(guest, this.#parts);
  }

  /** The record of an admitted client; undefined when it had to be refused after all. */
  async #recordOf(visit: Visit, admitted: Admitted): Promise<ClientRecord | undefined> {
    const { store, timeline } = this.#parts;
    const { address } = visit;
    if (admitted.verified && admitted.keyId !== undefined) {
      const record = await store.client(admitted.keyId);
      if (record !== undefined && admitted.joined) {
        await timeline.audit("joined", { client: record.id, address, name: record.name });
      }
      return record;
    }
    const claimed = admitted.name ?? address.replaceAll(":", "-");
    const record = await this.#unverifiedRecord({
      id: `open:${claimed.toLowerCase()}`,
      name: claimed,
      kind: "open",
    });
    if (record !== null) return record;
    const reason =
      `The name "${claimed}" belongs to an enrolled machine. Choose another with --name`;
    await this.#refuse(visit, { code: "name_taken", reason, audit: `name "${claimed}" is taken` });
    return undefined;
  }

  #unverifiedRecord(peer: { id: string; name: string; kind: ClientKind }) {
    const { store, clock } = this.#parts;
    return store.admitUnverified({ ...peer, now: clock.wall() });
  }
}

interface Visit {
  connection: Connection;
  address: string;
  socket: VisitingSocket;
  greeted: () => void;
  setOnBytes: (run: () => void) => void;
  /** Its place among the unverified connections of its address, once it has one. */
  room?: Disposable | undefined;
}

function isTls([first, second]: Uint8Array): boolean {
  return first === TLS_HANDSHAKE && (second === undefined || second === TLS_VERSION);
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, HELLO_PREFIX.length));
}

function full(why: string): Refused {
  return { code: "full", reason: `The server is full: ${why}. Try again later`, audit: why };
}
