/**
 * The contestant `hbclient send` to `hbserver`, both from source, over TLS or plaintext.
 *
 * @module
 */

import { basename, join } from "node:path";
import { commandLine, hbclient } from "../../tests/program.ts";
import { RunningServer } from "../../tests/running_server.ts";
import type { Round, Usage } from "./bench_result.ts";
import { type Arena, type Arrival, type Contestant, secondsSince } from "./contestant.ts";
import type { Payload } from "./files_case.ts";
import { MeasuredCommand } from "./measured_command.ts";
import { watchProcess } from "./process_usage.ts";

/** Name under which the client joins. */
const CLIENT_NAME = "bench";

/** The contestant, over plaintext when asked. */
export function hbContestant(name: string, { plaintext }: { plaintext: boolean }): Contestant {
  const wire = plaintext ? "plaintext" : "TLS";
  return {
    name,
    about: `hbclient send to hbserver, ${wire}, SHA-256 at both ends, synced to disk`,
    missing: () => undefined,
    async open(arena) {
      await using resources = new AsyncDisposableStack();
      const data = join(arena.directory, "server");
      const args = plaintext ? ["--plaintext"] : [];
      const server = resources.use(await RunningServer.start({ data, args }));
      const client = await joinServer(server, { name: CLIENT_NAME, scratch: arena.scratch });
      const restBytes = await warmUp(client, arena);
      const kept = resources.move();
      return {
        send: (payload) => sendOnce({ arena, server, client, restBytes }, payload),
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      };
    },
  };
}

/** Joins `server` with a new data directory below `scratch`, and gives that directory. */
export async function joinServer(
  server: RunningServer,
  { name, scratch }: { name: string; scratch: string },
): Promise<string> {
  const data = join(scratch, `client-${name}`);
  const key = await server.invite("--name", name);
  const { code, stderr } = await hbclient("join", key, "--data", data);
  if (code !== 0) throw new Error(`Cannot join as ${name}: ${stderr.trim()}`);
  return data;
}

/** The command line of `hbclient send`. */
export function sendCommandLine(data: string, path: string): string[] {
  return commandLine("hbclient", ["send", "--data", data, path]);
}

/** Sends one byte, so that the runtime has compiled everything; the peak memory of that, in bytes. */
async function warmUp(client: string, { scratch }: Arena): Promise<number | undefined> {
  const path = join(scratch, "one-byte");
  await Deno.writeTextFile(path, "1");
  let least: number | undefined;
  for (let round = 0; round < 2; round++) {
    await using command = new MeasuredCommand(sendCommandLine(client, path), scratch);
    const { usage } = await command.success();
    least = Math.min(least ?? Infinity, usage?.peakBytes ?? NaN);
  }
  return least;
}

async function sendOnce(
  { arena, server, client, restBytes }: {
    arena: Arena;
    server: RunningServer;
    client: string;
    restBytes: number | undefined;
  },
  payload: Payload,
): Promise<Arrival> {
  const { value, usage: receiver } = await watchProcess(server.program.pid, async () => {
    const startedAt = performance.now();
    const line = sendCommandLine(client, payload.path);
    await using command = new MeasuredCommand(line, arena.scratch);
    const { usage } = await command.success();
    return { seconds: secondsSince(startedAt), sender: withGrowth(usage, restBytes) };
  });
  const { seconds, sender } = value;
  const round: Round = { seconds, ...(sender && { sender }), ...(receiver && { receiver }) };
  return { path: join(server.files, CLIENT_NAME, basename(payload.path)), round };
}

function withGrowth(usage: Usage | undefined, restBytes: number | undefined): Usage | undefined {
  if (usage === undefined || restBytes === undefined || Number.isNaN(restBytes)) return usage;
  return { ...usage, growthBytes: usage.peakBytes - restBytes };
}
