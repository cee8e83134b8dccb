/** Files from a real server to real clients: to one, to a tag, to all, also to those that are away. */

import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "node:path";
import { type CutKind, CuttingProxy } from "./cutting_proxy.ts";
import { published, PublishedWatch, staged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256Of, writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const INTERVAL = ["--interval", "1"];
const MB = 1_000_000;
/** Exit codes: refused by all, refused by some. */
const REFUSED = 4;
const SOME = 5;

/** What became of every file that was pushed, as `client name: state`. */
async function states(server: RunningServer): Promise<string[]> {
  const files = await server.json<FileView[]>("files");
  return files.map(({ client, name, state }) => `${client} ${name}: ${state}`).sort();
}

Deno.test("a pushed file arrives identical, the client says where it landed, and the server knows (fault 23) [HB-130] [HB-132] [HB-134]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  const paths = [];
  for (
    const [name, size] of [["empty.txt", 0], ["setup.exe", 30 * MB], [
      "caf\u00e9 \u{1f3d6}.txt",
      5,
    ]] as const
  ) {
    const path = join(desk.path, name);
    await Deno.writeFile(path, sampleBytes(size));
    paths.push({ name, path, size });
  }
  const pushed = await server.command("push", "till-3", ...paths.map(({ path }) => path), "--wait");
  assertEquals(pushed.code, 0, pushed.stderr);
  for (const { name, path } of paths) {
    const landed = join(client.files, name);
    assertEquals(await sha256Of(landed), await sha256Of(path));
    await until(() => client.agent.said.includes(landed), { what: `${landed} on the screen` });
  }
  assertEquals(await states(server), paths.map(({ name }) => `till-3 ${name}: stored`).sort());
  assertEquals(await staged(client.files), []);
  assertEquals((await server.log("state", "till-3")).map(({ state }) => state), ["UP"]);
});

Deno.test("a file for a tag or for all reaches those that are meant, and those that are away when they are back, also after a restart of the server [HB-131]", async () => {
  await using desk = await temporaryDirectory();
  const data = join(desk.path, "server");
  const note = join(desk.path, "note.txt");
  const news = join(desk.path, "news.txt");
  await Deno.writeTextFile(note, "for tills");
  await Deno.writeTextFile(news, "for all");
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await RunningServer.start({ args: INTERVAL, data }));
  const clients: RunningClient[] = [];
  for (const [name, tag] of [["till-1", "till"], ["till-2", "till"], ["office", "desk"]] as const) {
    const client = stack.use(await RunningClient.join(first, name, { invite: ["--tag", tag] }));
    clients.push(client);
  }
  const [till1, till2, office] = clients;
  if (till1 === undefined || till2 === undefined || office === undefined) throw new Error("none");
  till1.run();
  await first.untilState("till-1", "UP");
  assertEquals((await first.command("push", "@till", note)).code, 0);
  assertEquals((await first.command("push", "all", news)).code, 0);
  await first.untilFile(({ client, name, state }) =>
    client === "till-1" && name === "news.txt" && state === "stored"
  );
  // What was pushed is what it was then.
  await Deno.writeTextFile(note, "changed");
  await Deno.remove(news);
  await first.stop();
  const { port } = first;
  await using second = await RunningServer.start({ args: INTERVAL, data, port });
  till2.run();
  office.run();
  for (const who of ["till-2", "office"]) {
    await second.untilFile(({ client, name, state }) =>
      client === who && name === "news.txt" && state === "stored"
    );
  }
  assertEquals(await published(till1.files), ["news.txt: 7", "note.txt: 9"]);
  assertEquals(await published(till2.files), ["news.txt: 7", "note.txt: 9"]);
  assertEquals(await published(office.files), ["news.txt: 7"]);
  assertEquals(await Deno.readTextFile(join(till2.files, "note.txt")), "for tills");
});

Deno.test("a client that takes no files, or none so large, says so, and push --wait fails with it [HB-130]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using _none = await RunningClient.start(server, "till-1", { args: ["--no-push"] });
  await using small = await RunningClient.start(server, "till-2", {
    args: ["--max-file-size", "1000"],
  });
  const large = join(desk.path, "large.bin");
  const tiny = join(desk.path, "tiny.bin");
  await writeSample(large, 1001);
  await writeSample(tiny, 1000);
  const both = await server.command("push", "all", tiny, "--wait");
  assertEquals(both.code, SOME, both.stderr);
  assertMatch(both.stderr, /till-1 has refused tiny\.bin/);
  const one = await server.command("push", "till-2", large, "--wait");
  assertEquals(one.code, REFUSED, one.stderr);
  assertMatch(one.stderr, /1001 bytes.*at most 1000/);
  assertEquals(await published(small.files), ["tiny.bin: 1000"]);
});

Deno.test("a pushed file of a name that is taken gets a number, and the first stays as it was (fault 8) [HB-64]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  const path = join(desk.path, "report.pdf");
  for (const text of ["first", "second"]) {
    await Deno.writeTextFile(path, text);
    const { code, stderr } = await server.command("push", "till-3", path, "--wait");
    assertEquals(code, 0, stderr);
  }
  assertEquals(await Deno.readTextFile(join(client.files, "report.pdf")), "first");
  assertEquals(await Deno.readTextFile(join(client.files, "report (2).pdf")), "second");
});

Deno.test("a pushed file goes through cuts, a killed client and a killed server, and arrives once and whole (faults 10, 20) [HB-131] [HB-132]", async () => {
  const bytes = 60 * MB;
  await using desk = await temporaryDirectory();
  const data = join(desk.path, "server");
  await using stack = new AsyncDisposableStack();
  let server = stack.use(await RunningServer.start({ args: INTERVAL, data }));
  await using proxy = await CuttingProxy.start(server.port);
  const { address } = proxy;
  await using client = await RunningClient.start(server, "till-3", { address });
  const path = join(desk.path, "large.bin");
  const digest = await writeSample(path, bytes);
  await using watch = new PublishedWatch(client.files);
  const before = proxy.passed.toClient;
  const holdAt = (share: number) => proxy.holdAt(before + Math.floor(share * bytes), "toClient");
  const cuts: [number, CutKind][] = [[0.2, "reset"], [0.4, "end"]];
  for (const [share, kind] of cuts) {
    proxy.at(before + Math.floor(share * bytes), () => proxy.cut(kind), "toClient");
  }
  const clientDies = holdAt(0.6);
  const serverDies = holdAt(0.8);
  assertEquals((await server.command("push", "till-3", path)).code, 0);
  await clientDies.reached;
  await client.kill();
  clientDies.release();
  client.run();
  await serverDies.reached;
  const { port } = server;
  await server[Symbol.asyncDispose]();
  serverDies.release();
  server = stack.use(await RunningServer.start({ args: INTERVAL, data, port }));
  await server.untilFile(({ state }) => state === "stored");
  assertEquals(await published(client.files), [`large.bin: ${bytes}`]);
  await watch[Symbol.asyncDispose]();
  assertEquals([...watch.seen], [`large.bin: ${bytes}`], "nothing else, ever");
  assertEquals(await sha256Of(join(client.files, "large.bin")), digest);
  const cost = (proxy.passed.toClient - before) / bytes;
  assertLess(cost, 1.3, `sent ${cost.toFixed(3)} times the size`);
});
