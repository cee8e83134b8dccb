/**
 * The client's side of the greeting over one connection. The rules are protocol/'s; opening, the deadline and
 * closing are the caller's.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import {
  type ClientCredentials,
  ClientGreeting,
  type ClientHello,
  type Connection,
  type Fields,
} from "../protocol/mod.ts";

/** What a greeting needs. */
export interface GreetOptions {
  /** What this client says of itself. */
  hello: ClientHello;
  /** What it can prove. */
  credentials: ClientCredentials;
  /** Measures the round trip. */
  clock: Clock;
}

/** A greeting that ended well. */
export interface Greeted {
  /** What the server granted. */
  ack: Fields<"ACK">;
  /** From HELLO to the server's first answer, in milliseconds. */
  rttMs: number;
}

/** The stream ended before the greeting did. */
export class GreetingClosedError extends Error {
  override readonly name = "GreetingClosedError";
}

/** The other side answered with TLS records on a plaintext connection. */
export class TlsAnswerError extends Error {
  override readonly name = "TlsAnswerError";
}

/** First bytes of a TLS record that a server may send: an alert or a handshake. */
const TLS_RECORD_TYPES = [0x15, 0x16];

/**
 * Greets the server and resolves once it has accepted. Rejects with protocol/'s errors (refused, not a
 * proper greeting), {@linkcode GreetingClosedError}, {@linkcode TlsAnswerError}, or what the socket throws.
 */
export async function greet(connection: Connection, options: GreetOptions): Promise<Greeted> {
  const { clock } = options;
  const greeting = new ClientGreeting(options.hello, options.credentials);
  await connection.write(greeting.hello);
  const sentAt = clock.now();
  const [first] = await connection.reader.peek(1);
  const rttMs = clock.now() - sentAt;
  if (first !== undefined && TLS_RECORD_TYPES.includes(first)) {
    throw new TlsAnswerError("Cannot greet the server in plaintext: it answers in TLS");
  }
  while (true) {
    const line = await connection.readLine();
    if (line === null) {
      throw new GreetingClosedError("Cannot greet the server: it closed the connection");
    }
    const step = await greeting.receive(line);
    if (step.kind === "done") {
      connection.greeted();
      return { ack: step.ack, rttMs };
    }
    await connection.write(step.send);
  }
}
