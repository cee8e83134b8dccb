/**
 * What the handlers of single verbs see of a session; `control_session.ts` is the session itself.
 *
 * @module
 */

import type { Connection } from "../protocol/mod.ts";
import type { ServerParts } from "./parts.ts";
import type { Member } from "./roster.ts";

/** One agent or tool session. */
export interface Session {
  readonly connection: Connection;
  readonly member: Member;
  readonly parts: ServerParts;
  /** Id of the client. */
  readonly client: string;
  /** Whether it counts as presence. */
  readonly isAgent: boolean;
  /** Messages that this session has sent and that have no receipt yet; bounded by the queue's bound. */
  readonly sentMessages: Set<string>;
  /** Messages of the peer that are being stored. */
  storing: number;
  /** Woken when one of them is stored. */
  stored: (() => void) | undefined;
  /** Sends PING; the answer measures the round trip and refutes silence. */
  ping(): void;
}
