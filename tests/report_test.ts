/**
 * `hbserver report` over real processes: a client is killed, then the server, and the report tells one absence from the other.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ReportView } from "../server/report.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { pause } from "./until.ts";

const SERVER_AWAY_MS = 2_000;

Deno.test("report tells outages of a client from those of the server, across a kill -9 of both", async () => {
  await using desk = await temporaryDirectory();
  const data = `${desk.path}/server`;
  const args = ["--interval", "1"];
  await using first = await RunningServer.start({ args, data });
  const { port } = first;
  await using killed = await RunningClient.start(first, "till-1");
  await using _healthy = await RunningClient.start(first, "front");
  await killed.kill();
  await first.untilState("till-1", "DOWN");
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  await pause(SERVER_AWAY_MS);

  await using server = await RunningServer.start({ args, data, port });
  await server.untilState("front", "UP");
  killed.run();
  await server.untilState("till-1", "UP");
  const [front, till] = await server.json<ReportView[]>("report", "--zone", "UTC");
  assertEquals([front?.name, front?.uptime, front?.outages], ["front", 1, []]);
  assert((front?.server_away_ms ?? 0) >= SERVER_AWAY_MS);
  assertEquals([till?.name, till?.causes], ["till-1", { "connection lost": 1 }]);
  const { down_ms: down = 0, outages: [outage] = [] } = till ?? {};
  assert(outage !== undefined && outage.to !== null);
  const length = outage?.ms ?? 0;
  assert(length - down >= SERVER_AWAY_MS && down > 0, `${down} of ${length}`);

  const people = await server.command("report", "till-1", "--zone", "UTC");
  assertMatch(people.stdout, /^till-1 +\d[\d.]* % /m);
  assertStringIncludes(people.stdout, "connection lost");
  const sheet = await server.command("report", "--csv", "--zone", "UTC");
  const rows = sheet.stdout.split("\r\n");
  assertEquals([rows.length, rows.at(-1)], [4, ""], sheet.stdout);
  assertMatch(rows[0] ?? "", /^name,revoked,from,to,uptime,/);
  assertMatch(rows[1] ?? "", /^front,false,[^,]+,[^,]+,1,/);
});
