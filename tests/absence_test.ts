/** What is left behind while one side is away: a client's journal, its inbox and its log, and messages that wait or expire. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { RunningClient } from "./running_client.ts";
import { type LogLine, RunningServer } from "./running_server.ts";
import { until } from "./until.ts";

const INTERVAL = ["--interval", "1"];

/** The JSON that a command of the client prints. */
async function json<T>(client: RunningClient, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await client.command(...args, "--json");
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("the timeline tells a server that was unreachable from a machine that was off (fault 28) [HB-59]", async () => {
  await using first = await RunningServer.start({ args: INTERVAL });
  await using stayed = await RunningClient.start(first, "stayed");
  await using died = await RunningClient.start(first, "died");
  await first.untilState("died", "UP");
  const { data, port } = first;
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  await stayed.agent.line(/Not connected/);
  await died.kill();
  await using second = await RunningServer.start({ args: INTERVAL, data, port });
  died.run();
  const told = async (who: string, event: string) => {
    let lines: LogLine[] = [];
    return await until(async () => {
      lines = await second.api<LogLine[]>(`/api/log?who=${who}&kind=journal`);
      return lines.some((line) => line.event === event) ? lines : undefined;
    }, { what: () => `${event} of ${who} in ${JSON.stringify(lines)}` });
  };
  const events = (lines: LogLine[]) => lines.map(({ event }) => event);
  assertEquals(events(await told("stayed", "server_back")), [
    "started",
    "server_lost",
    "server_back",
  ]);
  const restarted = (await told("died", "started")).filter(({ ms }) => ms !== undefined);
  assertEquals(restarted.map(({ event, reason }) => [event, reason]), [
    ["started", "it had ended without a goodbye"],
  ]);
  const { stdout } = await second.command("log", "stayed", "--kind", "journal");
  assertMatch(stdout, /the machine was on, but had lost the server: /);
  const all = await second.log("beat,state,message,file,alert,audit,journal");
  assertEquals(all.map(({ at }) => at), all.map(({ at }) => at).sort(), "one order");
  const local = await json<LogLine[]>(stayed, "log", "--kind", "journal");
  assertEquals(events(local), ["started", "server_lost", "server_back"]);
});

Deno.test("hbclient inbox shows what a service has received, and --read tells the operator so", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  for (const text of ["one", "two\u001b[2J"]) {
    assertEquals((await server.command("message", "till-3", text, "--wait")).code, 0);
  }
  const inbox = () => json<{ text: string; state: string }[]>(client, "inbox");
  assertEquals((await inbox()).map(({ text, state }) => [text, state]), [
    ["one", "stored"],
    ["two\u001b[2J", "stored"],
  ]);
  const { code, stdout } = await client.command("inbox", "--read");
  assertEquals(code, 0);
  assertMatch(stdout, /new {2}one\n.*new {2}two/);
  assert(!stdout.includes("\u001b"), "made visible");
  assertEquals((await inbox()).map(({ state }) => state), ["shown", "shown"]);
  assertEquals((await client.command("inbox", "--read")).stdout, "");
  const shown = await server.untilLogged("message", ({ state }) => state === "shown");
  assert(String(shown.shown_at) >= String(shown.stored_at) && shown.stored_at !== null);
  await client.agent.type("an answer");
  await server.untilLogged("message", ({ text }) => text === "an answer");
  const log = await json<LogLine[]>(client, "log", "--kind", "message");
  assertEquals(log.map(({ from, text }) => [from, text]), [
    ["server", "one"],
    ["server", "two\u001b[2J"],
    ["client", "an answer"],
  ]);
});

Deno.test("a message that expires is not delivered, and both sides say so [HB-57]", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const expired = await server.command("message", "till-3", "stale", "--expires", "1", "--wait");
  assertEquals(expired.code, 1);
  assertMatch(expired.stderr, /Cannot deliver to 1 of 1: the message has expired/);
  assertEquals((await server.command("message", "till-3", "fresh")).code, 0);
  const { data, port } = server;
  assertEquals(await server.stop(), 0);
  const queued = await client.command("message", "too late", "--queue", "--expires", "1ms");
  assertEquals(queued.code, 0, queued.stderr);
  await using again = await RunningServer.start({ args: INTERVAL, data, port });
  client.run();
  await client.agent.line(/server: fresh/);
  await client.agent.line(/has expired and is not sent/);
  const states = (await again.log("message")).map(({ text, state }) => `${text} ${state}`);
  assert(states[0] === "stale expired" && states.length === 2, states.join());
  const log = await json<LogLine[]>(client, "log", "--kind", "message");
  assertEquals(log.map(({ text, state }) => `${text} ${state}`), [
    "too late expired",
    "fresh stored",
  ]);
});
