/**
 * Opens connections to the server: the only file of the client that names sockets.
 *
 * @module
 */

import type { Address } from "../platform/address.ts";
import type { Clock } from "../platform/clock.ts";
import {
  type ClientCredentials,
  Connection,
  type Fields,
  GREETING_DEADLINE_MS,
  GreetingRefusedError,
  type KeyPair,
  ProtocolError,
  type Role,
} from "../protocol/mod.ts";
import {
  type DialFailure,
  type DialPhase,
  distrust,
  explainFailure,
  refusal,
  unreachable,
} from "./dial_failure.ts";
import { greet } from "./greet.ts";

/** Time for the TCP connection to one address, in milliseconds. */
export const CONNECT_DEADLINE_MS = 10_000;

/** Where a server is and how it is recognised. */
export interface Destination {
  /** Its addresses, tried in this order. */
  addresses: readonly Address[];
  /** Its id; undefined for an open server that was not joined. */
  serverId: string | undefined;
  /** Its certificate in DER; undefined for a server that speaks plaintext. */
  certificate: Uint8Array | undefined;
}

/** One connection to be opened. */
export interface DialRequest {
  /** What it is for. */
  role: Role;
  /** Where to. */
  destination: Destination;
  /** The name that this client knows itself by. */
  name: string | undefined;
  /** Its key pair. */
  keys: KeyPair;
  /** With an invite the client enrols. */
  invite?: ClientCredentials["invite"];
  /** Program and system, for people. */
  app: string;
  /** Start of this process, in milliseconds since 1970. */
  epoch: number;
  /** Called with the count whenever bytes arrive. */
  onRead?: (count: number) => void;
  /** Gives up and rejects with its reason when aborted. */
  signal?: AbortSignal;
}

/** A connection that the server has accepted; whoever asked for it closes it. */
export interface Dialled {
  /** Frames in and out. */
  connection: Connection;
  /** What the server granted. */
  ack: Fields<"ACK">;
  /** The address that answered. */
  address: Address;
  /** From HELLO to the first answer, in milliseconds. */
  rttMs: number;
}

/**
 * Opens one connection: tries each address until one is accepted. Rejects with `CannotConnectError` when
 * none answers as an hb server, with `RefusedError` when the server refuses or is another one.
 */
export type Dial = (request: DialRequest) => Promise<Dialled>;

/** Makes the real {@linkcode Dial}, over TCP and TLS. */
export function createDial(clock: Clock): Dial {
  return async (request) => {
    const failures: DialFailure[] = [];
    for (const address of request.destination.addresses) {
      request.signal?.throwIfAborted();
      const attempt = new Attempt(address, { request, clock });
      try {
        return await attempt.run();
      } catch (error) {
        request.signal?.throwIfAborted();
        if (error instanceof GreetingRefusedError) throw refusal(error, address);
        if (error instanceof ProtocolError && error.code === "unexpected") {
          throw distrust(error, address);
        }
        const { phase, timedOutMs } = attempt;
        failures.push(explainFailure(error, { address, phase, timedOutMs }));
      }
    }
    throw unreachable(failures);
  };
}

/** One try at one address: connect, TLS, greeting, each with its deadline. */
class Attempt {
  readonly #address: Address;
  readonly #request: DialRequest;
  readonly #clock: Clock;
  /** How far it came. */
  phase: DialPhase = "connect";
  /** The deadline that ended it, in milliseconds. */
  timedOutMs: number | undefined;

  constructor(address: Address, { request, clock }: { request: DialRequest; clock: Clock }) {
    this.#address = address;
    this.#request = request;
    this.#clock = clock;
  }

  async run(): Promise<Dialled> {
    const tcp = await this.#connect();
    const { certificate, serverId } = this.#request.destination;
    if (certificate === undefined || serverId === undefined) return await this.#greet(tcp);
    this.phase = "tls";
    return await this.#limited(GREETING_DEADLINE_MS, async (closeOnAbort) => {
      closeOnAbort(tcp);
      const hostname = `${serverId}.hb.internal`;
      const tls = await Deno.startTls(tcp, { hostname, caCerts: [pemOf(certificate)] });
      closeOnAbort(tls);
      await tls.handshake();
      return await this.#greet(tls);
    });
  }

  async #connect(): Promise<Deno.TcpConn> {
    const controller = new AbortController();
    const { hostname, port } = this.#address;
    const tcp = await this.#limited(CONNECT_DEADLINE_MS, async (closeOnAbort) => {
      closeOnAbort({ close: () => controller.abort() });
      return await Deno.connect({ hostname, port, signal: controller.signal });
    });
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true);
    return tcp;
  }

  async #greet(conn: Deno.Conn): Promise<Dialled> {
    this.phase = "greeting";
    const { role, name, app, epoch, keys, invite, destination, onRead } = this.#request;
    return await this.#limited(GREETING_DEADLINE_MS, async (closeOnAbort) => {
      closeOnAbort(conn);
      const connection = new Connection(conn, onRead === undefined ? {} : { onRead });
      closeOnAbort(connection);
      const greeted = await greet(connection, {
        hello: { role, name, app, epoch },
        credentials: { ...keys, serverId: destination.serverId, invite },
        clock: this.#clock,
      });
      return { connection, address: this.#address, ...greeted };
    });
  }

  /**
   * Runs `work` and closes what it names last when the deadline passes, the request is aborted, or the
   * work fails; what a finished work has opened stays open.
   */
  async #limited<T>(
    ms: number,
    work: (closeOnAbort: (opened: { close(): void }) => void) => Promise<T>,
  ): Promise<T> {
    let opened: { close(): void } | undefined;
    const close = () => {
      try {
        opened?.close();
      } catch (error) {
        // Already closed, or handed over to the TLS connection that will be closed instead.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    };
    const deadline = this.#clock.after(ms, () => {
      this.timedOutMs ??= ms;
      close();
    });
    const { signal } = this.#request;
    signal?.addEventListener("abort", close);
    try {
      return await work((next) => {
        opened = next;
        if (signal?.aborted === true || this.timedOutMs !== undefined) close();
      });
    } catch (error) {
      close();
      throw error;
    } finally {
      deadline.cancel();
      signal?.removeEventListener("abort", close);
    }
  }
}

function pemOf(der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
