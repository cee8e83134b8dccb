/**
 * `hbclient message`: one message, done once the server has stored it.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import { uuidV7 } from "../../platform/random.ts";
import { type Connection, ProtocolError } from "../../protocol/mod.ts";
import { CannotConnectError, ClientError, RefusedError } from "../client_error.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { checkMessageText } from "../message_text.ts";
import { type OpenClient, openClient } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import type { StoredMessage } from "../stored_message.ts";
import type { CommandContext } from "./context.ts";

/** Time for the server to store the message, in milliseconds. */
export const RECEIPT_LIMIT_MS = 30_000;
/** Time for BYE to leave, in milliseconds. */
const BYE_LIMIT_MS = 2_000;

/** Sends the words as one message; with `--queue` a server that is away is no failure. */
export async function messageCommand(
  { arguments: { text: words }, options }: InvocationOf<"message">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock, stopping } = context;
  const text = words.join(" ");
  checkMessageText(text);
  using client = await openClient(options, context);
  const message = { id: uuidV7(clock), at: Math.trunc(clock.wall()), text };
  let isQueued = false;
  try {
    const { connection } = await client.access.connect({ role: "tool", signal: stopping });
    await deliver(message, { connection, clock, signal: stopping });
    remember(message, { client, clock, terminal });
  } catch (error) {
    if (!options.queue || !isAway(error) || stopping.aborted) throw error;
    const { expires } = options;
    const expiresAt = expires === undefined ? undefined : message.at + expires;
    client.store.outbox.queue({ ...message, expiresAt });
    isQueued = true;
    terminal.talk(`hbclient: ${error.message}`);
  }
  if (options.json) terminal.json({ ids: [message.id], state: isQueued ? "queued" : "stored" });
  else if (isQueued) {
    terminal.data(`queued ${message.id}; the agent (hbclient run) sends it when it is connected`);
  } else terminal.data(`stored ${message.id}`);
  return EXIT.done;
}

/** For `hbclient log`; the server has the message whatever happens here. */
function remember(
  message: StoredMessage,
  { client, clock, terminal }: { client: OpenClient } & Pick<CommandContext, "clock" | "terminal">,
): void {
  try {
    client.store.outbox.record(message, clock.wall());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    terminal.talk(`hbclient: warning: Cannot note the message in the log: ${reason}`);
  }
}

/** Whether the server may take the message later. */
function isAway(error: unknown): error is ClientError {
  if (error instanceof CannotConnectError) return true;
  if (error instanceof RefusedError) return error.code === "full" || error.code === "closed";
  return error instanceof ClientError && error.exitCode === EXIT.timeout;
}

/**
 * Sends one message over a fresh connection and resolves once the server has stored it; closes the connection.
 * Rejects with a `RefusedError` or, when no word comes, with a `ClientError` of exit code 9.
 */
export async function deliver(
  { id, at, text }: StoredMessage,
  { connection, clock, signal }: { connection: Connection; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const close = () => connection.close();
  let timedOut = false;
  using _limit = clock.after(RECEIPT_LIMIT_MS, () => {
    timedOut = true;
    close();
  });
  signal.addEventListener("abort", close);
  try {
    connection.send({ verb: "MESSAGE", id, at, to: "server", text });
    await untilStored(id, connection);
    connection.send({ verb: "BYE", reason: "stop" });
    using _bye = clock.after(BYE_LIMIT_MS, close);
    await connection.end();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RefusedError) throw error;
    throw unconfirmed(timedOut ? `within ${RECEIPT_LIMIT_MS / 1000} s` : "", error);
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function untilStored(id: string, connection: Connection): Promise<void> {
  while (true) {
    const frame = await connection.readFrame();
    if (frame === null) throw new ProtocolError("truncated", "The server closed the connection");
    if (frame.verb === "RECEIPT" && frame.ids.includes(id)) return;
    if (frame.verb === "PING") connection.send({ verb: "PONG", n: frame.n });
    if (frame.verb === "BYE") {
      throw new ProtocolError("truncated", `The server said bye (${frame.reason})`);
    }
    if (frame.verb === "REFUSE") {
      throw new RefusedError(frame.code, `Cannot send the message: ${frame.reason}`);
    }
  }
}

function unconfirmed(when: string, cause: unknown): ClientError {
  const words = ["Cannot send the message: the server did not confirm it", when].join(" ").trim();
  return new ClientError(words, {
    exitCode: EXIT.timeout,
    code: "unconfirmed",
    hint: "It may have been stored or not; with --queue it is sent again until it is",
    cause,
  });
}
