/**
 * `scp` to an `sshd` of its own, with throw-away keys, on a free port of the loopback.
 *
 * @module
 */

import { basename, join } from "node:path";
import {
  type Arena,
  type Arrival,
  type Contestant,
  findProgram,
  freePort,
  missingProgram,
  secondsSince,
} from "./contestant.ts";
import type { Payload } from "./files_case.ts";
import { MeasuredCommand } from "./measured_command.ts";

/** Where an sshd of root wants to find an empty folder. */
const PRIVILEGE_FOLDER = "/run/sshd";

/** `scp`, with a cipher unless its default is wanted. */
export function scpPeer(name: string, cipher?: string): Contestant {
  return {
    name,
    about: `scp to sshd, ${cipher ?? "its default cipher"}`,
    missing: () => missingProgram("scp", "sshd", "ssh-keygen"),
    async open(arena) {
      const keys = await makeKeys(arena.scratch);
      return {
        send: (payload) => sendOnce({ arena, keys, cipher }, payload),
        [Symbol.asyncDispose]: () => removePrivilegeFolder(keys),
      };
    },
  };
}

interface Keys {
  host: string;
  client: string;
  /** Whether {@linkcode PRIVILEGE_FOLDER} was made here. */
  madeFolder: boolean;
}

async function sendOnce(
  { arena, keys, cipher }: { arena: Arena; keys: Keys; cipher: string | undefined },
  payload: Payload,
): Promise<Arrival> {
  const port = freePort();
  const settings = join(arena.scratch, "sshd.conf");
  await Deno.writeTextFile(settings, serverSettings(arena, { keys, port }));
  const sshd = findProgram("sshd") ?? "sshd"; // It starts itself anew and insists on an absolute path.
  await using server = new MeasuredCommand([sshd, "-D", "-e", "-f", settings], arena.scratch);
  await server.line(/^Server listening/);
  const startedAt = performance.now();
  await using client = new MeasuredCommand([
    "scp",
    ...["-F", "/dev/null", "-P", String(port), "-i", keys.client],
    ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
      .flatMap((option) => ["-o", option]),
    ...(cipher === undefined ? [] : ["-c", cipher]),
    ...(payload.isFolder ? ["-r"] : []),
    payload.path,
    `127.0.0.1:${arena.directory}/`,
  ], arena.scratch);
  const { usage: sender } = await client.success();
  const seconds = secondsSince(startedAt);
  const { usage: receiver } = await server.interrupt();
  return {
    path: join(arena.directory, basename(payload.path)),
    round: { seconds, ...(sender && { sender }), ...(receiver && { receiver }) },
  };
}

function serverSettings(
  { scratch }: Arena,
  { keys, port }: { keys: Keys; port: number },
): string {
  return [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${keys.host}`,
    `AuthorizedKeysFile ${keys.client}.pub`,
    "StrictModes no",
    `PidFile ${join(scratch, "sshd.pid")}`,
    "Subsystem sftp internal-sftp",
    "PermitRootLogin yes",
    "UsePAM no",
    "",
  ].join("\n");
}

async function makeKeys(scratch: string): Promise<Keys> {
  const [host, client] = [join(scratch, "host-key"), join(scratch, "client-key")];
  for (const key of [host, client]) {
    const args = ["-q", "-t", "ed25519", "-N", "", "-f", key];
    const { success, stderr } = await new Deno.Command("ssh-keygen", { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  }
  return { host, client, madeFolder: await makePrivilegeFolder() };
}

async function makePrivilegeFolder(): Promise<boolean> {
  if (Deno.uid() !== 0) return false;
  try {
    await Deno.mkdir(PRIVILEGE_FOLDER);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

async function removePrivilegeFolder({ madeFolder }: Keys): Promise<void> {
  if (madeFolder) await Deno.remove(PRIVILEGE_FOLDER);
}
