/** Folders from a real client to a real server: all of it, under its own names, in one folder. */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CuttingProxy } from "./cutting_proxy.ts";
import { runToEnd } from "./program.ts";
import { published, PublishedWatch, stagedBytes } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, writeSample } from "./sample_file.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";
import { pause, until } from "./until.ts";

const INTERVAL = ["--interval", "1"];
const MIB = 1024 * 1024;
/** What a bundle of files of 20 kB holds at the least, in bytes. */
const BUNDLE_BYTES = 1_000_000;
/** Exit code: some of several items failed. */
const SOME = 5;
const FILES = 2_000;

/** Names that every file system takes and that are still odd. */
const ODD_NAMES = [
  "two  spaces.txt",
  "-rf",
  "--help",
  "~",
  "$HOME",
  "a'b`c;d&e",
  "#hash %25",
  "file.tar.gz",
  ".hidden",
  "..dots",
  "caf\u00e9", // NFC
  "re\u0301sume\u0301", // NFD
  "\u{1f3d6}\ufe0f beach.jpg",
  "\u{1f469}\u200d\u{1f52c} lab.txt", // Joined by a zero-width joiner.
  "\u65e5\u672c\u8a9e.txt",
  "\u0645\u0644\u0641",
  "x".repeat(255),
  "\u00fc".repeat(127),
  "(2)",
  "CONSOLE",
  "com10",
  "staging",
];

const diffCommand = await findDiff();

async function findDiff(): Promise<string | undefined> {
  try {
    return (await runToEnd(["diff", "--version"])).code === 0 ? "diff" : undefined;
  } catch {
    return undefined; // Not installed.
  }
}

/** Makes a folder with 2,000 files of all kinds; its path. */
async function makeFolder(desk: string): Promise<string> {
  const folder = join(desk, "photos");
  const deep = join(folder, ...Array.from({ length: 20 }, (_, n) => `level ${n}`));
  const odd = join(folder, "odd");
  for (const path of [deep, odd, join(folder, "empty", "emptier")]) {
    await Deno.mkdir(path, { recursive: true });
  }
  await Deno.writeFile(join(deep, "bottom.txt"), sampleBytes(100));
  for (const name of ODD_NAMES) await Deno.writeFile(join(odd, name), sampleBytes(name.length));
  await Deno.writeFile(join(folder, "zero"), new Uint8Array());
  await writeSample(join(folder, "a mebibyte and more.bin"), MIB + 1);
  await writeSample(join(folder, "exactly a mebibyte.bin"), MIB);
  await writeSample(join(folder, "sixteen and more.bin"), 16 * MIB + 12_345);
  let count = 5 + ODD_NAMES.length;
  for (let n = 0; count < FILES; n++, count++) {
    const path = join(folder, `group ${n % 17}`);
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeFile(join(path, `${n}.dat`), sampleBytes((n * 37) % 5_000));
  }
  return folder;
}

Deno.test({
  name: `a folder with ${FILES} files, odd names and 20 levels arrives identical by diff -r${
    diffCommand === undefined ? " (needs diff)" : ""
  } [HB-122]`,
  ignore: diffCommand === undefined,
  fn: async () => {
    await using desk = await temporaryDirectory();
    await using server = await RunningServer.start({ args: INTERVAL });
    await using client = await RunningClient.join(server, "till-3");
    const folder = await makeFolder(desk.path);
    const { code, stdout, stderr } = await client.command("send", folder);
    assertEquals(code, 0, stderr);
    assertMatch(stdout + stderr, /2[,.  ]?000/, "it says how many files were stored");
    const arrived = join(server.files, "till-3", "photos");
    const diff = await runToEnd(["diff", "-r", folder, arrived]);
    assertEquals([diff.code, diff.stdout], [0, ""]);
    // What diff does not tell: the spelling of names that look the same.
    assertEquals(await walk(arrived), await walk(folder));
    const records = await server.json<FileView[]>("files");
    assert(records.some(({ name }) => name.endsWith("sixteen and more.bin")));
    const again = await client.command("send", folder);
    assertEquals(again.code, 0, again.stderr);
  },
});

Deno.test("a folder of a name that is taken becomes `name (2)` and the first stays as it was (fault 8) [HB-122]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const folder = join(desk.path, "photos");
  const arrived = join(server.files, "till-3");
  await Deno.mkdir(folder);
  for (const text of ["first", "second"]) {
    await Deno.writeTextFile(join(folder, "a.txt"), text);
    const { code, stderr } = await client.command("send", folder);
    assertEquals(code, 0, stderr);
  }
  assertEquals(await published(arrived), [
    "photos",
    "photos (2)",
    "photos (2)/a.txt: 6",
    "photos/a.txt: 5",
  ]);
  assertEquals(await Deno.readTextFile(join(arrived, "photos", "a.txt")), "first");
});

Deno.test({
  name: "links, pipes and sockets in a folder are left out and reported (fault 5, needs links)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using desk = await temporaryDirectory();
    await using server = await RunningServer.start({ args: INTERVAL });
    await using client = await RunningClient.join(server, "till-3");
    const secret = join(desk.path, "secret");
    const folder = join(desk.path, "photos");
    await Deno.mkdir(secret);
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(secret, "key"), "secret");
    await Deno.writeTextFile(join(folder, "a.txt"), "a");
    await Deno.symlink(join(secret, "key"), join(folder, "link to file"));
    await Deno.symlink(secret, join(folder, "link to folder"));
    await Deno.symlink(join(desk.path, "nowhere"), join(folder, "dangling"));
    await Deno.symlink(folder, join(folder, "loop"));
    await runToEnd(["mkfifo", join(folder, "pipe")]);
    await Deno.mkdir(join(folder, "sub"));
    using _socket = Deno.listen({ transport: "unix", path: join(folder, "sub", "socket") });
    const { stdout, stderr } = await client.command("send", folder);
    for (const name of ["link to file", "link to folder", "dangling", "loop", "pipe", "socket"]) {
      assert(`${stdout}\n${stderr}`.includes(name), `${name} is reported:\n${stdout}\n${stderr}`);
    }
    const arrived = join(server.files, "till-3", "photos");
    assertEquals(await published(join(server.files, "till-3")), [
      "photos",
      "photos/a.txt: 1",
      "photos/sub",
    ]);
    assertEquals((await walk(arrived)).filter((path) => path.includes("key")), []);
  },
});

Deno.test({
  name:
    "a file of a folder that cannot be read is reported, the others are stored, and the exit code is 5 (needs another user than root)",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  fn: async () => {
    await using desk = await temporaryDirectory();
    await using server = await RunningServer.start({ args: INTERVAL });
    await using client = await RunningClient.join(server, "till-3");
    const folder = join(desk.path, "photos");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "a.txt"), "a");
    await Deno.writeTextFile(join(folder, "private.txt"), "b");
    await Deno.chmod(join(folder, "private.txt"), 0);
    const { code, stdout, stderr } = await client.command("send", folder);
    assertEquals(code, SOME, stderr);
    assertMatch(stdout + stderr, /private\.txt/);
    assertEquals(await published(join(server.files, "till-3")), ["photos", "photos/a.txt: 1"]);
  },
});

Deno.test("a file of a folder whose name no system takes is reported, the others are stored, and the exit code is 5 (fault 2)", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const folder = join(desk.path, "photos");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(join(folder, "a.txt"), "a");
  await Deno.writeTextFile(join(folder, "NUL.txt"), "b");
  const { code, stdout, stderr } = await client.command("send", folder);
  assertEquals(code, SOME, stderr);
  assertMatch(stdout + stderr, /NUL\.txt/);
  assertEquals(await published(join(server.files, "till-3")), ["photos", "photos/a.txt: 1"]);
});

/** Resolves once the server has said nothing for a moment: the client knows what is stored. */
async function untilQuiet(proxy: CuttingProxy): Promise<void> {
  let heard = -1;
  while (proxy.passed.toClient !== heard) {
    heard = proxy.passed.toClient;
    await pause(300);
  }
}

/** Bytes that a server keeps in its folder of received files: published ones and partials. */
async function keptBytes(folder: string): Promise<number> {
  const sizes = (await published(folder)).map((entry) => Number(/: (\d+)$/.exec(entry)?.[1] ?? 0));
  return sizes.reduce((sum, size) => sum + size, await stagedBytes(folder));
}

Deno.test("a sender that is killed in the middle of a folder completes the same folder when it is run again, and nothing is stored twice (fault 20) [HB-122] [HB-125]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using proxy = await CuttingProxy.start(server.port);
  await using client = await RunningClient.join(server, "till-3", { address: proxy.address });
  const folder = join(desk.path, "photos");
  await Deno.mkdir(folder);
  const sizes = new Map([["large.bin", 12 * MIB]]);
  await writeSample(join(folder, "large.bin"), 12 * MIB);
  for (let n = 0; n < 400; n++) {
    sizes.set(`${n}.dat`, 20_000);
    await Deno.writeFile(join(folder, `${n}.dat`), sampleBytes(20_000));
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const whole = ["till-3", "till-3/photos"];
  for (const [name, size] of sizes) whole.push(`till-3/photos/${name}: ${size}`);
  whole.sort();
  await using watch = new PublishedWatch(server.files);
  for (let kills = 0; kills < 4; kills++) {
    await using sending = client.start("send", folder);
    // Each goes on for a part that all of them together do not make whole.
    const hold = proxy.holdAt(proxy.passed.toServer + Math.floor(0.15 * total));
    await hold.reached;
    let kept = 0;
    await until(async () => (kept = await keptBytes(server.files)) > kills * BUNDLE_BYTES, {
      what: () => `more than ${kills} bundles at the server, not ${kept} bytes`,
    });
    await untilQuiet(proxy);
    sending.signal("SIGKILL");
    await sending.exitCode();
    // What it had handed to the system would otherwise still arrive, and count for the next.
    proxy.cut("reset");
    hold.release();
  }
  const last = proxy.passed.toServer;
  const { code, stderr } = await client.command("send", folder);
  assertEquals(code, 0, stderr);
  assertLess(proxy.passed.toServer - last, 0.9 * total, "what is stored is not sent again");
  assertEquals(await published(server.files), whole);
  await watch[Symbol.asyncDispose]();
  assertEquals([...watch.seen].filter((entry) => !whole.includes(entry)), []);
  for (const name of sizes.keys()) {
    const stored = await Deno.readFile(join(server.files, "till-3", "photos", name));
    assertEquals(stored, await Deno.readFile(join(folder, name)), name);
  }
  const records = await server.json<FileView[]>("files");
  assertEquals(new Set(records.map(({ path }) => path)).size, records.length, "nothing twice");
});

Deno.test("a sender of a folder that is killed while the server still stores, and run again at once, stores nothing twice (fault 12) [HB-125]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: INTERVAL });
  await using proxy = await CuttingProxy.start(server.port);
  await using client = await RunningClient.join(server, "till-3", { address: proxy.address });
  const folder = join(desk.path, "photos");
  await Deno.mkdir(folder);
  const names = Array.from({ length: 1_000 }, (_, n) => `${n}.dat`);
  for (const name of names) await Deno.writeFile(join(folder, name), sampleBytes(5_000));
  const whole = ["till-3", "till-3/photos", ...names.map((name) => `till-3/photos/${name}: 5000`)];
  for (let kills = 1; kills <= 4; kills++) {
    await using sending = client.start("send", folder);
    // Its bytes have left it, and their storing has just begun.
    proxy.at(proxy.passed.toServer + 1_000_000 * kills, () => sending.signal("SIGKILL"));
    await sending.exitCode();
  }
  const { code, stderr } = await client.command("send", folder);
  assertEquals(code, 0, stderr);
  assertEquals(await published(server.files), whole.sort());
  const records = await server.json<FileView[]>("files");
  assertEquals(new Set(records.map(({ path }) => path)).size, records.length);
});
