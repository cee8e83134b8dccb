/**
 * A real `hbserver` process on a free port of 127.0.0.1, and what an operator sees of it.
 *
 * @module
 */

import { join } from "node:path";
import { commandLine, hbserver, type ProgramResult } from "./program.ts";
import { RunningProgram } from "./running_program.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

/** The part of `hbserver clients --json` that tests look at. */
export interface ClientView {
  name: string;
  state: string;
  cause: string | null;
  rtt_ms: number | null;
  last_seen: string | null;
  tags: string[];
  verified: boolean;
  classic: boolean;
  vitals: Record<string, number> | null;
}

/** One line of `hbserver log --json`: besides these fields those of its kind. */
export interface LogLine extends Record<string, unknown> {
  at: string;
  client: string | null;
  kind: string;
}

/** One entry of `hbserver files --json`. */
export interface FileView {
  client: string;
  /** `in` from the client, `out` to it. */
  direction: string;
  name: string;
  path: string;
  bytes: number;
  sha256: string;
  state: string;
  /** Where a file to a client landed there. */
  as: string | null;
  /** Why a file to a client was refused or still waits. */
  reason: string | null;
}

/** Settings of {@linkcode RunningServer.start}. */
export interface RunningServerOptions {
  /** Options of `hbserver run` besides the data directory and the ports. */
  args?: string[];
  /** Its data directory; a temporary one unless set. */
  data?: string;
  /** @default {0} */
  port?: number;
  /** Variables of its environment. */
  env?: Record<string, string>;
  /** Starts the command line in another way, such as under a lower limit of the system. */
  wrap?: (command: string[]) => string[];
}

/** A running server; disposing of it kills it and removes its temporary directory. */
export class RunningServer implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly data: string;
  readonly port: number;
  readonly serverId: string;
  readonly #api: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    program: RunningProgram,
    ready: { data: string; line: string; resources: AsyncDisposableStack },
  ) {
    this.program = program;
    this.data = ready.data;
    const { listening, api, server_id: serverId } = JSON.parse(ready.line);
    this.port = Number(listening.split(":").at(-1));
    this.serverId = serverId;
    this.#api = api;
    this.#resources = ready.resources;
  }

  /** Starts one; resolves when it says that it listens. */
  static async start(options: RunningServerOptions = {}): Promise<RunningServer> {
    const { args = [], port = 0, env = {}, wrap = (command) => command } = options;
    await using resources = new AsyncDisposableStack();
    let temporary: TemporaryDirectory | undefined;
    if (options.data === undefined) temporary = resources.use(await temporaryDirectory());
    const data = options.data ?? join(temporary?.path ?? "", "server");
    const listen = ["--listen", `127.0.0.1:${port}`, "--http", "off", "--json"];
    const command = commandLine("hbserver", ["run", "--data", data, ...listen, ...args]);
    const program = resources.use(new RunningProgram(wrap(command), { env }));
    const line = await program.line(/^\{"listening"/);
    return new RunningServer(program, { data, line, resources: resources.move() });
  }

  /** Where clients connect. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The folder of received files. */
  get files(): string {
    return join(this.data, "files");
  }

  /** Runs an admin command on it. */
  command(...args: string[]): Promise<ProgramResult> {
    const [name = "", ...rest] = args;
    return hbserver(name, "--data", this.data, ...rest);
  }

  /** The JSON that an admin command prints; rejects when it fails. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.command(...args, "--json");
    if (code !== 0) throw new Error(`Cannot run hbserver ${args.join(" ")}: ${code}, ${stderr}`);
    return JSON.parse(stdout);
  }

  /** `hbserver log --kind … --json`; `who` is a client. */
  log(kinds: string, who?: string): Promise<LogLine[]> {
    return this.json("log", ...(who === undefined ? [] : [who]), "--kind", kinds);
  }

  /** A join key that leads to this server, at its own address unless `args` name others. */
  async invite(...args: string[]): Promise<string> {
    const address = args.includes("--address") ? [] : ["--address", this.address];
    const { key } = await this.json<{ key: string }>("invite", ...address, ...args);
    return key;
  }

  /** What the API says; much cheaper than a command, for waiting. */
  async api<T>(path: string, body?: object): Promise<T> {
    const access = JSON.parse(await Deno.readTextFile(join(this.data, "api.json")));
    const response = await fetch(new URL(path, this.#api), {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${access.token}` },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (response.ok) return await response.json();
    throw new Error(`Cannot ask ${path}: ${response.status} ${await response.text()}`);
  }

  /** Resolves with a client once it is in that state. */
  untilState(name: string, state: string, timeoutMs?: number): Promise<ClientView> {
    let seen: ClientView[] = [];
    return until(async () => {
      seen = await this.api<ClientView[]>("/api/clients");
      return seen.find((client) => client.name === name && client.state === state);
    }, {
      what: () => `${name} ${state} in ${JSON.stringify(seen)}\n${this.program.said}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** Resolves with the first line of the timeline, of these kinds, that is wanted. */
  untilLogged(kinds: string, wanted: (line: LogLine) => boolean): Promise<LogLine> {
    let seen: LogLine[] = [];
    return until(async () => {
      seen = await this.api<LogLine[]>(`/api/log?kind=${kinds}`);
      return seen.find(wanted);
    }, { what: () => `the line in ${JSON.stringify(seen)}\n${this.program.said}` });
  }

  /** Resolves with the first file, of those from and to clients, that is wanted. */
  untilFile(wanted: (file: FileView) => boolean, timeoutMs?: number): Promise<FileView> {
    let seen: FileView[] = [];
    return until(async () => {
      seen = await this.api<FileView[]>("/api/files");
      return seen.find(wanted);
    }, {
      what: () => `the file in ${JSON.stringify(seen)}\n${this.program.said}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** Asks it to stop as a service manager would; its exit code. */
  stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.program.signal(signal);
    return this.program.exitCode();
  }

  /** Kills it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
