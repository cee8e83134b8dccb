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
  /** Sends PING; the answer measures the round trip and refutes silence. */
  ping(): void;
}
