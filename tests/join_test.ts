/** Who is let in and who is not, and what both sides are told about it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { decodeJoinKey, encodeJoinKey } from "../protocol/mod.ts";
import { hbclient, type ProgramResult } from "./program.ts";
import { RunningClient } from "./running_client.ts";
import { type LogLine, RunningServer } from "./running_server.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { pause } from "./until.ts";

const INTERVAL = ["--interval", "1"];
/** The one text for every proof that does not hold. */
const BAD_PROOF = "The join key or proof is not valid here";

/** Joins with a key from a fresh data directory. */
async function tryJoin(key: string, ...args: string[]): Promise<ProgramResult> {
  await using directory = await temporaryDirectory();
  return await hbclient("join", "--data", join(directory.path, "client"), ...args, key);
}

function refusals(server: RunningServer): Promise<LogLine[]> {
  return server.log("audit").then((lines) => lines.filter(({ action }) => action === "refused"));
}

Deno.test("invite, join and run make a client UP, with round trip and vitals", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using directory = await temporaryDirectory();
  const data = join(directory.path, "client");
  const key = await server.invite("--tag", "shop");
  const joined = await hbclient("join", key, "--name", "till-3", "--data", data, "--json");
  assertEquals(joined.code, 0, joined.stderr);
  const { name, server: serverId, address } = JSON.parse(joined.stdout);
  assertEquals([name, serverId, address], ["till-3", server.serverId, server.address]);
  await using client = await RunningClient.start(server, "till-4");
  await server.untilLogged("beat", ({ client, seq }) => client === "till-4" && Number(seq) >= 1);
  const clients = await server.json<Record<string, unknown>[]>("clients");
  assertEquals(clients.map((one) => [one.name, one.state, one.verified]), [
    ["till-3", "PLANNED", true],
    ["till-4", "UP", true],
  ]);
  assertEquals(clients[0]?.tags, ["shop"]);
  const [, till4] = clients;
  assert(Number(till4?.rtt_ms) > 0 && Number(till4?.rtt_ms) < 1_000, String(till4?.rtt_ms));
  const vitals = till4?.vitals as Record<string, number>;
  for (const name of ["mem", "disk"]) {
    const value = vitals[name];
    assert(value !== undefined && value >= 0 && value <= 1, `${name}: ${value}`);
  }
  assert(Number(vitals.up) > 0);
  assertMatch(String(till4?.app), /^hbclient\/\d+\.\d+\.\d+ \(/);
  assertEquals(client.agent.stderr.filter((line) => /error/i.test(line)), []);
});

Deno.test("wrong, used, expired and foreign join keys get one text, exit 4, and each its audit line (fault 29)", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using other = await RunningServer.start({ args: INTERVAL });
  const used = await server.invite("--name", "till-1");
  assertEquals((await tryJoin(used)).code, 0);
  const expired = await server.invite("--ttl", "1ms");
  const good = decodeJoinKey(await server.invite());
  const wrong = encodeJoinKey({ ...good, secret: good.secret.map((byte) => byte ^ 1) });
  const foreign = decodeJoinKey(await other.invite());
  const elsewhere = encodeJoinKey({ ...good, invite: foreign.invite, secret: foreign.secret });
  await pause(5);
  const texts = new Set<string>();
  for (const key of [used, expired, wrong, elsewhere]) {
    const { code, stderr } = await tryJoin(key);
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, BAD_PROOF);
    texts.add(stderr.split("\n")[0] ?? "");
  }
  assertEquals(texts.size, 1, [...texts].join("\n"));
  const reasons = (await refusals(server)).map(({ reason }) => String(reason));
  for (const cause of [/is used$/, /is expired$/, /^wrong secret/, /^unknown invite/]) {
    assert(reasons.some((reason) => cause.test(reason)), `${cause} in ${reasons}`);
  }
  assertEquals((await server.json<unknown[]>("clients")).length, 1, "only the first one joined");
});

Deno.test("a damaged join key is told apart before anything is dialled, exit 2", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  const key = await server.invite();
  const at = Math.floor(key.length / 2);
  const changed = key.slice(0, at) + (key[at] === "A" ? "B" : "A") + key.slice(at + 1);
  for (const damaged of [key.slice(0, -10), changed, "hb1.", "something else"]) {
    const { code, stderr } = await tryJoin(damaged);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, "Cannot read the join key");
  }
  assertEquals(await refusals(server), []);
});

Deno.test("names: taken, for somebody else, or impossible", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  assertEquals((await tryJoin(await server.invite("--name", "till-1"))).code, 0);
  const taken = await tryJoin(await server.invite(), "--name", "TILL-1");
  assertEquals(taken.code, 4);
  assertStringIncludes(taken.stderr, "belongs to another machine");
  const other = await tryJoin(await server.invite("--name", "till-2"), "--name", "till-3");
  assertEquals(other.code, 4);
  assertStringIncludes(other.stderr, "for another name");
  assertEquals((await tryJoin(await server.invite(), "--name", "../etc")).code, 2);
  assertEquals((await server.command("invite", "--name", "a/b")).code, 1);
});

Deno.test("a server with another certificate is not trusted, exit 4, and hears of it", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using impostor = await RunningServer.start({ args: INTERVAL });
  const key = decodeJoinKey(await server.invite());
  const lured = encodeJoinKey({ ...key, addresses: [impostor.address] });
  const { code, stderr } = await tryJoin(lured);
  assertEquals(code, 4, stderr);
  assertMatch(stderr, /certificate/);
  await impostor.untilLogged("audit", ({ action }) => action === "tls_failed");
});

Deno.test("a client that the server does not know, or has revoked, is refused in words, exit 4", async () => {
  await using first = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(first, "till-3");
  const { data, port } = first;
  assertEquals((await first.command("revoke", "till-3")).code, 0);
  assertEquals(await client.agent.exitCode(), 4);
  await client.agent.line(/revoked/);
  const again = await client.command("status");
  assertEquals(again.code, 4);
  assertStringIncludes(again.stdout + again.stderr, "revoked");
  assert((await refusals(first)).some(({ code }) => code === "revoked"));
  assertEquals(await first.json("alerts", "--open"), [], "who is revoked is not missed");
  assertEquals(await first.stop(), 0);
  for (const name of ["hbserver.sqlite", "hbserver.sqlite-wal", "hbserver.sqlite-shm"]) {
    await Deno.remove(join(data, name)).catch(() => {
      // A clean stop leaves only the first of them.
    });
  }
  await using second = await RunningServer.start({ args: INTERVAL, data, port });
  await client.kill();
  const unknown = client.run();
  assertEquals(await unknown.exitCode(), 4);
  await unknown.line(/does not know this machine/);
  assert((await refusals(second)).some(({ code }) => code === "unknown_client"));
  assertEquals(await second.json("clients"), []);
});

Deno.test("a client without a proof leaves nothing on a server that is not open", async () => {
  await using server = await RunningServer.start({ args: [...INTERVAL, "--plaintext"] });
  await using directory = await temporaryDirectory();
  const data = join(directory.path, "client");
  const file = join(directory.path, "file.txt");
  await Deno.writeTextFile(file, "unwanted");
  const where = ["--server", server.address, "--plaintext", "--name", "nobody", "--data", data];
  assertEquals((await hbclient("message", ...where, "hello")).code, 4);
  assertEquals((await hbclient("send", ...where, file)).code, 4);
  assertEquals((await hbclient("run", ...where)).code, 4);
  assertEquals(await server.json("clients"), []);
  assertEquals(await server.json("files"), []);
  const kinds = new Set((await server.json<LogLine[]>("log")).map(({ kind }) => kind));
  assertEquals([...kinds], ["audit"]);
  const folders = await Array.fromAsync(Deno.readDir(server.files));
  assertEquals(folders.filter(({ name }) => name !== ".staging"), []);
});

Deno.test("a plaintext server can be joined too, and proves who joins just the same", async () => {
  await using server = await RunningServer.start({ args: [...INTERVAL, "--plaintext"] });
  await using client = await RunningClient.start(server, "till-3");
  assertEquals((await server.untilState("till-3", "UP")).verified, true);
  assert(client.agent.said.includes("No TLS"), client.agent.said);
});

Deno.test("TLS and plaintext that meet each other are told what to do", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  await using directory = await temporaryDirectory();
  const plain = ["--server", server.address, "--plaintext", "--data", join(directory.path, "c")];
  const plaintext = await hbclient("status", ...plain, "--name", "x");
  assert([3, 4].includes(plaintext.code), plaintext.stderr);
  assertMatch(plaintext.stdout + plaintext.stderr, /TLS/);
  const { data, port } = server;
  assertEquals(await server.stop(), 0);
  await using plainServer = await RunningServer.start({
    args: [...INTERVAL, "--plaintext"],
    data,
    port,
  });
  const tls = await client.command("message", "hello");
  assert([3, 4].includes(tls.code), tls.stderr);
  assertMatch(tls.stderr, /plaintext|TLS/);
  await plainServer.program.line(/speaks TLS but this server runs with --plaintext/);
});

Deno.test("an open server shows who has not proved anything, and keeps enrolled names from them", async () => {
  await using server = await RunningServer.start({ args: [...INTERVAL, "--plaintext", "--open"] });
  await using _till = await RunningClient.start(server, "till-3");
  await using directory = await temporaryDirectory();
  const data = join(directory.path, "client");
  const where = ["--server", server.address, "--plaintext", "--data", data];
  assertEquals((await hbclient("message", ...where, "--name", "lab-1", "hello")).code, 0);
  const thief = await hbclient("message", ...where, "--name", "till-3", "I am till-3");
  assertEquals(thief.code, 4);
  assertStringIncludes(thief.stderr, "belongs to an enrolled machine");
  const clients = await server.json<Record<string, unknown>[]>("clients");
  assertEquals(clients.map(({ name, verified }) => [name, verified]), [
    ["lab-1", false],
    ["till-3", true],
  ]);
});
