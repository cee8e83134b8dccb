/**
 * `cp -r`: no network at all, the bound of the medium.
 *
 * @module
 */

import { basename, join } from "node:path";
import {
  type Arena,
  type Arrival,
  type Contestant,
  missingProgram,
  secondsSince,
} from "./contestant.ts";
import type { Payload } from "./files_case.ts";
import { MeasuredCommand } from "./measured_command.ts";

/** The contestant. */
export const copyPeer: Contestant = {
  name: "cp",
  about: "cp -r, no network",
  missing: () => missingProgram("cp"),
  open: (arena) =>
    Promise.resolve({
      send: (payload) => sendOnce(arena, payload),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};

async function sendOnce(arena: Arena, payload: Payload): Promise<Arrival> {
  const startedAt = performance.now();
  await using command = new MeasuredCommand(
    ["cp", "-r", payload.path, arena.directory],
    arena.scratch,
  );
  const { usage: sender } = await command.success();
  const seconds = secondsSince(startedAt);
  const path = join(arena.directory, basename(payload.path));
  return { path, round: { seconds, ...(sender && { sender }) } };
}
