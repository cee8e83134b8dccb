/**
 * The story of a chat over many deaths: a real server and a real client talk without a pause while one after the
 * other is killed and started again; in the end both sides must keep what each was promised.
 *
 * @module
 */

import { join } from "node:path";
import { commandLine } from "../program.ts";
import { RunningClient } from "../running_client.ts";
import { RunningProgram } from "../running_program.ts";
import { RunningServer } from "../running_server.ts";
import { temporaryDirectory } from "../temporary_directory.ts";
import { pause, until } from "../until.ts";
import { ChatLoad } from "./chat_load.ts";
import { ChatRecord } from "./chat_record.ts";
import { type Kill, killPlan, type Victim } from "./kill_plan.ts";
import { type KillFacts, type KillReport, reportOf } from "./kill_report.ts";
import {
  clientDatabase,
  InboxMemory,
  integrity,
  journalOfClient,
  publishedFiles,
  serverDatabase,
  serverState,
  waitingOfClient,
  waitingOfServer,
} from "./kept_state.ts";
import { type Death, type Life, Mortal, readyTime } from "./mortal.ts";

/** How a story goes. */
export interface KillStoryOptions {
  seed: number;
  /** How many, over both programs. */
  kills: number;
  /** Messages a second of each side. */
  rate: number;
  /** Share of the kills without a failpoint that are only asked to stop. @default {0} */
  stops?: number;
  /** Called after each death. */
  onDeath?: (death: Death) => void;
  /** Called with what is over when the last has died. */
  onStep?: (what: string) => void;
}

/** The client's name. */
const NAME = "till-3";
/** At one second, a machine that is busy for 1.5 s loses connections by right. */
const ARGS = ["--interval", "2"];
/** Longest time in which both programs must be connected again, in milliseconds. */
const CONNECT_LIMIT_MS = 20_000;
/** Longest time in which everything that waits must arrive in the end, in milliseconds. */
const DRAIN_LIMIT_MS = 30_000;

/** Tells the story from its start to its end. */
export async function killStory(options: KillStoryOptions): Promise<KillReport> {
  await using desk = await temporaryDirectory();
  await using stage = await Stage.open(desk.path);
  const load = new ChatLoad({
    name: NAME,
    record: stage.record,
    folder: desk.path,
    rate: options.rate,
    type: (line) => stage.type(line),
    post: (path, body) => stage.post(path, body),
  });
  const { onDeath, onStep } = options;
  await stage.killAll(killPlan(options), onDeath);
  onStep?.("both are back");
  await load.stop();
  onStep?.("nobody talks any more");
  await stage.drain();
  onStep?.("everything has arrived");
  const report = await stage.end(options);
  onStep?.("both have ended");
  return report;
}

/** A server and a client that die and come back, and what is known of them. */
class Stage implements AsyncDisposable {
  readonly record = new ChatRecord(NAME);
  readonly #data: string;
  readonly #client: RunningClient;
  readonly #inbox: InboxMemory;
  readonly #mortals: Record<Victim, Mortal>;
  readonly #resources: AsyncDisposableStack;
  readonly #facts: KillFacts = {
    deaths: [],
    ready: { server: [], client: [] },
    absences: [],
    wrong: [],
  };

  private constructor(
    data: string,
    { port, client, resources }: {
      port: number;
      client: RunningClient;
      resources: AsyncDisposableStack;
    },
  ) {
    this.#data = data;
    this.#client = client;
    this.#inbox = new InboxMemory(client.data);
    const listen = ["--listen", `127.0.0.1:${port}`, "--http", "off", "--json"];
    const command = commandLine("hbserver", ["run", "--data", data, ...listen, ...ARGS]);
    const server = new Mortal({
      victim: "server",
      start: (options) => new RunningProgram(command, options),
      isReady: (line) => line.startsWith('{"listening"'),
      onLine: (line) => this.record.onServerLine(line),
    });
    const agent = new Mortal({
      victim: "client",
      start: (options) => client.run({ args: ["--json"], ...options }),
      isReady: (line) => /^\{.*"kind":"state","state":"connected"/.test(line),
      onLine: (line) => this.record.onClientLine(line),
    });
    this.#mortals = { server: resources.use(server), client: resources.use(agent) };
    this.#resources = resources;
  }

  /** A server that a client has joined; none of them runs yet. */
  static async open(desk: string): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const data = join(desk, "server");
    await using first = await RunningServer.start({ args: ARGS, data });
    const client = resources.use(await RunningClient.join(first, NAME));
    const { port } = first;
    await first.stop();
    return new Stage(data, { port, client, resources: resources.move() });
  }

  /** Types a line at the client that is alive, or at the next one. */
  async type(line: string): Promise<void> {
    const { program } = await this.#mortals.client.alive();
    await program.type(line);
  }

  /** Asks the server that listens, or the next one. */
  async post(path: string, body: object): Promise<Response> {
    await until(() => this.#mortals.server.life?.readyAt !== undefined, {
      what: "a server that listens",
      everyMs: 5,
    });
    const { url, token } = JSON.parse(await Deno.readTextFile(join(this.#data, "api.json")));
    return await fetch(new URL(path, url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
  }

  /** Kills as planned, and leaves both programs running. */
  async killAll(plan: readonly Kill[], onDeath?: (death: Death) => void): Promise<void> {
    const turns = plan.map((kill) => ({
      kill,
      turn: Promise.withResolvers<void>(),
      over: Promise.withResolvers<void>(),
    }));
    const lives = (["server", "client"] as const).map(async (victim) => {
      for (const { kill, turn, over } of turns.filter(({ kill }) => kill.victim === victim)) {
        const life = this.#start(victim, kill);
        const death = await this.#mortals[victim].die(life, { kill, turn: turn.promise });
        this.#onDeath(death);
        onDeath?.(death);
        over.resolve();
      }
      this.#start(victim);
    });
    const conduct = async () => {
      for (const { kill, turn, over } of turns) {
        const isOver = await Promise.race([over.promise.then(() => true), this.#moment(kill)]);
        if (isOver !== true) turn.resolve();
        await over.promise;
      }
    };
    await Promise.all([conduct(), ...lives]);
    await this.#connected();
  }

  /** Resolves when everything that waited has arrived. */
  async drain(): Promise<void> {
    let left = "";
    await until(() => {
      const [server, client] = [
        waitingOfServer(this.#data),
        waitingOfClient(this.#client.data),
      ];
      left = `${server} messages and files to the client, ${client} messages of it`;
      return server + client === 0;
    }, { what: () => `the end of ${left}`, timeoutMs: DRAIN_LIMIT_MS, everyMs: 200 });
  }

  /** Ends both programs as planned, and judges. */
  async end({ seed }: { seed: number }): Promise<KillReport> {
    const { server, client } = this.#mortals;
    await client.life?.program.type("bye");
    this.#note("client", await client.life?.ended);
    server.life?.program.signal("SIGTERM");
    this.#note("server", await server.life?.ended);
    this.#inbox.look();
    return reportOf({
      seed,
      record: this.record,
      facts: this.#facts,
      server: serverState(this.#data),
      inbox: this.#inbox.received,
      journal: journalOfClient(this.#client.data),
      files: {
        server: await publishedFiles(join(this.#data, "files", NAME)),
        client: await publishedFiles(this.#client.files),
      },
      integrity: {
        server: integrity(serverDatabase(this.#data)),
        client: integrity(clientDatabase(this.#client.data)),
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  #note(victim: Victim, code: number | undefined): void {
    if (code !== 0) this.#facts.wrong.push(`the ${victim} ended with ${code} when it was asked to`);
  }

  #start(victim: Victim, kill?: Kill): Life {
    const life = this.#mortals[victim].start(kill);
    void this.#measure(victim, life);
    return life;
  }

  /** Measures how long a life takes to be ready; of a client only while one and the same server listens. */
  async #measure(victim: Victim, life: Life): Promise<void> {
    const server = this.#mortals.server.life;
    const wasListening = server?.readyAt !== undefined;
    await until(() => life.readyAt !== undefined || life.hasEnded, {
      what: `a ${victim} that is ready: ${life.program.said}`,
      timeoutMs: CONNECT_LIMIT_MS,
      everyMs: 5,
    });
    if (life.hasEnded) return;
    if (victim === "client") {
      const absence = this.#facts.absences.at(-1);
      if (absence !== undefined) absence.to = Math.min(absence.to, Date.now());
      if (!wasListening || this.#mortals.server.life !== server) return;
    }
    this.#facts.ready[victim].push(await readyTime(life));
  }

  #onDeath(death: Death): void {
    this.#facts.deaths.push(death);
    this.#inbox.look();
    if (death.wrong !== undefined) this.#facts.wrong.push(death.wrong);
    if (death.kill.victim === "client") {
      this.record.connectedSince = undefined;
      this.#facts.absences.push({ from: Date.now(), to: Infinity });
    }
  }

  /** Resolves when the turn of a kill has come. */
  async #moment({ early, afterMs }: Kill): Promise<void> {
    if (!early) await this.#connected();
    await pause(afterMs);
  }

  /** Resolves when the client has connected to the server that is alive. */
  async #connected(): Promise<void> {
    const { server, client } = this.#mortals;
    await until(() => {
      const since = this.record.connectedSince ?? -Infinity;
      const born = Math.max(
        server.life?.startedAt ?? Infinity,
        client.life?.startedAt ?? Infinity,
      );
      return server.life?.readyAt !== undefined && since > born;
    }, {
      what: () =>
        `a connection between\n${client.life?.program.said}\nand\n${server.life?.program.said}`,
      timeoutMs: CONNECT_LIMIT_MS,
      everyMs: 10,
    });
  }
}
