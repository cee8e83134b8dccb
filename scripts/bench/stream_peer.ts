/**
 * Peers that are two commands for each transfer, a receiver that waits and a sender that connects: `ncat` and
 * Python's `sendfile`. Raw TCP on the loopback, no encryption, no check of what arrived.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
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

/** The scripts of the `sendfile` peer. */
const SENDFILE_SCRIPT = join(import.meta.dirname ?? ".", "sendfile_peer.py");

/** Two commands and how the receiver says on stderr that it waits. */
interface Pair {
  receive: string[];
  send: string[];
  ready: RegExp;
}

/** `ncat` with redirections; a folder goes through a pipe of `tar`. */
export const ncatPeer: Contestant = streamPeer({
  name: "ncat",
  about: "ncat, raw TCP; folders as a tar pipe through it",
  programs: ["ncat", "tar", "sh"],
  pair(payload, { directory, port }) {
    const name = basename(payload.path);
    const listen = "ncat -v -n -l --recv-only 127.0.0.1";
    const connect = "ncat -n --send-only 127.0.0.1";
    const [receive, send] = payload.isFolder
      ? [`${listen} "$1" | tar -x -C "$2"`, `tar -c -C "$2" -- "$3" | ${connect} "$1"`]
      : [`${listen} "$1" > "$2/$3"`, `${connect} "$1" < "$2/$3"`];
    const run = (script: string, folder: string) => ["sh", "-c", script, "sh", port, folder, name];
    return {
      receive: run(receive, directory),
      send: run(send, dirname(payload.path)),
      ready: /Listening on/,
    };
  },
});

/** Python's `sendfile`, each file behind its name and length. */
export const sendfilePeer: Contestant = streamPeer({
  name: "sendfile",
  about: "Python os.sendfile, raw TCP; folders as a loop over files, each behind its length",
  programs: ["python3"],
  pair(payload, { directory, port }) {
    const run = (...args: string[]) => [pythonPath(), SENDFILE_SCRIPT, ...args];
    return {
      receive: run("receive", port, directory),
      send: run("send", port, payload.path),
      ready: /^ready$/,
    };
  },
});

function streamPeer({ name, about, programs, pair }: {
  name: string;
  about: string;
  programs: string[];
  pair(payload: Payload, place: { directory: string; port: string }): Pair;
}): Contestant {
  return {
    name,
    about,
    missing: () => missingProgram(...programs),
    open: (arena) =>
      Promise.resolve({
        send: (payload) => {
          const place = { directory: arena.directory, port: String(freePort()) };
          return sendOnce(arena, payload, pair(payload, place));
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
}

async function sendOnce(arena: Arena, payload: Payload, pair: Pair): Promise<Arrival> {
  await using receiving = new MeasuredCommand(pair.receive, arena.scratch);
  await receiving.line(pair.ready);
  const startedAt = performance.now();
  await using sending = new MeasuredCommand(pair.send, arena.scratch);
  const { usage: sender } = await sending.success();
  const { usage: receiver } = await receiving.success();
  const seconds = secondsSince(startedAt);
  return {
    path: join(arena.directory, basename(payload.path)),
    round: { seconds, ...(sender && { sender }), ...(receiver && { receiver }) },
  };
}

let python: string | undefined;

/** Python itself: the command on the path may be a script that looks for it, which is not to be timed. */
function pythonPath(): string {
  if (python !== undefined) return python;
  const args = ["-c", "import sys; print(sys.executable)"];
  const { stdout } = new Deno.Command("python3", { args, stderr: "null" }).outputSync();
  return python = new TextDecoder().decode(stdout).trim();
}
