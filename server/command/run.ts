/**
 * `hbserver run`: serve until told to stop; on a terminal also the operator's console.
 *
 * @module
 */

import { getLog } from "../../platform/log.ts";
import { exposedChannels, openChannel, readChannelAddresses } from "../alert/open_channels.ts";
import { systemWorld } from "../alert/system_world.ts";
import { parseNotifyUrl } from "../alert/watchdog_ping.ts";
import type { Channel } from "../alert/channel.ts";
import { openConsole } from "../console.ts";
import { showAddress } from "../listener.ts";
import type { InvocationOf } from "../options.ts";
import { startServer } from "../server.ts";
import type { CommandContext } from "./context.ts";

/** Serves; resolves when the server has stopped. */
export async function runCommand(
  { options }: InvocationOf<"run">,
  context: CommandContext,
): Promise<void> {
  const { terminal, dataDirectory, stopping } = context;
  const log = getLog("server");
  const channels = await openChannels(options, context);
  const { notifyUrl } = options;
  let operatorConsole: ReturnType<typeof openConsole> | undefined;
  const server = await startServer({
    dataDirectory,
    listen: options.listen,
    http: options.http,
    plaintext: options.plaintext,
    open: options.open,
    intervalMs: options.interval,
    downMs: options.down,
    filesDirectory: options.files,
    maxFileBytes: options.maxFileSize,
    quotaBytes: options.quota,
    minFreeBytes: options.minFree,
    channels,
    notifyUrl: notifyUrl === undefined ? undefined : parseNotifyUrl(notifyUrl),
    notifyEveryMs: options.notifyEvery,
    onMessage: (message) => operatorConsole?.onMessage(message),
    onReceipt: (receipt) => operatorConsole?.onReceipt(receipt),
    onNotice: (notice) => operatorConsole?.onNotice(notice),
    onPush: (notice) => operatorConsole?.onPush(notice),
  });
  await using _server = server;
  const { hostname, port } = server.address;
  const address = showAddress(hostname, port);
  if (options.json) {
    terminal.json({ listening: address, api: server.apiUrl, server_id: server.serverId });
  }
  const how = `${options.plaintext ? "plaintext" : "TLS"}${options.open ? ", open" : ""}`;
  log.info("Listening on {address} ({how}), data in {dataDirectory}", {
    address,
    how,
    dataDirectory,
  });
  if (options.plaintext) {
    log.warn("--plaintext: everybody on the network can read and change what is sent");
  }
  if (options.open) log.warn("--open: anybody who reaches this port is let in, as unverified");
  const stopped = new Promise<string>((resolve) => {
    const onStop = () => resolve(String(stopping.reason));
    if (stopping.aborted) onStop();
    stopping.addEventListener("abort", onStop, { once: true });
    operatorConsole = openConsole({ terminal, operations: server.operations, onQuit: resolve });
  });
  using _console = operatorConsole;
  const reason = await stopped;
  log.info("Stopping: {reason}", { reason });
}

/** The channels of `--alert`; what no channel needs is given away. */
async function openChannels(
  { alert, alertPrivate }: InvocationOf<"run">["options"],
  { args, clock }: CommandContext,
): Promise<Channel[]> {
  const addresses = readChannelAddresses(alert, {
    readTextFile: (path) => Deno.readTextFileSync(path),
    mayBePrivate: alertPrivate === "on",
  });
  if (!addresses.some(({ kind }) => kind === "command")) {
    await Deno.permissions.revoke({ name: "run" });
  }
  for (const name of exposedChannels(addresses, args)) {
    getLog("server").warn(
      "The secret of {name} is on the command line, where every user of this machine can read it: put it into a file and " +
        "name that by --alert @FILE, or into hbserver.toml",
      { name },
    );
  }
  const world = systemWorld(clock);
  return addresses.map((address) => openChannel(address, world));
}
