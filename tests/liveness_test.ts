/** Who is up and who is not, with `--interval 1`: what the server itself says about its decisions. */

import { assert, assertEquals } from "@std/assert";
import { FAR_ROUND_TRIP_MS } from "../protocol/mod.ts";
import { RunningClient } from "./running_client.ts";
import { type LogLine, RunningServer } from "./running_server.ts";
import { pause } from "./until.ts";

const INTERVAL = ["--interval", "1"];
/** What a busy machine may add to a limit of the server, in milliseconds. */
const SLACK_MS = 250;
const onWindows = Deno.build.os === "windows";

function states(lines: LogLine[]): string[] {
  return lines.filter(({ kind }) => kind === "state").map(({ state }) => String(state));
}

function between(value: unknown, [lowest, highest]: [number, number]): void {
  assert(typeof value === "number" && value >= lowest && value <= highest, `${value}`);
}

Deno.test({
  name:
    "a stopped client is DOWN 2.5 s after its last byte, and back with the right downtime (fault 24, needs SIGSTOP)",
  ignore: onWindows,
  fn: async () => {
    await using server = await RunningServer.start({ args: INTERVAL });
    await using client = await RunningClient.start(server, "till-3");
    // Three beats make the usual gap known.
    await server.untilLogged("beat", ({ seq }) => Number(seq) >= 2);
    client.agent.signal("SIGSTOP");
    await server.untilState("till-3", "DOWN");
    await pause(1_500);
    client.agent.signal("SIGCONT");
    await server.untilLogged("alert", ({ state }) => state === "resolved");
    const lines = await server.log("state,alert", "till-3");
    assertEquals(states(lines), ["UP", "LATE", "SUSPECT", "DOWN", "UP"]);
    const down = lines.find(({ state }) => state === "DOWN");
    assertEquals(down?.cause, "silent");
    const opened = lines.find(({ kind, state }) => kind === "alert" && state === "open");
    assertEquals(opened?.cause, "silent");
    const evidence = opened?.evidence as Record<string, unknown>;
    // On a busy machine it may be far away, and then has three intervals; the evidence rounds the round trip.
    const isFar = Number(evidence.rtt_ms) > FAR_ROUND_TRIP_MS - 1;
    const limit: [number, number] = [2_500, (isFar ? 3_000 : 2_500) + SLACK_MS];
    between(down?.detection_ms, limit);
    between(evidence.detection_ms, limit);
    between(evidence.gap_ms, [700, 1_300]);
    assertEquals(evidence.last_seen, down?.last_seen);
    // The first byte after the outage lies between the continuation and the second beat.
    const up = lines.findLast(({ state }) => state === "UP");
    const upAt = Date.parse(String(up?.at));
    const lastSeen = Date.parse(String(down?.last_seen));
    between(up?.downtime_ms, [2_500 + 1_500 - SLACK_MS, upAt - lastSeen]);
    assertEquals(up?.cause, "silent");
    const [alert] = await server.json<Record<string, unknown>[]>("alerts");
    assertEquals([alert?.state, alert?.cause, alert?.clients], ["resolved", "silent", ["till-3"]]);
  },
});

Deno.test("a killed client is DOWN 0.75 s after the close, cause connection lost", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  await client.kill();
  await server.untilState("till-3", "DOWN");
  const lines = await server.log("state,alert", "till-3");
  assertEquals(states(lines), ["UP", "SUSPECT", "DOWN"]);
  const down = lines.find(({ state }) => state === "DOWN");
  assertEquals(down?.cause, "connection lost");
  between(down?.detection_ms, [750, 750 + SLACK_MS]);
  const [alert] = await server.json<Record<string, unknown>[]>("alerts", "--open");
  assertEquals([alert?.state, alert?.cause], ["open", "connection lost"]);
  await server.program.line(/ALERT till-3 is DOWN, connection lost/);
  client.run();
  await server.program.line(/RECOVERED till-3 is UP again after .* \(connection lost\)/);
});

Deno.test("a client that is asked to end is PLANNED and raises nothing", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  client.agent.signal("SIGTERM");
  assertEquals(await client.agent.exitCode(), 0);
  const { cause } = await server.untilState("till-3", "PLANNED");
  assertEquals(cause, "said bye: stop");
  await pause(3_000); // Longer than any limit of a one-second interval.
  const lines = await server.log("state,alert", "till-3");
  assertEquals(states(lines), ["UP", "PLANNED"]);
  assertEquals(await server.json("alerts"), []);
});

Deno.test("a restart of the server, planned or not, alarms nobody (fault 27)", async () => {
  await using first = await RunningServer.start({ args: INTERVAL });
  await using till1 = await RunningClient.start(first, "till-1");
  await using till2 = await RunningClient.start(first, "till-2");
  const { data, port } = first;
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  {
    await using second = await RunningServer.start({ args: INTERVAL, data, port });
    await Promise.all([till1, till2].map(({ agent }) => agent.line(/Not connected/)));
    await second.untilLogged(
      "beat",
      ({ client, at }) => client === "till-1" && Date.parse(at) > Date.now() - 2_000,
    );
    await second.untilLogged(
      "beat",
      ({ client, at }) => client === "till-2" && Date.parse(at) > Date.now() - 2_000,
    );
    assertEquals(await second.stop(), 0);
  }
  await using third = await RunningServer.start({ args: INTERVAL, data, port });
  await third.untilState("till-1", "UP");
  await third.untilState("till-2", "UP");
  await pause(3_000);
  assertEquals(await third.json("alerts"), []);
  const lines = await third.log("state");
  assert(!states(lines).includes("DOWN"), JSON.stringify(lines));
});

Deno.test({
  name: "a server that stood still for 4 s alarms nobody (fault 24, needs SIGSTOP)",
  ignore: onWindows,
  fn: async () => {
    await using server = await RunningServer.start({ args: INTERVAL });
    await using _client = await RunningClient.start(server, "till-3");
    server.program.signal("SIGSTOP");
    await pause(4_000);
    server.program.signal("SIGCONT");
    await server.program.line(/this server stood still for/);
    await server.untilLogged("beat", ({ at }) => Date.parse(at) > Date.now() - 500);
    await pause(3_000);
    assertEquals(await server.json("alerts"), []);
    await server.untilState("till-3", "UP");
  },
});
