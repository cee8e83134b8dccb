/**
 * The client's side of the greeting as a state machine: lines in, lines and the server's ACK out.
 *
 * @module
 */

import { encodeBase64Url } from "./base64url.ts";
import { ProtocolError } from "./error.ts";
import { encodeFrame } from "./frame.ts";
import { type Challenge, joinMac, keyIdOf, proofBytes, sign } from "./identity.ts";
import { type Fields, type FrameOf, parseFrame, type Role } from "./verb.ts";
import { commonVersion, OWN_VERSIONS } from "./version.ts";

/** The server ended the greeting with REFUSE. */
export class GreetingRefusedError extends Error {
  /** The class's name. */
  override readonly name = "GreetingRefusedError";
  /** The code as it came; newer servers may use others than REFUSE_CODES. */
  readonly code: string;

  /** Takes the code and the server's own words. */
  constructor(code: string, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** What a client says of itself in HELLO. */
export interface ClientHello {
  /** What the connection is for. */
  role: Role;
  /** The name that it knows itself by. */
  name?: string | undefined;
  /** Program and system, for people. */
  app: string;
  /** Start of its process, in milliseconds since 1970. */
  epoch: number;
}

/** What a client can prove. */
export interface ClientCredentials {
  /** Its raw public key. */
  publicKey: Uint8Array<ArrayBuffer>;
  /** Its private key in PKCS #8. */
  privateKey: Uint8Array<ArrayBuffer>;
  /** The only server id to talk to; undefined on an open server without enrolment. */
  serverId?: string | undefined;
  /** With an invite the client enrols instead of proving a known key. */
  invite?: {
    id: string;
    secret: Uint8Array;
    /** The name that the user asks for; undefined takes the invite's, or else that of HELLO. */
    name?: string | undefined;
  } | undefined;
}

/** What the client side does next. */
export type ClientStep = { kind: "prove"; send: Uint8Array } | {
  kind: "done";
  ack: Fields<"ACK">;
};

/**
 * The client's side of one greeting; see {@linkcode ServerGreeting} for the other.
 *
 * @example
 * ```ts
 * import { ClientGreeting } from "./client_greeting.ts";
 * import { generateKeyPair, keyIdOf } from "./identity.ts";
 * import { type EnrolledClient, type GreetingAuthority, ServerGreeting } from "./server_greeting.ts";
 * const keys = await generateKeyPair();
 * const serverId = "10965244468947a4021d869c0c5126ecc6f84669";
 * const till: EnrolledClient = {
 *   keyId: keyIdOf(keys.publicKey),
 *   name: "till-3",
 *   publicKey: keys.publicKey,
 *   revoked: false,
 * };
 * const authority: GreetingAuthority = {
 *   serverId,
 *   open: false,
 *   nonce: () => crypto.getRandomValues(new Uint8Array(32)),
 *   findClient: (keyId) => Promise.resolve(keyId === till.keyId ? till : undefined),
 *   findInviteSecret: () => Promise.resolve(undefined),
 *   enrol: () => Promise.resolve("expired"),
 * };
 * const line = (bytes: Uint8Array) => bytes.subarray(0, -1); // Without its LF, as a reader gives it.
 *
 * const client = new ClientGreeting({ role: "agent", app: "example", epoch: 0 }, { ...keys, serverId });
 * const server = new ServerGreeting(authority);
 * const challenge = await server.receive(line(client.hello));
 * if (challenge.kind !== "challenge") throw new Error("unexpected");
 * const proof = await client.receive(line(challenge.send));
 * if (proof.kind !== "prove") throw new Error("unexpected");
 * const end = await server.receive(line(proof.send));
 * if (end.kind !== "admitted" || end.admitted.name !== "till-3") throw new Error("unexpected");
 * ```
 */
export class ClientGreeting {
  #credentials: ClientCredentials;
  #hello: Uint8Array;
  #proved = false;

  /** Makes the HELLO; send {@linkcode ClientGreeting.hello} first. */
  constructor(hello: ClientHello, credentials: ClientCredentials) {
    this.#credentials = credentials;
    this.#hello = encodeFrame("HELLO", {
      hb: OWN_VERSIONS,
      role: hello.role,
      key: keyIdOf(credentials.publicKey),
      ...(hello.name === undefined ? {} : { name: hello.name }),
      app: hello.app,
      epoch: hello.epoch,
      ...(credentials.invite === undefined ? {} : { join: true }),
      features: [],
    });
  }

  /** The HELLO line with its LF. */
  get hello(): Uint8Array {
    return this.#hello;
  }

  /**
   * Takes the next line without its LF. Throws {@linkcode GreetingRefusedError} for REFUSE and
   * {@linkcode ProtocolError} for anything that does not belong here, such as another server's id.
   */
  async receive(line: Uint8Array): Promise<ClientStep> {
    const frame = parseFrame(line);
    if (frame.verb === "REFUSE") throw new GreetingRefusedError(frame.code, frame.reason);
    if (frame.verb === "ACK") return this.#onAck(frame);
    if (frame.verb === "CHALLENGE" && !this.#proved) {
      return { kind: "prove", send: await this.#answer(frame) };
    }
    throw new ProtocolError(
      "unexpected",
      `Cannot go on with the greeting: the server sent ${frame.verb}`,
    );
  }

  #onAck(frame: FrameOf<"ACK">): ClientStep {
    const mustProve = this.#credentials.invite !== undefined;
    if (mustProve && !this.#proved) {
      throw new ProtocolError(
        "unexpected",
        "Cannot join: the server let us in without a challenge",
      );
    }
    if (commonVersion(OWN_VERSIONS, [frame.hb, frame.hb]) === undefined) {
      throw new ProtocolError("bad_field", `Cannot speak hb ${frame.hb}, which the server chose`);
    }
    const { verb: _, ...ack } = frame;
    return { kind: "done", ack };
  }

  async #answer(frame: FrameOf<"CHALLENGE">): Promise<Uint8Array> {
    const { serverId, publicKey, privateKey, invite } = this.#credentials;
    if (serverId !== undefined && frame.server !== serverId) {
      throw new ProtocolError(
        "unexpected",
        `Cannot trust this server: it is ${frame.server} and not ${serverId}, which this machine joined`,
      );
    }
    this.#proved = true;
    const challenge: Challenge = {
      serverId: frame.server,
      nonce: frame.nonce,
      hello: this.#hello.subarray(0, -1),
    };
    const sig = encodeBase64Url(await sign(privateKey, proofBytes(challenge)));
    if (invite === undefined) return encodeFrame("PROVE", { sig });
    return encodeFrame("JOIN", {
      invite: invite.id,
      publicKey: encodeBase64Url(publicKey),
      ...(invite.name === undefined ? {} : { name: invite.name }),
      mac: encodeBase64Url(joinMac(invite.secret, { challenge, publicKey })),
      sig,
    });
  }
}
