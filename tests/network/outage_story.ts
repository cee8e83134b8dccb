/**
 * Real machines behind one switch: its cable is pulled, one machine freezes on its own, and the server itself stands still.
 *
 * @module
 */

import type { AlertView } from "../../server/json_view.ts";
import { commandLine, hbclient } from "../program.ts";
import { RunningProgram } from "../running_program.ts";
import { type ClientView, RunningServer } from "../running_server.ts";
import { temporaryDirectory } from "../temporary_directory.ts";
import { pause, until } from "../until.ts";
import { NetworkNamespace } from "./network_namespace.ts";

/** Machines that join at a time: each is a process, and there may be two processors. */
const JOIN_AT_ONCE = 2;
/** Quiet after which nothing more is expected, in intervals: longer than silence until DOWN. */
const QUIET_INTERVALS = 3;

/** What happened, for a test to judge. */
export interface OutageReport {
  /** After the cable was pulled: every alert, its machines, and how long until it was told, in milliseconds. */
  cut: AlertView[];
  cutNoticedMs: number;
  /** After it was plugged in again: notices of recovery. */
  recoveries: number;
  /** Notices that told of it at all. */
  cutNotices: string[];
  /** After one machine froze. */
  frozen: AlertView[];
  frozenName: string;
  /** After the server stood still: alerts that it raised. */
  afterStandstill: AlertView[];
}

/** How large the story is. */
export interface OutageOptions {
  clients: number;
  /** Seconds between two heartbeats. */
  intervalS: number;
  /** How long the server stands still, in seconds. */
  standstillS: number;
  /** Called with each step. */
  say: (line: string) => void;
}

/** Plays the story. */
export async function playOutage(
  { clients, intervalS, standstillS, say }: OutageOptions,
): Promise<OutageReport> {
  await using network = await NetworkNamespace.create();
  await using desk = await temporaryDirectory();
  const listen = ["--listen", `${network.here}:0`];
  await using server = await RunningServer.start({
    args: [...listen, "--interval", String(intervalS)],
  });
  await using machines = new AsyncDisposableStack();
  const address = `${network.here}:${server.port}`;
  const key = await server.invite("--uses", String(clients), "--tag", "rack", "--address", address);
  const names = Array.from({ length: clients }, (_, index) => `m${index + 1}`);
  const agents = new Map<string, RunningProgram>();
  const waiting = [...names];
  const joinSome = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const data = `${desk.path}/${name}`;
      const { code, stderr } = await hbclient("join", "--data", data, "--name", name, key);
      if (code !== 0) throw new Error(`Cannot join as ${name}: ${stderr}`);
      const command = network.inside(commandLine("hbclient", ["run", "--data", data]));
      agents.set(name, machines.use(new RunningProgram(command)));
    }
  };
  await Promise.all(Array.from({ length: JOIN_AT_ONCE }, joinSome));
  const quiet = () => pause(QUIET_INTERVALS * intervalS * 1_000);
  const alerts = () => server.api<AlertView[]>("/api/alerts");
  await untilAll(server, names, "UP");
  let before = (await alerts()).length;
  say(`${clients} machines are UP; ${before} alerts so far, while they started`);

  const told = server.program.stderr.length;
  const cutAt = performance.now();
  await network.unplug();
  await untilAll(server, names, "DOWN");
  const notice = await until(
    () => Promise.resolve(server.program.stderr.slice(told).find((line) => line.includes("ALERT"))),
    { what: () => "the alert" },
  );
  const cutNoticedMs = performance.now() - cutAt;
  say(`the cable was pulled: ${notice.slice(0, 160)}`);
  const cut = (await alerts()).slice(before);
  await network.plug();
  await untilAll(server, names, "UP");
  await quiet();
  const lines = server.program.stderr.slice(told);
  const cutNotices = lines.filter((line) => /ALERT|UPDATE|RECOVERED/.test(line));
  const recoveries = cutNotices.filter((line) => line.includes("RECOVERED")).length;
  say(`the cable is plugged in again: ${cutNotices.at(-1)?.slice(0, 160)}`);

  before = (await alerts()).length;
  const frozenName = names.at(-1) ?? "";
  agents.get(frozenName)?.signal("SIGSTOP");
  await server.untilState(frozenName, "DOWN");
  await quiet();
  const frozen = (await alerts()).slice(before);
  agents.get(frozenName)?.signal("SIGCONT");
  await server.untilState(frozenName, "UP");
  say(`one machine froze: ${JSON.stringify(frozen.map(({ clients, cause }) => [clients, cause]))}`);

  before = (await alerts()).length;
  server.program.signal("SIGSTOP");
  await pause(standstillS * 1_000);
  server.program.signal("SIGCONT");
  await quiet();
  await untilAll(server, names, "UP");
  const afterStandstill = (await alerts()).slice(before);
  say(`the server stood still for ${standstillS} s: ${afterStandstill.length} alerts`);
  return { cut, cutNoticedMs, recoveries, cutNotices, frozen, frozenName, afterStandstill };
}

async function untilAll(server: RunningServer, names: string[], state: string): Promise<void> {
  let seen: ClientView[] = [];
  await until(async () => {
    seen = await server.api<ClientView[]>("/api/clients");
    return seen.filter((client) => client.state === state).length === names.length
      ? seen
      : undefined;
  }, {
    what: () =>
      `all ${names.length} ${state}: ${seen.map(({ name, state }) => `${name} ${state}`)}`,
  });
}
