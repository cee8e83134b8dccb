/** More transfers than the server takes at once: they hear `busy`, wait, and get their turn. */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { CuttingProxy } from "./cutting_proxy.ts";
import { Peer } from "./peer.ts";
import { offerFile, type PeerFile, said, sendFile, sendRest } from "./peer_upload.ts";
import { published } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { sampleBytes, writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { pause } from "./until.ts";

/** Transfers of one client at once. */
const PER_CLIENT = 2;
/** Transfers of all clients at once. */
const IN_ALL = 16;
/** Data connections of one client at all. */
const CONNECTIONS = 8;
const OPEN = ["--interval", "1", "--plaintext", "--open"];

let ids = 0;
function smallFile(): PeerFile {
  const id = `019aa8d0-0000-7000-8000-${(++ids).toString(16).padStart(12, "0")}`;
  return { id, path: [`f${ids}`], bytes: sampleBytes(100) };
}

Deno.test("a client's third transfer at once is REJECT busy, its connection stays, and it is taken once another ends [HB-116]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  await using stack = new AsyncDisposableStack();
  const connect = async () =>
    stack.use(await Peer.connect(server, { role: "data", name: "till-3" }));
  const open: [Peer, PeerFile][] = [];
  for (let n = 0; n < PER_CLIENT; n++) {
    const peer = await connect();
    const file = smallFile();
    assertEquals((await offerFile(peer, file)).verb, "READY");
    open.push([peer, file]);
  }
  const third = await connect();
  const file = smallFile();
  for (let n = 0; n < 3; n++) {
    const answer = await offerFile(third, file);
    assertEquals(said(answer), "REJECT busy");
    assertEquals("retry" in answer && answer.retry, true);
  }
  // Another client is not held up by this one.
  using other = await Peer.connect(server, { role: "data", name: "till-4" });
  assertEquals((await sendFile(other, smallFile())).verb, "STORED");
  const [[first, firstFile] = [third, file]] = open;
  assertEquals((await sendRest(first, firstFile, 0)).verb, "STORED");
  first.send({ verb: "END" });
  await first.rest();
  assertEquals((await sendFile(third, file)).verb, "STORED");
});

Deno.test("the 17th transfer of all clients is REJECT busy and is taken once another ends [HB-116]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  await using stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  for (let n = 0; n < IN_ALL; n++) {
    const peer = stack.use(await Peer.connect(server, { role: "data", name: `till-${n}` }));
    assertEquals((await offerFile(peer, smallFile())).verb, "READY");
    peers.push(peer);
  }
  using late = await Peer.connect(server, { role: "data", name: "late" });
  const file = smallFile();
  const answer = await offerFile(late, file);
  assertEquals(said(answer), "REJECT busy");
  peers[0]?.connection.close();
  for (let tries = 0; tries < 100; tries++) {
    const again = await sendFile(late, file);
    if (again.verb === "STORED") return;
    assertEquals(again.code, "busy");
    await pause(50);
  }
  throw new Error("Cannot see the 17th transfer taken after another one ended");
});

Deno.test("a client's ninth data connection is refused as full", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < CONNECTIONS; n++) {
    stack.use(await Peer.connect(server, { role: "data", name: "till-3" }));
  }
  // A place in the middle of a close is not free yet: the last word is what the ninth hears.
  const ninth = await Peer.connect(server, { role: "data", name: "till-3" }).catch((error) =>
    error
  );
  if (ninth instanceof Peer) {
    stack.use(ninth);
    assertEquals((await ninth.rest()).map(({ verb }) => verb), ["REFUSE"]);
  } else assertEquals(ninth.code, "full");
});

Deno.test("three sends of one client at once all succeed: the third waits its turn [HB-116]", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: ["--interval", "1"] });
  await using proxy = await CuttingProxy.start(server.port);
  await using client = await RunningClient.join(server, "till-3", { address: proxy.address });
  const paths: string[] = [];
  for (const name of ["a", "b", "c"]) {
    paths.push(join(desk.path, name));
    await writeSample(join(desk.path, name), 5_000_000);
  }
  const [a = "", b = "", c = ""] = paths;
  await using stack = new AsyncDisposableStack();
  const started = [];
  // Two are held up in their middle while the third comes.
  for (const path of [a, b]) {
    const hold = proxy.holdAt(proxy.passed.toServer + 2_000_000);
    const sending = stack.use(client.start("send", path));
    await hold.reached;
    started.push({ hold, sending });
  }
  const third = stack.use(client.start("send", c));
  await third.line(/busy|wait/i);
  for (const { hold } of started) hold.release();
  for (const { sending } of started) assertEquals(await sending.exitCode(), 0, sending.said);
  assertEquals(await third.exitCode(), 0, third.said);
  assertEquals(await published(server.files), [
    "till-3",
    "till-3/a: 5000000",
    "till-3/b: 5000000",
    "till-3/c: 5000000",
  ]);
});
