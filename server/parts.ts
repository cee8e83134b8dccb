/**
 * What a session may use of the server: one bundle, built once in `server.ts`.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import type { Clock } from "../platform/clock.ts";
import type { Alarm } from "./alarm.ts";
import type { Courier } from "./alert/courier.ts";
import type { OverlaySet } from "./alert/overlay_set.ts";
import type { Backups } from "./backup.ts";
import type { CloneGuard } from "./clone_guard.ts";
import type { Lobby } from "./lobby.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Timing } from "./presence.ts";
import type { Roster } from "./roster.ts";
import type { Store } from "./store.ts";
import type { MessageState } from "./store_record.ts";
import type { Timeline } from "./timeline.ts";
import type { TransferLocks } from "./transfer_locks.ts";
import type { Vault } from "./vault.ts";
import type { Watch } from "./watch.ts";

/** One message that arrived from a client. */
export interface IncomingMessage {
  /** The message's id. */
  id: string;
  /** Id of the client that sent it. */
  client: string;
  /** Name of that client. */
  from: string;
  /** What it says, as it came: whoever prints it makes control characters visible. */
  text: string;
}

/** How far a message to a client has come. */
export interface MessageReceipt {
  /** The message's id. */
  id: string;
  /** Name of the client. */
  to: string;
  /** What it says. */
  text: string;
  /** What it has come to. */
  state: MessageState;
}

/** What became of a file that was pushed to a client. */
export type PushNotice =
  & { to: string; name: string }
  & (
    | { state: "stored"; /** Its name there. */ landed: string }
    | { state: "refused"; /** For people, the code in front. */ reason: string }
  );

/** The shared parts of one server. */
export interface ServerParts {
  clock: Clock;
  log: Logger;
  timing: Timing;
  store: Store;
  watch: Watch;
  alarm: Alarm;
  /** Brings notices to channels. */
  courier: Courier;
  /** Watches over identities that are used twice. */
  clones: CloneGuard;
  /** What operators have set over the states of clients. */
  overlays: OverlaySet;
  roster: Roster;
  timeline: Timeline;
  vault: Vault;
  locks: TransferLocks;
  outgoing: Outgoing;
  lobby: Lobby;
  backups: Backups;
  /** Bytes of randomness. */
  randomBytes: (count: number) => Uint8Array;
  /** A new UUIDv7, in lower case. */
  newId: () => string;
  /** Called after a message has been stored; whoever shows messages subscribes here. */
  onMessage: (message: IncomingMessage) => void;
  /** Called after it has been recorded how far a message to a client has come. */
  onReceipt: (receipt: MessageReceipt) => void;
  /** Called after a file has been published. */
  onFile: (file: { from: string; path: string; bytes: number }) => void;
  /** Called after a client's answer to a push has been recorded. */
  onPush: (notice: PushNotice) => void;
}
