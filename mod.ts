/**
 * hb as a library: a server that watches machines, talks to them and receives their files, a client that
 * keeps itself connected to it, and the protocol between the two.
 *
 * @example A server, a client that joins it, a message and a goodbye
 * ```ts
 * import { connect, startServer } from "./mod.ts";
 *
 * const directory = await Deno.makeTempDir();
 * const arrived = Promise.withResolvers<string>();
 * {
 *   await using server = await startServer({
 *     dataDirectory: `${directory}/server`,
 *     listen: { hostname: "127.0.0.1", port: 0 },
 *     onMessage: ({ from, text }) => arrived.resolve(`${from}: ${text}`),
 *   });
 *   const { key } = await server.operations.invite({
 *     name: "till-3",
 *     tags: [],
 *     uses: 1,
 *     ttlMs: 60_000,
 *     addresses: [],
 *   });
 *   await using client = await connect({ dataDirectory: `${directory}/client`, joinKey: key });
 *   client.say("printer is on fire");
 *   if (await arrived.promise !== "till-3: printer is on fire") throw new Error("unexpected");
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./protocol/mod.ts";
export {
  connect,
  type ConnectedClient,
  type ConnectOptions,
  type PushSettings,
} from "./client/client.ts";
export type { AgentEvents, AgentState, ByeReason, MessageAnswer } from "./client/agent.ts";
export type { Dialled } from "./client/dial.ts";
export type { PushOffer } from "./client/download.ts";
export type { RefusedFile } from "./client/push_queue.ts";
export type { ReceiveEvents } from "./client/receive.ts";
export type { ReceivedFile } from "./client/store.ts";
export type { StoredFile } from "./client/upload.ts";
export type { Address } from "./platform/address.ts";
export type { Clock, Timer } from "./platform/clock.ts";
export type { AlertView, ClientView, EventView, FileView } from "./server/json_view.ts";
export type { Backup } from "./server/backup.ts";
export type { LobbyLimits } from "./server/lobby.ts";
export type { InviteRequest, LogRequest, Operations } from "./server/operations.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server/server.ts";
export type { Notice, NoticeKind, Severity } from "./server/alert/notice.ts";
export type { IncomingMessage, PushNotice } from "./server/parts.ts";
