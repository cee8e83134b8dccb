/**
 * A scripted client of HB/1: the protocol's own code with none of hbclient around it, so that a test can do what
 * hbclient never would.
 *
 * @module
 */

import { join } from "node:path";
import {
  ClientGreeting,
  Connection,
  decodeJoinKey,
  type Fields,
  type Frame,
  generateKeyPair,
  type KeyPair,
  type Role,
  type UnknownFrame,
} from "../protocol/mod.ts";
import { within } from "./until.ts";

/** Where a peer connects: a running server, or what looks like one. */
export interface PeerTarget {
  readonly port: number;
  readonly serverId: string;
  /** The server's data directory, in which its certificate lies. */
  readonly data: string;
}

/** Settings of {@linkcode Peer.connect}. */
export interface PeerOptions {
  /** @default {"agent"} */
  role?: Role;
  name?: string;
  /** Its key pair; a new one unless set. */
  keys?: KeyPair;
  /** A join key to enrol with. */
  join?: string;
  /** The start of its process, in milliseconds since 1970. @default {0} */
  epoch?: number;
  /** Whether the server speaks TLS. @default {false} */
  tls?: boolean;
  /** Called with their count when bytes come. */
  onRead?: (count: number) => void;
}

/** Opens a connection, with TLS and the server's own certificate when asked. */
export async function dial(target: PeerTarget, { tls = false } = {}): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
  conn.setNoDelay(true);
  if (!tls) return conn;
  const caCerts = [await Deno.readTextFile(join(target.data, "server-cert.pem"))];
  const secure = await Deno.startTls(conn, { hostname: `${target.serverId}.hb.internal`, caCerts });
  await secure.handshake();
  return secure;
}

/** A greeted peer. */
export class Peer implements Disposable {
  readonly connection: Connection;
  readonly ack: Fields<"ACK">;
  readonly keys: KeyPair;

  private constructor(connection: Connection, greeted: { ack: Fields<"ACK">; keys: KeyPair }) {
    this.connection = connection;
    this.ack = greeted.ack;
    this.keys = greeted.keys;
  }

  /** Connects and greets; rejects with a GreetingRefusedError when the server refuses. */
  static async connect(target: PeerTarget, options: PeerOptions = {}): Promise<Peer> {
    const { role = "agent", name, join, epoch = 0, onRead } = options;
    const keys = options.keys ?? await generateKeyPair();
    const key = join === undefined ? undefined : decodeJoinKey(join);
    const invite = key && { id: key.invite, secret: key.secret };
    const greeting = new ClientGreeting({ role, name, app: "test", epoch }, { ...keys, invite });
    const reading = onRead === undefined ? {} : { onRead };
    const connection = new Connection(await dial(target, options), reading);
    try {
      await connection.write(greeting.hello);
      while (true) {
        const line = await within(connection.readLine(), { what: "the server's greeting" });
        if (line === null) throw new Error("Cannot greet: the server closed the connection");
        const step = await greeting.receive(line);
        if (step.kind === "done") {
          connection.greeted();
          return new Peer(connection, { ack: step.ack, keys });
        }
        await connection.write(step.send);
      }
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Sends a frame. */
  send(frame: Frame): void {
    this.connection.send(frame);
  }

  /** Sends a line as it is, whatever it says. */
  async sendLine(line: string): Promise<void> {
    await this.sendBytes(new TextEncoder().encode(`${line}\n`));
  }

  /** Sends bytes as they are. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.connection.write(bytes);
  }

  /** The next frame of that verb; others, such as PING, are passed over. Rejects when the stream ends. */
  async next<V extends Frame["verb"]>(...verbs: V[]): Promise<Extract<Frame, { verb: V }>> {
    const what = `${verbs.join(" or ")} of the server`;
    while (true) {
      const frame = await within(this.connection.readFrame(), { what });
      if (frame === null) throw new Error(`Cannot see ${what}: it closed the connection`);
      if (isOneOf(frame, verbs)) return frame;
    }
  }

  /** Resolves with what the server still says once it has closed the connection. */
  async rest(): Promise<(Frame | UnknownFrame)[]> {
    const frames: (Frame | UnknownFrame)[] = [];
    try {
      while (true) {
        const frame = await within(this.connection.readFrame(), { what: "the server's close" });
        if (frame === null) return frames;
        frames.push(frame);
      }
    } catch (error) {
      // A reset is one way of closing, which a write before this may have met already.
      const { BadResource, ConnectionReset } = Deno.errors;
      if (error instanceof ConnectionReset || error instanceof BadResource) return frames;
      throw error;
    } finally {
      this.connection.close();
    }
  }

  /** Closes without a goodbye. */
  [Symbol.dispose](): void {
    this.connection.close();
  }
}

function isOneOf<V extends Frame["verb"]>(
  frame: Frame | UnknownFrame,
  verbs: readonly V[],
): frame is Extract<Frame, { verb: V }> {
  return verbs.some((verb) => verb === frame.verb);
}
