/** A server that is stopped or killed under its clients' hands: nobody is alarmed, nothing is lost, nothing comes twice. */

import { assert, assertEquals } from "@std/assert";
import { RunningClient } from "./running_client.ts";
import { type LogLine, RunningServer } from "./running_server.ts";
import { pause, until } from "./until.ts";

/** At one second, a machine that is busy for 1.5 s loses connections by right. */
const INTERVAL = ["--interval", "2"];
const CLIENTS = 6;
/** Time between two lines of one client, in milliseconds. */
const TYPE_MS = 50;

/** Lines that a client is typing, numbered, until it is told to stop. */
function typing(client: RunningClient): { stop: () => Promise<string[]> } {
  const typed: string[] = [];
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const text = `${client.name} ${typed.length}`;
      typed.push(text);
      await client.agent.type(text);
      await pause(TYPE_MS);
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      stopped = true;
      await ended;
      return typed;
    },
  };
}

/** What the operator says to all: at most once each while the server may be gone. */
async function tellAll(server: RunningServer, text: string): Promise<void> {
  await server.api("/api/messages", { who: "all", text });
}

Deno.test("a restart with every client connected and talking alarms nobody, and no message is lost, doubled or out of order (fault 27)", async () => {
  await using stack = new AsyncDisposableStack();
  let server = stack.use(await RunningServer.start({ args: INTERVAL }));
  const { data, port } = server;
  const names = Array.from({ length: CLIENTS }, (_, number) => `till-${number}`);
  const clients = await Promise.all(names.map((name) => RunningClient.start(server, name)));
  for (const client of clients) stack.use(client);
  const conversations = clients.map(typing);
  const told: string[] = [];
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    for (let number = 0; number < 5; number++) {
      told.push(`before ${signal} ${number}`);
      await tellAll(server, `before ${signal} ${number}`);
    }
    // Whatever is under way right now is cut.
    server.program.signal(signal);
    await server.program.exitCode();
    await pause(300);
    server = stack.use(await RunningServer.start({ args: INTERVAL, data, port }));
    for (const { name, agent } of clients) {
      await agent.line(/Connected/);
      await server.untilState(name, "UP");
    }
  }
  const typed = await Promise.all(conversations.map(({ stop }) => stop()));
  const messages = async () => await server.api<LogLine[]>("/api/log?kind=message");
  const expected = typed.flat().length + told.length * CLIENTS;
  let count = 0;
  await until(async () => {
    const lines = await messages();
    count = lines.length;
    return count >= expected && lines.every(({ state }) => state === "stored");
  }, { what: () => `${expected} messages, not ${count}` });
  await pause(6_000); // Longer than any limit of a two-second interval.
  const lines = await messages();
  for (const [index, name] of names.entries()) {
    assertEquals(lines.filter(({ from }) => from === name).map(({ text }) => text), typed[index]);
    const shown = clients[index]?.agent.said.match(/(?<=^server: ).*$/gm);
    assertEquals(shown, told);
  }
  assert(typed.every((texts) => texts.length > 20), "they talked all the time");
  assertEquals(await server.json("alerts"), []);
  const states = (await server.log("state")).filter(({ state }) => state === "DOWN");
  assertEquals(states, []);
});
