/** A data directory on a full disk: watching and alerting go on, the operator is told, and nothing acknowledged goes. */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "node:path";
import { BALLAST_BYTES, MIN_BALLAST_BYTES } from "../server/ballast.ts";
import { DISK_CHECK_MS, LOW_BYTES } from "../server/disk_guard.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { diskTest, SmallDisk } from "./small_disk.ts";
import { until } from "./until.ts";

const ARGS = ["--interval", "1"];
const FULL = /ALERT the disk of ".*" is full \(/;
const SPENT = /ALERT the disk of ".*" is full and its reserve used up/;
const WELL = /RECOVERED the disk of ".*" has room again/;
/** Longest time until the operator is warned, in milliseconds; the issue allows 60 s. */
const WARNED_MS = 3 * DISK_CHECK_MS;
/** Longest time until everything goes on, in milliseconds. */
const RESUMED_MS = 30_000;

interface AlertView {
  clients: string[];
  state: string;
}

/** A server whose data directory lies on a disk of 64 MiB, with its ballast, and two clients. */
async function start() {
  await using stack = new AsyncDisposableStack();
  const disk = stack.use(await SmallDisk.mount(64));
  const data = join(disk.path, "server");
  const server = stack.use(await RunningServer.start({ args: ARGS, data }));
  const stays = stack.use(await RunningClient.start(server, "till-1"));
  const dies = stack.use(await RunningClient.start(server, "till-2"));
  await until(async () => await ballast(data) >= MIN_BALLAST_BYTES, { what: "the ballast" });
  const moved = stack.move();
  return { disk, data, server, stays, dies, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Bytes of the ballast; 0 when there is none. */
async function ballast(data: string): Promise<number> {
  const { size, mode, blocks } = await Deno.stat(join(data, "ballast")).catch(() => ({
    size: 0,
    mode: 0o600,
    blocks: 0,
  }));
  assertEquals((mode ?? 0) & 0o777, 0o600);
  assert((blocks ?? 0) * 512 >= size, "it is not sparse");
  return size;
}

/** How many lines of the server's talk match. */
function count(server: RunningServer, pattern: RegExp): number {
  return server.program.stderr.filter((line) => pattern.test(line)).length;
}

async function texts(server: RunningServer): Promise<unknown[]> {
  return (await server.log("message")).map(({ text }) => text);
}

async function say(client: RunningClient, text: string): Promise<void> {
  const { code, stderr } = await client.command("message", text);
  assertEquals(code, 0, stderr);
}

diskTest(
  "a server whose disk fills up watches on, warns its operator, and has everything on record once there is room (faults 17 and 20)",
  async () => {
    await using on = await start();
    const { disk, data, server, stays, dies } = on;
    assertLess(await ballast(data), BALLAST_BYTES + 1);
    await say(stays, "before");

    const makeRoom = await disk.fill({ leaving: LOW_BYTES / 2 });
    await server.program.line(FULL, WARNED_MS);
    assertEquals(await ballast(data), 0);
    await say(stays, "from the reserve");
    const makeMoreRoom = await disk.fill({ leaving: 0, name: "more" });
    await server.program.line(SPENT, WARNED_MS);

    const refused = await stays.command("message", "no room for this");
    assert(refused.code !== 0, "it is not acknowledged");
    assertMatch(refused.stderr, /Cannot send the message: .*disk/);
    const queued = await server.command("message", "till-1", "no room for this either");
    assert(queued.code !== 0);
    assertMatch(queued.stderr, /Cannot queue a message for till-1: the server's disk is full/);
    await dies.kill();
    await server.program.line(/ALERT till-2 is DOWN/);
    const states = await server.api<{ name: string; state: string }[]>("/api/clients");
    assertEquals(states.map(({ name, state }) => `${name} ${state}`), ["till-1 UP", "till-2 DOWN"]);

    await makeMoreRoom();
    await makeRoom();
    const since = performance.now();
    await server.program.line(WELL, RESUMED_MS);
    await until(async () => {
      const alerts = await server.api<AlertView[]>("/api/alerts?open=1");
      return alerts.some(({ clients }) => clients[0] === "till-2");
    }, { what: "the alert on record" });
    assertLess(performance.now() - since, RESUMED_MS);
    await say(stays, "after");
    const path = (await server.log("state", "till-2")).map(({ state }) => state);
    assertEquals(path, ["UP", "SUSPECT", "DOWN"]);
    assertEquals(await texts(server), ["before", "from the reserve", "after"]);
    const audits = (await server.log("audit")).map(({ action }) => action);
    assert(audits.includes("disk_full") && audits.includes("disk_well"), audits.join());
    assertEquals([FULL, SPENT, WELL].map((pattern) => count(server, pattern)), [1, 1, 1]);
    await until(async () => await ballast(data) >= MIN_BALLAST_BYTES, { what: "the ballast" });
    assertEquals(await server.stop(), 0);
  },
);

diskTest(
  "a server that is killed and started again while its disk is full watches on, and its commands find it (faults 17 and 20)",
  async () => {
    await using on = await start();
    const { disk, data, server, stays, dies } = on;
    await say(stays, "before");
    const makeRoom = await disk.fill({ leaving: 0 });
    await server.program.line(FULL, WARNED_MS);
    const makeMoreRoom = await disk.fill({ leaving: 0, name: "more" });
    server.program.signal("SIGKILL");
    await server.program.exitCode();
    await using again = await RunningServer.start({ args: ARGS, data, port: server.port });
    await again.program.line(SPENT, WARNED_MS);
    await again.untilState("till-1", "UP");
    await again.untilState("till-2", "UP");
    await dies.kill();
    await again.program.line(/ALERT till-2 is DOWN/);
    assertEquals(await texts(again), ["before"]);
    await makeMoreRoom();
    await makeRoom();
    await again.program.line(WELL, RESUMED_MS);
    await again.untilLogged(
      "alert",
      ({ client, state }) => client === "till-2" && state === "open",
    );
    await say(stays, "after");
    assertEquals(await texts(again), ["before", "after"]);
  },
);
