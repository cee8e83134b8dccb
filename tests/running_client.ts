/**
 * A real `hbclient` process that has joined a server of the test.
 *
 * @module
 */

import { join } from "node:path";
import { commandLine, hbclient, type ProgramResult } from "./program.ts";
import { RunningProgram, type RunningProgramOptions } from "./running_program.ts";
import type { RunningServer } from "./running_server.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temporary_directory.ts";

/** Settings of {@linkcode RunningClient.join} and {@linkcode RunningClient.start}. */
export interface RunningClientOptions {
  /** Where it connects, such as a proxy; the server's own address unless set. */
  address?: string;
  /** Options of `hbclient run`. */
  args?: string[];
  /** Options of the `hbserver invite` that makes its join key. */
  invite?: string[];
}

/** A machine that has joined; disposing of it kills its agent and removes its data directory. */
export class RunningClient implements AsyncDisposable {
  readonly name: string;
  readonly data: string;
  readonly #directory: TemporaryDirectory;
  #agent: RunningProgram | undefined;

  private constructor(name: string, directory: TemporaryDirectory) {
    this.name = name;
    this.#directory = directory;
    this.data = join(directory.path, "client");
  }

  /** Joins under `name`; no agent runs yet. */
  static async join(
    server: RunningServer,
    name: string,
    { address = server.address, invite = [] }: RunningClientOptions = {},
  ): Promise<RunningClient> {
    const key = await server.invite("--name", name, "--address", address, ...invite);
    const client = new RunningClient(name, await temporaryDirectory());
    const { code, stderr } = await client.command("join", key);
    if (code === 0) return client;
    await client[Symbol.asyncDispose]();
    throw new Error(`Cannot join as ${name}: ${stderr}`);
  }

  /** Joins, starts the agent, and waits until the server sees it UP. */
  static async start(
    server: RunningServer,
    name: string,
    options: RunningClientOptions = {},
  ): Promise<RunningClient> {
    const client = await RunningClient.join(server, name, options);
    client.run({ args: options.args ?? [] });
    await server.untilState(name, "UP");
    return client;
  }

  /** Another machine with a copy of this one's data directory; no agent runs on it yet. */
  async copy(): Promise<RunningClient> {
    const copy = new RunningClient(this.name, await temporaryDirectory());
    await Deno.mkdir(copy.data, { mode: 0o700 });
    for await (const { name, isFile } of Deno.readDir(this.data)) {
      if (isFile) await Deno.copyFile(join(this.data, name), join(copy.data, name));
    }
    return copy;
  }

  /** The folder of files that the server has sent. */
  get files(): string {
    return join(this.data, "files");
  }

  /** The agent's process. */
  get agent(): RunningProgram {
    if (this.#agent === undefined) {
      throw new Error(`Cannot use the agent of ${this.name}: none runs`);
    }
    return this.#agent;
  }

  /** Starts the agent; its stdin is a pipe that the test may type into. */
  run({ args = [], ...options }: { args?: string[] } & RunningProgramOptions = {}) {
    const command = commandLine("hbclient", ["run", "--data", this.data, ...args]);
    this.#agent = new RunningProgram(command, options);
    return this.#agent;
  }

  /** Runs another command of the client to its end. */
  command(...args: string[]): Promise<ProgramResult> {
    const [name = "", ...rest] = args;
    return hbclient(name, "--data", this.data, ...rest);
  }

  /** A command of the client that the test wants to interrupt. */
  start(...args: string[]): RunningProgram {
    const [name = "", ...rest] = args;
    return new RunningProgram(commandLine("hbclient", [name, "--data", this.data, ...rest]));
  }

  /** Kills the agent without warning. */
  async kill(): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    this.#agent = undefined;
  }

  /** Kills the agent if it still runs, and removes the data directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#directory[Symbol.asyncDispose]();
  }
}
