/**
 * Who is on record and who is connected: one member per client, with its open sessions.
 *
 * @module
 */

import {
  type Fields,
  MAX_DATA_CONNECTIONS_PER_CLIENT,
  MAX_DATA_SESSIONS_PER_CLIENT,
} from "../protocol/mod.ts";
import type { ClientRecord, PushOutcome } from "./store_record.ts";

/** Data connections of all clients that may have a transfer under way at once. */
export const MAX_DATA_CONNECTIONS = 16;

/** An open session that can be told things. */
export interface Link {
  /** Start of the client's process; 0 for classic peers. */
  epoch: number;
  /** Where it connects from; only agents say. */
  readonly address?: string;
  /** When its last text came, on the monotonic clock; only classic peers chat on several connections. */
  lastTextAt?: number;
  /** Asks the client for a sign of life, where the dialect has a word for that. */
  ping(): void;
  /** New messages or files wait in the store for this client. */
  deliver(): void;
  /** The operator has been shown messages of this client; only agents are told. */
  tellShown?(): void;
  /** The client has answered a push on any of its connections; only agents are told of pushes. */
  pushEnded?(id: string, outcome: PushOutcome): void;
  /** Ends the session with a goodbye; for `revoked` with a refusal. */
  end(why: "shutdown" | "replaced" | "revoked"): Promise<void>;
}

/** A client with everything about it that is not in the store. */
export interface Member {
  record: ClientRecord;
  /** The agent's session. */
  agent: Link | undefined;
  /** Sessions of other kinds: data, tool, classic. */
  others: Set<Link>;
  /** Data connections that have a transfer under way, or had. */
  dataConnections: number;
  /** Data connections at all. */
  dataSessions: number;
  /** The last vitals, as they came. */
  vitals: Fields<"HEARTBEAT">["vitals"];
  /** The client's clock minus this machine's, in milliseconds, at the last heartbeat. */
  skewMs: number | undefined;
}

/** All clients of one server. */
export class Roster {
  #members = new Map<string, Member>();
  #dataConnections = 0;

  /** The client with this id, as a member; made or brought up to date from its record. */
  admit(record: ClientRecord): Member {
    const known = this.#members.get(record.id);
    if (known !== undefined) {
      known.record = record;
      return known;
    }
    const member: Member = {
      record,
      agent: undefined,
      others: new Set(),
      dataConnections: 0,
      dataSessions: 0,
      vitals: undefined,
      skewMs: undefined,
    };
    this.#members.set(record.id, member);
    return member;
  }

  /** The member with this id. */
  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  /** All members, by name. */
  members(): Member[] {
    return [...this.#members.values()].sort((one, other) =>
      one.record.name.localeCompare(other.record.name)
    );
  }

  /** The member with this name, whatever its case. */
  byName(name: string): Member | undefined {
    const wanted = name.toLowerCase();
    return this.members().find(({ record }) => record.name.toLowerCase() === wanted);
  }

  /** Whom an operator means: a name, `@tag` or `all`; empty when nobody. */
  resolve(who: string): Member[] {
    if (who === "all") return this.members();
    if (who.startsWith("@")) {
      return this.members().filter(({ record }) => record.tags.includes(who.slice(1)));
    }
    const member = this.byName(who);
    return member === undefined ? [] : [member];
  }

  /** Lets one more data connection of the client in; undefined when it has too many. */
  enterDataSession(member: Member): Disposable | undefined {
    if (member.dataSessions >= MAX_DATA_SESSIONS_PER_CLIENT) return undefined;
    member.dataSessions++;
    return { [Symbol.dispose]: () => void member.dataSessions-- };
  }

  /** Takes a place for transfers; undefined when the client, or all together, have as many as they may. */
  takeDataConnection(member: Member): Disposable | undefined {
    if (member.dataConnections >= MAX_DATA_CONNECTIONS_PER_CLIENT) return undefined;
    if (this.#dataConnections >= MAX_DATA_CONNECTIONS) return undefined;
    member.dataConnections++;
    this.#dataConnections++;
    return {
      [Symbol.dispose]: () => {
        member.dataConnections--;
        this.#dataConnections--;
      },
    };
  }

  /** Forgets a client; its sessions must have been ended. */
  remove(id: string): void {
    this.#members.delete(id);
  }
}
