/**
 * `hbclient status`: whether the server can be reached, and what waits for it.
 *
 * @module
 */

import { formatAddress } from "../../platform/address.ts";
import type { Cell } from "../../platform/terminal.ts";
import { ClientError } from "../client_error.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { type OpenClient, openClient } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";
import { isAgentRunning } from "./join.ts";

/** What the command tells; the names are a contract. */
type Status =
  & {
    [field in "name" | "server" | "address" | "error" | "code" | "last_received"]: string | null;
  }
  & {
    [field in "connected" | "agent_running" | "plaintext"]: boolean;
  }
  & {
    [field in "rtt_ms" | "interval_ms"]: number | null;
  }
  & {
    [field in "queued" | "queued_bytes"]: number;
  };

/** Asks the server once; exit code 0 when it answers, else that of the failure. */
export async function statusCommand(
  { options }: InvocationOf<"status">,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, dataDirectory } = context;
  const agentRunning = isAgentRunning(dataDirectory);
  using client = await openClient(options, context);
  const { status, exitCode, hint } = await askServer(client, context);
  const { messages, bytes } = client.store.outbox.waiting();
  const [last] = client.store.receivedFiles(1);
  const result: Status = {
    ...status,
    "agent_running": agentRunning,
    "queued": messages,
    "queued_bytes": bytes,
    "last_received": last?.path ?? null,
  };
  if (options.json) terminal.json(result);
  else {
    terminal.table(rowsOf(result));
    if (hint !== undefined) terminal.talk(`hbclient: hint: ${hint}`);
  }
  return exitCode;
}

type Asked = Omit<Status, "agent_running" | "queued" | "queued_bytes" | "last_received">;

async function askServer(
  { access }: OpenClient,
  { stopping }: CommandContext,
): Promise<{ status: Asked; exitCode: ExitCode; hint?: string | undefined }> {
  const { destination: { serverId, addresses, certificate }, name } = access;
  const unknown: Asked = {
    name: name ?? null,
    server: serverId ?? null,
    address: addresses.map(formatAddress).join(", "),
    plaintext: certificate === undefined,
    connected: false,
    error: null,
    code: null,
    "rtt_ms": null,
    "interval_ms": null,
  };
  try {
    const { connection, ack, address, rttMs } = await access.connect({
      role: "tool",
      signal: stopping,
    });
    connection.close();
    const status = {
      ...unknown,
      name: ack.name,
      address: formatAddress(address),
      connected: true,
      "rtt_ms": Math.round(rttMs * 10) / 10,
      "interval_ms": ack.interval,
    };
    return { status, exitCode: EXIT.done };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const { message, code, exitCode, hint } = error;
    return { status: { ...unknown, error: message, code }, exitCode, hint };
  }
}

function rowsOf(status: Status): Cell[][] {
  const server = status.server === null ? "" : ` (${status.server.slice(0, 8)}…)`;
  const transport = status.plaintext ? ", plaintext" : "";
  return [
    ["name", status.name ?? ""],
    ["server", `${status.address}${server}${transport}`],
    [
      "reachable",
      status.connected
        ? { text: `yes, round trip ${status.rtt_ms} ms`, style: "green" }
        : { text: `no: ${status.error}`, style: "red" },
    ],
    ["agent", status.agent_running ? "running" : "not running"],
    ["queued", `${status.queued} ${status.queued === 1 ? "message" : "messages"}`],
    ...(status.last_received === null ? [] : [["last received", status.last_received]]),
  ];
}
