/**
 * A server's knowledge of keys and invites in memory, for tests of the greeting.
 *
 * @module
 */

import { keyIdOf } from "./identity.ts";
import type {
  EnrolFailure,
  EnrolledClient,
  EnrolRequest,
  GreetingAuthority,
} from "./server_greeting.ts";

/** Settings of {@linkcode FakeAuthority}. */
export interface FakeAuthorityOptions {
  /** The server's id. */
  serverId: string;
  /**
   * Whether unknown clients are let in.
   * @default {false}
   */
  open?: boolean;
  /** Gives the nonce of each challenge. */
  nonce: () => Uint8Array;
  /** Clients on record from the start. */
  clients?: EnrolledClient[];
  /** Secrets of the invites, each good for one use, by id. */
  invites?: Record<string, Uint8Array>;
  /** What every enrolment fails with. */
  failure?: EnrolFailure | undefined;
  /** The name that every invite is for. */
  givenName?: string | undefined;
}

/** Remembers what it was asked; each invite is good for one use, each name for one client. */
export class FakeAuthority implements GreetingAuthority {
  readonly serverId: string;
  readonly open: boolean;
  /** Every request to enrol, refused ones included. */
  readonly requests: EnrolRequest[] = [];
  #options: FakeAuthorityOptions;
  #clients: Map<string, EnrolledClient>;
  #used = new Set<string>();

  /** Takes what the server knows at first. */
  constructor(options: FakeAuthorityOptions) {
    this.serverId = options.serverId;
    this.open = options.open ?? false;
    this.#options = options;
    this.#clients = new Map(options.clients?.map((client) => [client.keyId, client]));
  }

  nonce(): Uint8Array {
    return this.#options.nonce();
  }

  findClient(keyId: string): Promise<EnrolledClient | undefined> {
    return Promise.resolve(this.#clients.get(keyId));
  }

  findInviteSecret(invite: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#options.invites?.[invite]);
  }

  enrol(request: EnrolRequest): Promise<EnrolledClient | EnrolFailure> {
    this.requests.push(request);
    const { invite, publicKey } = request;
    const name = request.name ?? this.#options.givenName ?? request.suggestedName ?? "unnamed";
    const taken = [...this.#clients.values()].some((client) => client.name === name);
    const failure = this.#options.failure ??
      (this.#used.has(invite) ? "used" : taken ? "name_taken" : undefined);
    if (failure !== undefined) return Promise.resolve(failure);
    this.#used.add(invite);
    const client = { keyId: keyIdOf(publicKey), name, publicKey, revoked: false };
    this.#clients.set(client.keyId, client);
    return Promise.resolve(client);
  }
}
