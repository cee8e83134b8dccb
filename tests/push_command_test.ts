/** `hbserver push` as an operator meets it: what it says, how it exits, what `files` and `log` show. */

import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "node:path";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const INTERVAL = ["--interval", "1"];
const MIB = 1024 * 1024;

/** One entry of `hbserver files --json`, of a file to a client. */
interface PushedFile extends FileView {
  direction: string;
  as: string | null;
  reason: string | null;
}

/** The names in the server's folder of outgoing files. */
async function copies(server: RunningServer): Promise<string[]> {
  return await Array.fromAsync(Deno.readDir(join(server.data, "outgoing")), ({ name }) => name);
}

/** Resolves with a client's pushed files once all of them are in that state. */
function untilPushed(server: RunningServer, state: string): Promise<PushedFile[]> {
  let seen: PushedFile[] = [];
  return until(async () => {
    seen = (await server.api<PushedFile[]>("/api/files")).filter((file) =>
      file.direction === "out"
    );
    return seen.length > 0 && seen.every((file) => file.state === state) && seen;
  }, { what: () => `every push ${state} in ${JSON.stringify(seen)}\n${server.program.said}` });
}

Deno.test("push --wait ends when every client has the file, and says where it landed", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using first = await RunningClient.start(server, "till-3");
  await using second = await RunningClient.start(server, "till-4");
  await using sources = await temporaryDirectory();
  const bytes = sampleBytes(5 * MIB + 3);
  const path = join(sources.path, "setup 1.msi");
  await Deno.writeFile(path, bytes);
  const { code, stderr } = await server.command("push", "all", path, "--wait");
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /till-3 has stored setup 1\.msi as setup 1\.msi/);
  assertMatch(stderr, /till-4 has stored setup 1\.msi as setup 1\.msi/);
  for (const { files } of [first, second]) {
    assertEquals(sha256(await Deno.readFile(join(files, "setup 1.msi"))), sha256(bytes));
  }
  assertEquals(await copies(server), []);
  const again = await server.json<{ pushes: PushedFile[] }>("push", "till-3", path, "--wait");
  assertEquals(again.pushes.map(({ state, as }) => [state, as]), [["stored", "setup 1 (2).msi"]]);
  const table = await server.command("files");
  assertMatch(table.stdout, /till-3 +out +stored as setup 1 \(2\)\.msi/);
  const log = await server.command("log", "till-3", "--kind", "file");
  assertMatch(log.stdout, /-> setup 1\.msi queued/);
  assertMatch(log.stdout, /-> setup 1\.msi stored as setup 1 \(2\)\.msi/);
  assertNotMatch(server.program.said, /Deno/, "the runtime has nothing to say to an operator");
});

Deno.test("a push waits for a client that is away, over a restart of the server, and its source may go", async () => {
  await using home = await temporaryDirectory();
  const data = join(home.path, "server");
  const bytes = sampleBytes(MIB + 1);
  const path = join(home.path, "a.bin");
  await Deno.writeFile(path, bytes);
  let port = 0;
  let client: RunningClient;
  {
    await using server = await RunningServer.start({ args: INTERVAL, data });
    client = await RunningClient.join(server, "till-3");
    port = server.port;
    assertEquals((await server.command("push", "till-3", path)).code, 0);
    await Deno.remove(path);
    assertEquals((await copies(server)).length, 1);
    server.program.signal("SIGKILL");
    await server.program.exitCode();
  }
  await using _client = client;
  await Deno.writeTextFile(
    join(data, "outgoing", "left-over"),
    "of a push that was never recorded",
  );
  await using server = await RunningServer.start({ args: INTERVAL, data, port });
  assertEquals((await copies(server)).length, 1);
  assertEquals((await untilPushed(server, "queued")).length, 1);
  client.run();
  await untilPushed(server, "stored");
  assertEquals(sha256(await Deno.readFile(join(client.files, "a.bin"))), sha256(bytes));
  assertEquals(await copies(server), []);
});

Deno.test("a client with --no-push refuses in words, and push --wait ends with 4, or 5 when others took it", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using _refusing = await RunningClient.start(server, "till-3", { args: ["--no-push"] });
  await using _taking = await RunningClient.start(server, "till-4");
  await using sources = await temporaryDirectory();
  const path = join(sources.path, "a.txt");
  await Deno.writeTextFile(path, "hello");
  const alone = await server.command("push", "till-3", path, "--wait");
  assertEquals(alone.code, 4, alone.stderr);
  assertMatch(alone.stderr, /till-3 has refused a\.txt: denied: /);
  const both = await server.command("push", "all", path, "--wait");
  assertEquals(both.code, 5, both.stderr);
  const states = (await server.api<PushedFile[]>("/api/files")).map(({ client, state }) => [
    client,
    state,
  ]);
  assertEquals(states, [["till-3", "refused"], ["till-3", "refused"], ["till-4", "stored"]]);
  assertEquals(await copies(server), []);
});

Deno.test("push says what is wrong: nobody, no file, a directory, a name, no server", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using _client = await RunningClient.join(server, "till-3");
  await using sources = await temporaryDirectory();
  const path = join(sources.path, "a.txt");
  await Deno.writeTextFile(path, "hello");
  const cases: [string[], number, RegExp][] = [
    [["till-9", path], 1, /no client has that name/],
    [["till-3", join(sources.path, "absent")], 7, /does not exist/],
    [["till-3", path, sources.path], 2, /is a directory/],
    [["till-3"], 2, /FILE/],
  ];
  for (const [args, code, words] of cases) {
    const result = await server.command("push", ...args);
    assertEquals([result.code, words.test(result.stderr)], [code, true], result.stderr);
  }
  assertEquals(await server.api<PushedFile[]>("/api/files"), []);
  await server.stop();
  assertEquals((await server.command("push", "till-3", path)).code, 3);
});
