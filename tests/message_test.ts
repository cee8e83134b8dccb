/** Messages both ways between a real server and a real client, at the console, in the chat and by command. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { commandLine, ROOT } from "./program.ts";
import { PYTHON } from "./python.ts";
import { RunningClient } from "./running_client.ts";
import { RunningProgram } from "./running_program.ts";
import { RunningServer } from "./running_server.ts";

const INTERVAL = ["--interval", "1"];

/** No character that a terminal would obey, and none that turns the reading direction. */
function assertHarmless(text: string): void {
  assert(!/\p{Cc}|\u202e/u.test(text), JSON.stringify(text));
}

Deno.test("a message of the operator appears in the client's chat, an answer on the console and in the log", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  const sent = await server.command("message", "till-3", "hello", "there", "--wait", "--json");
  assertEquals(sent.code, 0, sent.stderr);
  const { ids } = JSON.parse(sent.stdout);
  await client.agent.line(/hello there/);
  await client.agent.type("printer is on fire");
  await server.program.line(/^till-3: printer is on fire$/);
  const lines = await server.log("message", "till-3");
  assertEquals(
    lines.map(({ from, to, text }) => [from, to, text]),
    [["server", "till-3", "hello there"], ["till-3", "server", "printer is on fire"]],
  );
  assertEquals(lines[0]?.id, ids[0]);
  assert(["stored", "shown"].includes(String(lines[0]?.state)), String(lines[0]?.state));
  await server.program.type("@till-3 coming");
  await client.agent.line(/coming/);
  await server.program.type("really");
  await client.agent.line(/really/);
  await client.agent.type("bye");
  assertEquals(await client.agent.exitCode(), 0, client.agent.said);
  assertEquals((await server.untilState("till-3", "PLANNED")).cause, "said bye: stop");
});

Deno.test("messages to a client that is away wait, in order, and come once", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const texts = ["one", "two", "three"];
  for (const text of texts) {
    assertEquals((await server.command("message", "till-3", text)).code, 0);
  }
  const queued = await server.log("message", "till-3");
  assertEquals(queued.map(({ state }) => state), ["queued", "queued", "queued"]);
  client.run();
  await client.agent.line(/three/);
  const shown = client.agent.said.split("\n").flatMap((line) =>
    /server: (\w+)$/.exec(line)?.[1] ?? []
  );
  assertEquals(shown, texts);
  await client.kill();
  client.run();
  await client.agent.line(/Connected/);
  await server.untilLogged("beat", ({ at }) => Date.parse(at) > Date.now() - 1_000);
  assert(!/server: /.test(client.agent.said), "nothing comes twice");
});

Deno.test("a server that was killed right after a message keeps it, and delivers it once", async () => {
  await using first = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(first, "till-3");
  const { data, port } = first;
  assertEquals((await first.command("message", "till-3", "before the cut")).code, 0);
  assertEquals((await client.command("message", "from", "the", "client")).code, 0);
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  await using second = await RunningServer.start({ args: INTERVAL, data, port });
  client.run();
  await client.agent.line(/before the cut/);
  const lines = await second.log("message", "till-3");
  assertEquals(lines.map(({ text }) => text), ["before the cut", "from the client"]);
});

Deno.test("hbclient message exits 0 once stored and 3 without a server, unless it may queue", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const stored = await client.command("message", "stored", "--json");
  assertEquals(stored.code, 0, stored.stderr);
  const [line] = await server.log("message");
  assertEquals(line?.id, JSON.parse(stored.stdout).ids[0]);
  assertEquals(await server.json("alerts"), [], "a command is no presence");
  assertEquals(await server.stop(), 0);
  const refused = await client.command("message", "lost?");
  assertEquals(refused.code, 3);
  assertStringIncludes(refused.stderr, "nothing listens there");
  assertEquals((await client.command("message", "queued", "--queue")).code, 0);
  const { data, port } = server;
  await using again = await RunningServer.start({ args: INTERVAL, data, port });
  client.run();
  await again.untilLogged("message", ({ text }) => text === "queued");
  const texts = (await again.log("message")).map(({ text }) => text);
  assertEquals(texts, ["stored", "queued"]);
});

Deno.test("control and bidi characters of a peer are data in the log and visible on every screen (fault 3)", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  const text = "\x1b]52;c;aGk=\x07 \u202edesrever \x9b31m";
  assertEquals((await client.command("message", "--", text)).code, 0);
  const shown = await server.program.line(/desrever/);
  assertHarmless(shown);
  const [line] = await server.log("message");
  assertEquals(line?.text, text);
  assertEquals((await server.command("message", "till-3", "--", text)).code, 0);
  const received = await client.agent.line(/desrever/);
  assertHarmless(received);
  const log = await server.command("log", "till-3", "--kind", "message");
  assertHarmless(log.stdout.replaceAll("\n", " "));
});

Deno.test("messages for nobody, too long or without text are refused in words", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using _client = await RunningClient.join(server, "till-3");
  const nobody = await server.command("message", "till-9", "hello");
  assertEquals(nobody.code, 1);
  assertStringIncludes(nobody.stderr, 'Cannot find "till-9"');
  const long = await server.command("message", "till-3", "x".repeat(16 * 1024 + 1));
  assertEquals(long.code, 1);
  assertStringIncludes(long.stderr, "16384 bytes");
  assertEquals((await server.command("message", "till-3")).code, 2);
  assertEquals(await server.log("message"), []);
});

Deno.test({
  name:
    "the operator's console shows what clients say and sends what is typed (needs python3 and a terminal)",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using first = await RunningServer.start({ args: INTERVAL });
    await using client = await RunningClient.join(first, "till-3");
    const { data, port } = first;
    assertEquals(await first.stop(), 0);
    const options = ["--data", data, "--listen", `127.0.0.1:${port}`, "--http", "off", ...INTERVAL];
    const script = join(ROOT, "tests", "operator_terminal.py");
    await using screen = new RunningProgram([
      PYTHON ?? "",
      script,
      ...commandLine("hbserver", options),
    ]);
    await screen.line(/Listening on/);
    client.run();
    await client.agent.line(/Connected/);
    await client.agent.type("hello from the till");
    await screen.line(/till-3: hello from the till/);
    await screen.type("coming");
    await client.agent.line(/server: coming/);
    await screen.type("/clients");
    await screen.line(/till-3 {2}UP/);
    await client.kill();
    await screen.line(/ALERT till-3 is DOWN, connection lost/);
    await screen.type("/alerts");
    await screen.line(/#1 {2}till-3 {2}connection lost/);
    assert(screen.said.includes("\x07"), "an alert rings");
    await screen.type("/quit");
    assertEquals(await screen.exitCode(), 0);
  },
});
