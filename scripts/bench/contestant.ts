/**
 * What every contestant of the file benchmark can do.
 *
 * @module
 */

import { join } from "node:path";
import type { Round } from "./bench_result.ts";
import type { Payload } from "./files_case.ts";

/** Where a contestant works. */
export interface Arena {
  /** An empty folder of its own on the medium: what arrives lies in it. */
  readonly directory: string;
  /** A folder for keys, settings and notes, not measured. */
  readonly scratch: string;
}

/** A round and where the file or folder arrived. */
export interface Arrival {
  readonly round: Round;
  readonly path: string;
}

/** A contestant that is ready for its rounds. */
export interface ReadyContestant extends AsyncDisposable {
  /** Sends once and resolves when both sides have finished; rejects with the reason when that failed. */
  send(payload: Payload): Promise<Arrival>;
}

/** A way to copy files. */
export interface Contestant {
  readonly name: string;
  /** What it is, in a line for the table. */
  readonly about: string;
  /** The program that is not installed, if so. */
  missing(): string | undefined;
  /** Starts what lasts for all rounds of one case. */
  open(arena: Arena): Promise<ReadyContestant>;
}

/** The first of `programs` that is not installed. */
export function missingProgram(...programs: string[]): string | undefined {
  return programs.find((program) => findProgram(program) === undefined);
}

/** Where a program lies, also among those of the administrator; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false; // Not in this folder.
    }
  });
}

/** A TCP port of the loopback that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Seconds since `startedAt` by `performance.now()`. */
export function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}
