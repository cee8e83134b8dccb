/**
 * One connection of a simulated world, as its machine and the server share it.
 *
 * @module
 */

import type { SimStream } from "./sim_network.ts";

/** What the server needs of a machine. */
export interface ConnectedMachine {
  readonly id: string;
  readonly index: number;
  /** Takes bytes that the server sent, which will have arrived at `at`. */
  hear(connection: SimConnection, at: number): void;
  /** Answers a PING that will have arrived at `at`; `ping` is when the server sent it, by its own clock. */
  pinged(connection: SimConnection, at: number, ping: number): void;
  /** The server, or its kernel, ends a connection; the machine learns of it at `at`. */
  closedByServer(connection: SimConnection, at: number, saidBye: boolean): void;
}

/** One connection between a machine and the server. */
export interface SimConnection {
  readonly machine: ConnectedMachine;
  /** Which life of the server accepted it. */
  readonly run: number;
  readonly up: SimStream;
  readonly down: SimStream;
}
