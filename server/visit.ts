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
  Connection,
  encodeFrame,
  GREETING_DEADLINE_MS,
  OWN_VERSIONS,
  ProtocolError,
  type Refused,
  ServerGreeting,
} from "../protocol/mod.ts";
import { farewell } from "./farewell.ts";
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
const TLS_HANDSHAKE = 0x16;

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
      return connection.close();
    }
    const setOnBytes = (run: () => void) => {
      onBytes = run;
    };
    const visit: Visit = { connection, address, socket, greeted: place.greeted, setOnBytes };
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
    }
  }

  async #serve(visit: Visit): Promise<void> {
    using deadline = this.#startDeadline(visit);
    if (visit.socket.handshake) await this.#handshake(visit, visit.socket.handshake);
    const classic = this.#policy.plaintext && await this.#isClassic(visit);
    deadline.decided();
    const admitted = classic ? undefined : await this.#greet(visit);
    deadline[Symbol.dispose]();
    visit.greeted();
    if (classic) await this.#serveClassic(visit);
    else if (admitted) await this.#serveAdmitted(visit, admitted);
  }

  /**
   * The absolute deadline of the greeting. A connection to an open plaintext port that has said nothing at
   * all may be a classic client between two heartbeats: it stays, as one of its address's unverified ones,
   * and its greeting counts from its first byte.
   */
  #startDeadline(visit: Visit): Disposable & { decided(): void } {
    const { clock, lobby } = this.#parts;
    const { connection, address } = visit;
    const mayStaySilent = this.#policy.plaintext && this.#policy.open;
    let stayedSilent = false;
    const onDeadline = () => {
      const silent = mayStaySilent && connection.bytesWritten === 0 &&
        connection.reader.buffered === 0;
      if (silent) visit.room ??= lobby.admitUnverified(address);
      if (!silent || stayedSilent || visit.room === undefined) return connection.close();
      stayedSilent = true;
      visit.greeted();
    };
    let timer = clock.after(GREETING_DEADLINE_MS, onDeadline);
    return {
      decided: () => {
        if (stayedSilent) timer = clock.after(GREETING_DEADLINE_MS, () => connection.close());
      },
      [Symbol.dispose]: () => timer.cancel(),
    };
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

  /** Looks at the first bytes of a plaintext connection; throws for a peer that may not speak classic. */
  async #isClassic(visit: Visit): Promise<boolean> {
    const { connection, address } = visit;
    const { timeline, log } = this.#parts;
    const first = await this.#decidingBytes(connection);
    if (first.length === 0) throw new Error("it left without a word");
    if (first[0] === TLS_HANDSHAKE) {
      log.warn("{address} speaks TLS but this server runs with --plaintext: join it again", {
        address,
      });
      await timeline.audit("tls_on_plaintext", { address });
      throw new Error("it speaks TLS");
    }
    if (startsHello(first)) return false;
    if (this.#policy.open) return true;
    await timeline.audit("classic_refused", { address });
    throw new Error("a classic peer needs --plaintext --open");
  }

  /** Waits until the first bytes tell the dialect: as soon as they are no beginning of HELLO. */
  async #decidingBytes(connection: Connection): Promise<Uint8Array> {
    for (let count = 1;; count++) {
      const bytes = await connection.reader.peek(count);
      if (bytes.length < count || bytes.length >= HELLO_PREFIX.length) return bytes;
      if (!HELLO_PREFIX.startsWith(latin(bytes))) return bytes;
    }
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

  async #serveClassic(visit: Visit): Promise<void> {
    const { address, connection, setOnBytes } = visit;
    const record = await this.#unverifiedRecord({
      id: `classic:${address}`,
      name: address.includes(":") ? `ip6-${address.replaceAll(":", "-")}` : address,
      kind: "classic",
    });
    visit.room ??= this.#parts.lobby.admitUnverified(address);
    if (visit.room === undefined || record === null) return;
    await runClassicSession({ connection, record, address, setOnBytes }, this.#parts);
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

function startsHello(bytes: Uint8Array): boolean {
  return latin(bytes).startsWith(HELLO_PREFIX);
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, HELLO_PREFIX.length));
}

function full(why: string): Refused {
  return { code: "full", reason: `The server is full: ${why}. Try again later`, audit: why };
}
