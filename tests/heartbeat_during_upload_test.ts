/** Heartbeats while files pour in: nobody is even LATE. */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { InnocentPeer } from "./innocent_peer.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

const UPLOADS = 4;
/** Size of each file; the benchmark sends 1 GB. */
const BYTES = 150_000_000;
/** Longest time for all of them, in milliseconds. */
const LIMIT_MS = 60_000;

Deno.test("four uploads at once change nobody's state, neither the senders' nor another client's (fault 23)", async () => {
  await using desk = await temporaryDirectory();
  // LATE begins a second after the beat was due, which the senders' own processes, on a busy machine, still keep.
  await using server = await RunningServer.start({ args: ["--interval", "4"] });
  const key = await server.invite("--name", "innocent");
  await using innocent = await InnocentPeer.connect(server, { join: key, tls: true });
  const path = join(desk.path, "large.bin");
  const digest = await writeSample(path, BYTES);
  await using stack = new AsyncDisposableStack();
  const clients: RunningClient[] = [];
  for (let n = 1; n <= UPLOADS; n++) {
    clients.push(stack.use(await RunningClient.start(server, `till-${n}`)));
  }
  const uploads = clients.map((client) => stack.use(client.start("send", path)));
  for (const upload of uploads) assertEquals(await upload.exitCode(LIMIT_MS), 0, upload.said);
  for (const { name } of clients) {
    const states = (await server.log("state,alert", name)).map(({ state }) => state);
    assertEquals(states, ["UP"], name);
  }
  const records = await server.json<FileView[]>("files");
  assertEquals(records.map(({ sha256 }) => sha256), Array(UPLOADS).fill(digest));
  await innocent.assertUnharmed();
});
