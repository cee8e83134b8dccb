/** Ctrl-C while a file is sent: once pauses, twice gives it up. */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CuttingProxy } from "./cutting_proxy.ts";
import { published, staged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { sha256Of, writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const MB = 1_000_000;
const BYTES = 40 * MB;
const INTERRUPTED = 130;
/** What the client says after the first Ctrl-C. */
const PAUSED = /again|resume|pause/i;

/** A client that sends a large file through a proxy, which holds it up in the middle. */
async function startSending() {
  await using stack = new AsyncDisposableStack();
  const desk = stack.use(await temporaryDirectory());
  const server = stack.use(await RunningServer.start({ args: ["--interval", "1"] }));
  const proxy = stack.use(await CuttingProxy.start(server.port));
  const { address } = proxy;
  const client = stack.use(await RunningClient.join(server, "till-3", { address }));
  const path = join(desk.path, "large.bin");
  const digest = await writeSample(path, BYTES);
  const hold = proxy.holdAt(proxy.passed.toServer + BYTES / 2);
  const sending = stack.use(client.start("send", path));
  await hold.reached;
  await until(async () => (await staged(server.files)).length > 0, { what: "staged bytes" });
  const moved = stack.move();
  const dispose = () => moved.disposeAsync();
  return { server, proxy, client, path, digest, hold, sending, [Symbol.asyncDispose]: dispose };
}

Deno.test({
  name:
    "Ctrl-C once pauses: exit code 130, the bytes stay, and the same command sends only the rest (needs signals)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using on = await startSending();
    on.sending.signal("SIGINT");
    await on.sending.line(PAUSED);
    on.hold.release();
    assertEquals(await on.sending.exitCode(), INTERRUPTED, on.sending.said);
    assertMatch(on.sending.said, /again|resume|go(es)? on/i, "it says how to go on");
    assert((await staged(on.server.files)).length > 0, "the bytes stay");
    assertEquals(await published(on.server.files), []);
    const before = on.proxy.passed.toServer;
    const { code, stderr } = await on.client.command("send", on.path);
    assertEquals(code, 0, stderr);
    assertLess(on.proxy.passed.toServer - before, 0.7 * BYTES);
    const arrived = join(on.server.files, "till-3", "large.bin");
    assertEquals(await sha256Of(arrived), on.digest);
    assertEquals(await published(on.server.files), ["till-3", `till-3/large.bin: ${BYTES}`]);
  },
});

Deno.test({
  name:
    "Ctrl-C twice gives the file up: exit code 130, and nothing of it stays on the server (needs signals) [HB-115]",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using on = await startSending();
    on.sending.signal("SIGINT");
    await on.sending.line(PAUSED);
    on.sending.signal("SIGINT");
    on.hold.release();
    assertEquals(await on.sending.exitCode(), INTERRUPTED, on.sending.said);
    await until(async () => (await staged(on.server.files)).length === 0, {
      what: () => `an empty staging folder: ${on.sending.said}`,
    });
    assertEquals(await published(on.server.files), []);
    const before = on.proxy.passed.toServer;
    const { code, stderr } = await on.client.command("send", on.path);
    assertEquals(code, 0, stderr);
    assert(on.proxy.passed.toServer - before >= BYTES, "all of it is sent anew");
    assertEquals(await published(on.server.files), ["till-3", `till-3/large.bin: ${BYTES}`]);
  },
});
