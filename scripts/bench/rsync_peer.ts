/**
 * `rsync -W` to a daemon of its own on a free port of the loopback.
 *
 * @module
 */

import { basename, join } from "node:path";
import {
  type Arena,
  type Arrival,
  type Contestant,
  freePort,
  missingProgram,
  secondsSince,
} from "./contestant.ts";
import type { Payload } from "./files_case.ts";
import { MeasuredCommand } from "./measured_command.ts";

/** Longest wait for the daemon's port, in milliseconds. */
const PATIENCE_MS = 5_000;
/** Time between two tries, in milliseconds. */
const POLL_MS = 20;

/** The contestant. */
export const rsyncPeer: Contestant = {
  name: "rsync",
  about: "rsync -W to an rsync daemon, no encryption",
  missing: () => missingProgram("rsync"),
  open: (arena) =>
    Promise.resolve({
      send: (payload) => sendOnce(arena, payload),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};

async function sendOnce(arena: Arena, payload: Payload): Promise<Arrival> {
  const port = freePort();
  const settings = join(arena.scratch, "rsyncd.conf");
  await Deno.writeTextFile(settings, serverSettings(arena, port));
  await using server = new MeasuredCommand(
    ["rsync", "--daemon", "--no-detach", `--config=${settings}`],
    arena.scratch,
  );
  await untilListening(port);
  const startedAt = performance.now();
  const flags = payload.isFolder ? "-rW" : "-W";
  const target = `rsync://127.0.0.1:${port}/arena/`;
  await using client = new MeasuredCommand(["rsync", flags, payload.path, target], arena.scratch);
  const { usage: sender } = await client.success();
  const seconds = secondsSince(startedAt);
  const { usage: receiver } = await server.interrupt();
  return {
    path: join(arena.directory, basename(payload.path)),
    round: { seconds, ...(sender && { sender }), ...(receiver && { receiver }) },
  };
}

function serverSettings({ directory, scratch }: Arena, port: number): string {
  return [
    `port = ${port}`,
    "address = 127.0.0.1",
    "use chroot = no",
    `pid file = ${join(scratch, `rsyncd-${port}.pid`)}`,
    `log file = ${join(scratch, "rsyncd.log")}`,
    ...(Deno.uid() === 0 ? ["uid = root", "gid = root"] : []),
    "[arena]",
    `path = ${directory}`,
    "read only = no",
    "",
  ].join("\n");
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (true) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error("Cannot reach the rsync daemon", { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
