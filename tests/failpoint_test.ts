/**
 * Programs that die at a step between the last byte and the word that it is stored: afterwards a file is there
 * whole or not at all, and the same command again makes it whole, once.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { MAX_BUNDLE_ITEMS } from "../protocol/mod.ts";
import { published, staged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const ARGS = ["--interval", "1"];
/** Exit code of a program that a failpoint has ended. */
const DIED = 137;
/** The steps of one file, in their order. */
const FILE_STEPS = [
  "after_last_byte",
  "after_hash",
  "after_fsync",
  "after_reservation",
  "after_rename",
  "before_stored",
];
/** A file of more bytes than a bundle holds, which is sent by itself. */
const LARGE_BYTES = 2_500_000;

/** One file more than a bundle holds, so that there are two. */
const SMALL_FILES = MAX_BUNDLE_ITEMS + 1;

/** Fails unless what lies in the folder is a part of `whole`, every file of it complete. */
async function assertWholeOrAbsent(folder: string, whole: readonly string[]): Promise<void> {
  for (const entry of await published(folder)) {
    assert(whole.includes(entry), `${entry} is none of ${whole.join(", ")}`);
  }
}

for (const step of FILE_STEPS) {
  Deno.test(`a server that dies ${words(step)} leaves a file whole or not at all, and the same command stores it once (fault 20) [HB-113]`, async () => {
    await using desk = await temporaryDirectory();
    const path = join(desk.path, "report.pdf");
    const bytes = sampleBytes(LARGE_BYTES);
    await Deno.writeFile(path, bytes);
    const whole = ["till-3", `till-3/report.pdf: ${LARGE_BYTES}`];
    const data = join(desk.path, "server");
    await using first = await RunningServer.start({
      args: ARGS,
      data,
      env: { HB_FAILPOINT: step },
    });
    await using client = await RunningClient.join(first, "till-3");
    {
      await using _sending = client.start("send", path);
      assertEquals(await first.program.exitCode(), DIED, first.program.said);
    }
    await assertWholeOrAbsent(first.files, whole);
    await using second = await RunningServer.start({ args: ARGS, data, port: first.port });
    await assertWholeOrAbsent(first.files, whole);
    const { code, stdout, stderr } = await client.command("send", path);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /stored .*report\.pdf as "report\.pdf"/);
    assertEquals(await published(second.files), whole);
    const records = await second.json<FileView[]>("files");
    assertEquals(records.map(({ name, sha256 }) => [name, sha256]), [[
      "report.pdf",
      sha256(bytes),
    ]]);
    assertEquals(await Deno.readFile(join(second.files, "till-3", "report.pdf")), bytes);
    assertEquals(await staged(second.files), []);
  });
}

for (const step of FILE_STEPS) {
  Deno.test(`a server that dies ${words(step)} in the middle of a folder leaves every file whole or not at all, and the same command completes that folder (fault 20) [HB-122] [HB-125]`, async () => {
    await using desk = await temporaryDirectory();
    const folder = join(desk.path, "photos");
    const sizes = new Map([["large.bin", LARGE_BYTES]]);
    for (let n = 0; n < SMALL_FILES; n++) sizes.set(`${n}.txt`, n);
    await Deno.mkdir(join(folder, "empty"), { recursive: true });
    for (const [name, size] of sizes) await Deno.writeFile(join(folder, name), sampleBytes(size));
    const whole = ["till-3", "till-3/photos", "till-3/photos/empty"];
    for (const [name, size] of sizes) whole.push(`till-3/photos/${name}: ${size}`);
    const data = join(desk.path, "server");
    // In the second bundle: some of the folder are stored already.
    const env = { HB_FAILPOINT: `${step}:2` };
    await using first = await RunningServer.start({ args: ARGS, data, env });
    await using client = await RunningClient.join(first, "till-3");
    {
      await using _sending = client.start("send", folder);
      assertEquals(await first.program.exitCode(), DIED, first.program.said);
    }
    await assertWholeOrAbsent(first.files, whole);
    await using second = await RunningServer.start({ args: ARGS, data, port: first.port });
    await assertWholeOrAbsent(first.files, whole);
    const { code, stderr } = await client.command("send", folder);
    assertEquals(code, 0, stderr);
    assertEquals(await published(second.files), whole.sort());
    for (const name of sizes.keys()) {
      const stored = await Deno.readFile(join(second.files, "till-3", "photos", name));
      assertEquals(stored, await Deno.readFile(join(folder, name)), name);
    }
    const records = await second.json<FileView[]>("files");
    assertEquals(
      records.map(({ name }) => name.split("/").at(-1)).sort(),
      [...sizes.keys()].sort(),
    );
    assertEquals(await staged(second.files), []);
  });
}

for (const step of FILE_STEPS) {
  Deno.test(`a client that dies ${words(step)} has a pushed file whole or not at all, and once when it is back (fault 20) [HB-131] [HB-134]`, async () => {
    await using desk = await temporaryDirectory();
    const path = join(desk.path, "setup.exe");
    const bytes = sampleBytes(LARGE_BYTES);
    await Deno.writeFile(path, bytes);
    const whole = [`setup.exe: ${LARGE_BYTES}`];
    await using server = await RunningServer.start({ args: ARGS });
    await using client = await RunningClient.join(server, "till-3");
    const first = client.run({ env: { HB_FAILPOINT: step } });
    await server.untilState("till-3", "UP");
    const pushed = await server.command("push", "till-3", path);
    assertEquals(pushed.code, 0, pushed.stderr);
    assertEquals(await first.exitCode(), DIED, first.said);
    await client.kill();
    await assertWholeOrAbsent(client.files, whole);
    client.run();
    await server.untilFile(({ state }) => state === "stored");
    assertEquals(await published(client.files), whole);
    assertEquals(await Deno.readFile(join(client.files, "setup.exe")), bytes);
    await until(async () => (await staged(client.files)).length === 0, {
      what: "an empty staging",
    });
    const records = await server.json<FileView[]>("files");
    assertEquals(records.map(({ direction, state }) => [direction, state]), [["out", "stored"]]);
  });
}

function words(step: string): string {
  return step.replaceAll("_", " ");
}
