/**
 * The server's side of the greeting as a state machine: lines in, lines and an outcome out. No sockets, no
 * timers, no storage: the server's knowledge of keys and invites comes in as a {@linkcode GreetingAuthority}.
 *
 * ```
 * client                    server
 * HELLO            ──────▶
 *                  ◀──────  CHALLENGE      (or ACK at once: an open server and an unknown client)
 * PROVE | JOIN     ──────▶
 *                  ◀──────  ACK | REFUSE
 * ```
 *
 * @module
 */

import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { ProtocolError, type RefuseCode } from "./error.ts";
import { checkClientName } from "./file_name.ts";
import { encodeFrame } from "./frame.ts";
import { type Challenge, equalInConstantTime, joinMac, keyIdOf } from "./identity.ts";
import { proofBytes, verify } from "./identity.ts";
import { type Fields, type FrameOf, parseFrame, type Role } from "./verb.ts";
import { commonVersion, OWN_VERSIONS, type VersionRange } from "./version.ts";

/** A client whose public key the server has on record. */
export interface EnrolledClient {
  /** Id of its public key. */
  keyId: string;
  /** The name that the operator knows it by. */
  name: string;
  /** Its raw Ed25519 public key. */
  publicKey: Uint8Array<ArrayBuffer>;
  /** Whether the operator has shut it out. */
  revoked: boolean;
}

/** Why {@linkcode GreetingAuthority.enrol} did not take a client. */
export type EnrolFailure = "used" | "expired" | "name_taken" | "wrong_name";

/** A client that shows a valid invite. */
export interface EnrolRequest {
  /** Id of the invite that it used. */
  invite: string;
  /** Its raw public key. */
  publicKey: Uint8Array<ArrayBuffer>;
  /** The name that its user asks for, already checked; undefined leaves the choice to the invite. */
  name: string | undefined;
  /** The name to take when neither its user nor the invite names one, already checked. */
  suggestedName: string | undefined;
}

/** What the server side of a greeting must be told by the rest of the server. */
export interface GreetingAuthority {
  /** The server's id, part of everything that a client signs. */
  readonly serverId: string;
  /** Whether clients that are not on record are let in as unverified. */
  readonly open: boolean;
  /** A fresh, unpredictable nonce of NONCE_BYTES bytes. */
  nonce(): Uint8Array;
  /** The client with this key id, revoked ones included. */
  findClient(keyId: string): Promise<EnrolledClient | undefined>;
  /** The secret of an invite, used up and expired ones included. */
  findInviteSecret(invite: string): Promise<Uint8Array | undefined>;
  /** Takes one use of the invite and records the client, or says why not, in one transaction. */
  enrol(request: EnrolRequest): Promise<EnrolledClient | EnrolFailure>;
}

/** A client that got through the greeting; the server's session answers with ACK. */
export interface Admitted {
  /** The protocol version that both speak. */
  version: number;
  /** What the connection is for. */
  role: Role;
  /** Id of its key; undefined for an unverified client that named none. */
  keyId: string | undefined;
  /** Its name; for an unverified client the one that it claims. */
  name: string | undefined;
  /** Whether it has proved that it holds its key. */
  verified: boolean;
  /** Whether it enrolled in this greeting. */
  joined: boolean;
  /** Start of its process, in milliseconds since 1970 by its own clock. */
  epoch: number;
  /** Program and system, for people. */
  app: string;
  /** Optional abilities that it names. */
  features: string[];
}

/** A greeting that ended with REFUSE. */
export interface Refused {
  /** The code that the peer was told. */
  code: RefuseCode;
  /** What the peer was told. */
  reason: string;
  /** What really happened; for the operator's audit log only. */
  audit: string;
}

/** What the server side does next: send a line, and perhaps be done. */
export type ServerStep =
  | { kind: "challenge"; send: Uint8Array }
  | { kind: "admitted"; admitted: Admitted }
  | { kind: "refused"; send: Uint8Array; refused: Refused };

/** The one text for every proof that does not hold, so that a guesser learns nothing from it. */
export const BAD_PROOF_REASON =
  "The join key or proof is not valid here: it may be mistyped, used, expired or from another server. " +
  'Ask the operator for a new join key ("hbserver invite")';
const UNKNOWN_REASON =
  'This server does not know this machine. Join it with a join key ("hbserver invite" on the server)';
const REVOKED_REASON = "The operator has revoked this machine. Only a new join key lets it back in";

/** The server's side of one greeting; feed it the lines that arrive until it is done. */
export class ServerGreeting {
  #authority: GreetingAuthority;
  #hello: Fields<"HELLO"> | undefined;
  #challenge: Challenge | undefined;
  #version = 0;

  /** Starts at the wait for HELLO. */
  constructor(authority: GreetingAuthority) {
    this.#authority = authority;
  }

  /** The name and key id that the peer claims, for the audit log; empty before HELLO. */
  get claimed(): { name?: string | undefined; keyId?: string | undefined } {
    return { name: this.#hello?.name, keyId: this.#hello?.key };
  }

  /** Takes the next line without its LF. Throws only a {@linkcode ProtocolError} for a bad line. */
  async receive(line: Uint8Array): Promise<ServerStep> {
    const frame = parseFrame(line);
    if (this.#hello === undefined && frame.verb === "HELLO") {
      return await this.#onHello(frame, line);
    }
    if (this.#challenge !== undefined && frame.verb === "PROVE") {
      return await this.#onProve(frame, this.#challenge);
    }
    if (this.#challenge !== undefined && frame.verb === "JOIN") {
      return await this.#onJoin(frame, this.#challenge);
    }
    const wanted = this.#hello === undefined ? "HELLO" : "PROVE or JOIN";
    throw new ProtocolError(
      "unexpected",
      `Cannot go on with the greeting as ${wanted} must come now: ${frame.verb} came`,
    );
  }

  async #onHello(hello: FrameOf<"HELLO">, line: Uint8Array): Promise<ServerStep> {
    this.#hello = hello;
    const version = commonVersion(OWN_VERSIONS, hello.hb);
    if (version === undefined) {
      const [lowest, highest] = OWN_VERSIONS;
      return refuse("version", {
        reason:
          `This server speaks hb ${range(OWN_VERSIONS)} and the client hb ${range(hello.hb)}. ` +
          (hello.hb[1] < lowest ? "Update the client" : "Update the server"),
        audit: `no common version: client ${range(hello.hb)}, server ${lowest}-${highest}`,
      });
    }
    this.#version = version;
    const badName = hello.name === undefined ? undefined : nameProblem(hello.name);
    if (badName !== undefined) return refuse("bad_frame", { reason: badName, audit: badName });
    if (this.#authority.open && !hello.join) {
      const known = hello.key && await this.#authority.findClient(hello.key);
      if (!known) return this.#admit({ verified: false, joined: false });
    }
    const nonce = encodeBase64Url(this.#authority.nonce());
    this.#challenge = { serverId: this.#authority.serverId, nonce, hello: line };
    return {
      kind: "challenge",
      send: encodeFrame("CHALLENGE", { nonce, server: this.#authority.serverId }),
    };
  }

  async #onProve(frame: FrameOf<"PROVE">, challenge: Challenge): Promise<ServerStep> {
    this.#challenge = undefined; // One answer to a challenge, right or wrong.
    const keyId = this.#hello?.key;
    const client = keyId === undefined ? undefined : await this.#authority.findClient(keyId);
    if (client === undefined) {
      return refuse("unknown_client", { reason: UNKNOWN_REASON, audit: "unknown client" });
    }
    const signature = decodeBase64Url(frame.sig);
    if (!await verify(client.publicKey, { bytes: proofBytes(challenge), signature })) {
      return refuse("bad_proof", {
        reason: BAD_PROOF_REASON,
        audit: `wrong signature for "${client.name}"`,
      });
    }
    if (client.revoked) {
      return refuse("revoked", { reason: REVOKED_REASON, audit: `"${client.name}" is revoked` });
    }
    return this.#admit({ verified: true, joined: false, client });
  }

  async #onJoin(frame: FrameOf<"JOIN">, challenge: Challenge): Promise<ServerStep> {
    this.#challenge = undefined;
    const publicKey = decodeBase64Url(frame.publicKey);
    const problem = await this.#joinProblem(frame, { challenge, publicKey });
    if (problem !== undefined) {
      return refuse("bad_proof", { reason: BAD_PROOF_REASON, audit: problem });
    }
    const { name, invite } = frame;
    const badName = name === undefined ? undefined : nameProblem(name);
    if (badName !== undefined) return refuse("bad_frame", { reason: badName, audit: badName });
    const suggestedName = this.#hello?.name;
    const enrolled = await this.#authority.enrol({ invite, publicKey, name, suggestedName });
    if (typeof enrolled === "string") {
      return enrolRefusal(enrolled, { name: name ?? suggestedName, frame });
    }
    return this.#admit({ verified: true, joined: true, client: enrolled });
  }

  /** Why a JOIN does not hold, or undefined; the peer learns only that it does not. */
  async #joinProblem(
    frame: FrameOf<"JOIN">,
    request: { challenge: Challenge; publicKey: Uint8Array<ArrayBuffer> },
  ): Promise<string | undefined> {
    const { challenge, publicKey } = request;
    const secret = await this.#authority.findInviteSecret(frame.invite);
    if (secret === undefined) return `unknown invite ${frame.invite}`;
    if (!equalInConstantTime(joinMac(secret, request), decodeBase64Url(frame.mac))) {
      return `wrong secret for invite ${frame.invite}`;
    }
    if (this.#hello?.key !== keyIdOf(publicKey)) return "JOIN and HELLO name different keys";
    const signature = decodeBase64Url(frame.sig);
    const signed = await verify(publicKey, { bytes: proofBytes(challenge), signature });
    return signed ? undefined : "JOIN is not signed by its own key";
  }

  #admit(how: { verified: boolean; joined: boolean; client?: EnrolledClient }): ServerStep {
    const hello = this.#hello;
    if (hello === undefined) throw new Error("Cannot admit a client before its HELLO");
    return {
      kind: "admitted",
      admitted: {
        version: this.#version,
        role: hello.role,
        keyId: how.client?.keyId ?? hello.key,
        name: how.client?.name ?? hello.name,
        verified: how.verified,
        joined: how.joined,
        epoch: hello.epoch,
        app: hello.app,
        features: hello.features,
      },
    };
  }
}

function enrolRefusal(
  failure: EnrolFailure,
  context: { name: string | undefined; frame: FrameOf<"JOIN"> },
): ServerStep {
  const { invite } = context.frame;
  if (failure === "name_taken") {
    return refuse("name_taken", {
      reason: `The name "${context.name}" belongs to another machine. Choose another with --name`,
      audit: `invite ${invite}: name "${context.name}" is taken`,
    });
  }
  if (failure === "wrong_name") {
    return refuse("name_taken", {
      reason: `This join key is for another name than "${context.name}". Leave out --name`,
      audit: `invite ${invite}: not for the name "${context.name}"`,
    });
  }
  return refuse("bad_proof", { reason: BAD_PROOF_REASON, audit: `invite ${invite} is ${failure}` });
}

function refuse(code: RefuseCode, why: { reason: string; audit: string }): ServerStep {
  const fields = code === "version" ? { code, reason: why.reason, hb: OWN_VERSIONS } : {
    code,
    reason: why.reason,
  };
  return { kind: "refused", send: encodeFrame("REFUSE", fields), refused: { code, ...why } };
}

function nameProblem(name: string): string | undefined {
  try {
    checkClientName(name);
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

function range([lowest, highest]: VersionRange): string {
  return lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
}
