/** Files from a real client to a real server: identical, whole or not at all, and nobody is held up. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { published, staged, untilStaged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256, sha256Of, writeSample } from "./sample_file.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";

const INTERVAL = ["--interval", "1"];
/** LATE begins a second after the beat was due, which the agent's own process, on a busy machine, still keeps. */
const CALM_INTERVAL = ["--interval", "4"];
const MB = 1_000_000;
/** The large file of these tests, in bytes. */
const LARGE_BYTES = 300 * MB;

Deno.test("files of 0, 1 and 64 KiB - 1, + 0, + 1 bytes arrive identical, with their SHA-256", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  await using desk = await temporaryDirectory();
  const sizes = [0, 1, 65_535, 65_536, 65_537];
  for (const size of sizes) await Deno.writeFile(join(desk.path, `f${size}`), sampleBytes(size));
  const paths = sizes.map((size) => join(desk.path, `f${size}`));
  const { code, stdout, stderr } = await client.command("send", ...paths, "--json");
  assertEquals(code, 0, stderr);
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const sent = events.filter(({ state }) => state === "stored");
  const files = await server.json<FileView[]>("files", "till-3");
  for (const [at, size] of sizes.entries()) {
    const path = join(server.files, "till-3", `f${size}`);
    const arrived = await Deno.readFile(path);
    assertEquals(arrived, await Deno.readFile(join(desk.path, `f${size}`)));
    const digest = sha256(arrived);
    assertEquals([sent[at].path, sent[at].sha256], [paths[at], digest]);
    const { name, bytes, state } = files[at] ?? {};
    assertEquals([name, bytes, state], [`f${size}`, size, "stored"]);
    assertEquals([files[at]?.sha256, files[at]?.path], [digest, path]);
  }
});

Deno.test("a second report.pdf becomes report (2).pdf and the first stays as it was (fault 8)", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  await using desk = await temporaryDirectory();
  const report = join(desk.path, "report.pdf");
  await Deno.writeTextFile(report, "first");
  assertEquals((await client.command("send", report)).code, 0);
  await Deno.writeTextFile(report, "second");
  const second = await client.command("send", report);
  assertMatch(second.stdout + second.stderr, /as "report \(2\)\.pdf"/);
  const folder = join(server.files, "till-3");
  assertEquals(await Deno.readTextFile(join(folder, "report.pdf")), "first");
  assertEquals(await Deno.readTextFile(join(folder, "report (2).pdf")), "second");
});

Deno.test("files that are named like the server's own state and staging lie in the client's folder and harm nothing (fault 7)", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  await using desk = await temporaryDirectory();
  const before = await walk(server.data);
  const names = before.filter((path) => !path.includes("/")).concat(".staging");
  for (const name of names) await Deno.writeTextFile(join(desk.path, name), "mine");
  const paths = names.map((name) => join(desk.path, name));
  const { code, stderr } = await client.command("send", ...paths);
  assertEquals(code, 0, stderr);
  assertEquals(
    await published(join(server.files, "till-3", "..")),
    ["till-3", ...names.map((name) => `till-3/${name}: 4`)].sort(),
  );
  assertEquals((await server.json<FileView[]>("files")).length, names.length);
});

Deno.test("300 MB arrive identical while heartbeats and messages keep flowing (fault 23)", async () => {
  await using server = await RunningServer.start({ args: CALM_INTERVAL });
  await using client = await RunningClient.start(server, "till-3");
  await using desk = await temporaryDirectory();
  const large = join(desk.path, "large.bin");
  const digest = await writeSample(large, LARGE_BYTES);
  await using sending = client.start("send", large);
  await untilStaged(server.files, 1);
  await client.agent.type("sent in the middle");
  await server.untilLogged("message", ({ text }) => text === "sent in the middle");
  assertEquals(await sending.exitCode(), 0, sending.said);
  const stored = await server.untilLogged("file", () => true);
  const message = await server.untilLogged("message", () => true);
  // The message did not wait for the file: it is older, or at the most a moment younger.
  assert(Date.parse(message.at) < Date.parse(stored.at) + 2_000, `${message.at} ${stored.at}`);
  const [file] = await server.json<FileView[]>("files");
  assertEquals(file?.sha256, digest);
  assertEquals(await sha256Of(join(server.files, "till-3", "large.bin")), digest);
  const states = (await server.log("state", "till-3")).map(({ state }) => state);
  assertEquals(states, ["UP"], "it was never even LATE");
});

Deno.test("a sender that is killed in the middle publishes nothing, and what it sent is kept (fault 10)", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  await using desk = await temporaryDirectory();
  const large = join(desk.path, "large.bin");
  await writeSample(large, LARGE_BYTES);
  const sending = client.start("send", large);
  await untilStaged(server.files, 1);
  await sending[Symbol.asyncDispose]();
  assertEquals(await server.json("files"), []);
  assertEquals(await published(server.files), []);
  assert((await staged(server.files)).length > 0);
  assertEquals((await client.command("send", large)).code, 0, "and the same file may come again");
  assertEquals(await staged(server.files), []);
});

Deno.test("a server that is killed in the middle has published nothing when it is back, and the sender goes on by itself (fault 20)", async () => {
  await using first = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(first, "till-3");
  await using desk = await temporaryDirectory();
  const large = join(desk.path, "large.bin");
  await writeSample(large, LARGE_BYTES);
  await using sending = client.start("send", large);
  await untilStaged(first.files, 1);
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  const { data, port } = first;
  assertEquals(await published(first.files), []);
  await using second = await RunningServer.start({ args: INTERVAL, data, port });
  assertEquals(await sending.exitCode(), 0, sending.said);
  assertEquals(await published(second.files), ["till-3", `till-3/large.bin: ${LARGE_BYTES}`]);
});

Deno.test("what cannot be sent is said in words, with its own exit code", async () => {
  await using server = await RunningServer.start({ args: [...INTERVAL, "--max-file-size", "1M"] });
  await using client = await RunningClient.join(server, "till-3");
  await using desk = await temporaryDirectory();
  const small = join(desk.path, "small.txt");
  const big = join(desk.path, "big.bin");
  const missing = join(desk.path, "missing.txt");
  const colon = join(desk.path, "a:b.txt");
  await Deno.writeTextFile(small, "small");
  await Deno.writeFile(big, sampleBytes(1024 * 1024 + 1));
  await Deno.writeTextFile(colon, "a name that Windows would not take");
  const cases: [paths: string[], code: number, says: RegExp][] = [
    [[big], 4, /1048577 bytes.*at most 1048576/],
    [[missing], 7, /no such file/],
    [[colon], 4, /Cannot accept file name/],
    [[missing, small], 5, /no such file/],
  ];
  for (const [paths, code, says] of cases) {
    const result = await client.command("send", ...paths);
    assertEquals(result.code, code, result.stderr);
    assertMatch(result.stderr, says);
  }
  const files = await server.json<FileView[]>("files");
  assertEquals(files.map(({ name }) => name), ["small.txt"]);
});
