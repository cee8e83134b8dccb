/** What a receiver may keep of a cut transfer, and whom it gives it back to: scripted peers and a real server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CuttingProxy } from "./cutting_proxy.ts";
import { Peer } from "./peer.ts";
import { offerFile, said, sendFile, sendRest } from "./peer_upload.ts";
import { published, staged, untilStaged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const ID = "019aa8d0-0000-7000-8000-000000000001";
const OTHER_ID = "019aa8d0-0000-7000-8000-000000000002";
/** Bytes reach the disk in pieces of this size, and the rest when the connection ends. */
const MIB = 1024 * 1024;
const OPEN = ["--interval", "1", "--plaintext", "--open"];

function connect(server: RunningServer): Promise<Peer> {
  return Peer.connect(server, { role: "data", name: "till-3" });
}

/** Sends the first `count` bytes of a file and closes; resolves once the server has let go of it. */
async function sendPart(
  server: RunningServer,
  file: { id: string; path: string[]; bytes: Uint8Array<ArrayBuffer> },
  count: number,
): Promise<void> {
  using peer = await connect(server);
  const answer = await offerFile(peer, file);
  assertEquals(said(answer), "READY 0");
  await peer.sendBytes(file.bytes.subarray(0, count));
  await untilStaged(server.files, count);
}

Deno.test("bytes whose digest differs from the sender's are dropped, and the file starts over (fault 11) [HB-112] [HB-111]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const file = { id: ID, path: ["a.bin"], bytes: sampleBytes(4 * MIB) };
  await sendPart(server, file, 3 * MIB);
  // The same id, name and size, and other bytes.
  const changed = { ...file, bytes: sampleBytes(4 * MIB) };
  using peer = await connect(server);
  const answer = await offerFile(peer, changed);
  assertEquals(said(answer), "READY 0");
  assertEquals((await sendRest(peer, changed, 0)).verb, "STORED");
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), changed.bytes);
  assertEquals(await staged(server.files), []);
});

Deno.test("another file of the same name and size gets nothing of the first (fault 11) [HB-110]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const first = { id: ID, path: ["a.bin"], bytes: sampleBytes(4 * MIB) };
  const second = { id: OTHER_ID, path: ["a.bin"], bytes: sampleBytes(4 * MIB) };
  await sendPart(server, first, 3 * MIB);
  using peer = await connect(server);
  const answer = await offerFile(peer, second);
  assertEquals(said(answer), "READY 0");
  assertEquals((await sendRest(peer, second, 0)).verb, "STORED");
  assertEquals((await sendFile(peer, first)).verb, "STORED");
  const folder = join(server.files, "till-3");
  assertEquals(await Deno.readFile(join(folder, "a.bin")), second.bytes);
  assertEquals(await Deno.readFile(join(folder, "a (2).bin")), first.bytes);
});

Deno.test("the same id with another size starts over (fault 11) [HB-110]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const bytes = sampleBytes(4 * MIB);
  await sendPart(server, { id: ID, path: ["a.bin"], bytes }, 3 * MIB);
  const shorter = { id: ID, path: ["a.bin"], bytes: bytes.slice(0, 2 * MIB) };
  using peer = await connect(server);
  const answer = await offerFile(peer, shorter);
  assertEquals(said(answer), "READY 0");
  assertEquals((await sendRest(peer, shorter, 0)).verb, "STORED");
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), shorter.bytes);
});

Deno.test("a sender that names another offset than was proposed, or sends bytes before it is agreed, ends its connection and spoils nothing (fault 13) [HB-111]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const { bytes, ...file } = { id: ID, path: ["a.bin"], bytes: sampleBytes(4 * MIB) };
  await sendPart(server, { ...file, bytes }, 3 * MIB);
  const prefix = (offset: number) => sha256(bytes.subarray(0, offset));
  const wrong = [
    (peer: Peer, offset: number) =>
      peer.send({ verb: "PREFIX", id: ID, offset: offset - 1, sha256: prefix(offset - 1) }),
    (peer: Peer, offset: number) =>
      peer.send({ verb: "PREFIX", id: OTHER_ID, offset, sha256: prefix(offset) }),
    (peer: Peer) => peer.sendBytes(bytes.subarray(3 * MIB)),
    (peer: Peer) => peer.send({ verb: "SUM", id: ID, bytes: bytes.length, sha256: sha256(bytes) }),
  ];
  for (const [at, act] of wrong.entries()) {
    using peer = await connect(server);
    peer.send({ verb: "FILE", ...file, size: bytes.length });
    const { offset } = await peer.next("READY");
    assertEquals(offset, 3 * MIB, `before ${at}`);
    await act(peer, offset);
    const verbs = (await peer.rest()).map(({ verb }) => verb);
    assert(verbs.every((verb) => verb === "REFUSE"), `${at}: ${verbs}`);
    assertEquals(await published(server.files), []);
  }
  using peer = await connect(server);
  assertEquals((await sendFile(peer, { ...file, bytes })).verb, "STORED");
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), bytes);
});

Deno.test("a transfer that comes on a new connection is taken from the old one, and what that still sends goes nowhere (fault 12) [HB-114]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const file = { id: ID, path: ["a.bin"], bytes: sampleBytes(6 * MIB) };
  using old = await connect(server);
  assertEquals((await offerFile(old, file)).verb, "READY");
  await old.sendBytes(file.bytes.subarray(0, 3 * MIB));
  await untilStaged(server.files, 3 * MIB);
  using fresh = await connect(server);
  const answer = await offerFile(fresh, file);
  assertEquals(said(answer), `READY ${3 * MIB}`, "all of the old one was brought to disk first");
  // Other bytes than the right ones: they would be noticed.
  await old.sendBytes(new Uint8Array(2 * MIB)).catch(() => {
    // Closed already, as it should be.
  });
  assertEquals((await sendRest(fresh, file, 3 * MIB)).verb, "STORED");
  const verbs = (await old.rest()).map((frame) => "code" in frame ? frame.code : frame.verb);
  assert(verbs.every((verb) => verb === "busy"), `${verbs}`);
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), file.bytes);
  assertEquals(await published(server.files), ["till-3", `till-3/a.bin: ${6 * MIB}`]);
});

Deno.test("a stored transfer that is offered again is answered STORED with its figures, also after a restart, and stored once [HB-113]", async () => {
  await using desk = await temporaryDirectory();
  const data = join(desk.path, "server");
  const file = { id: ID, path: ["a.bin"], bytes: sampleBytes(1_000) };
  const figures = { verb: "STORED", id: ID, as: "a.bin", bytes: 1_000, sha256: sha256(file.bytes) };
  for (let runs = 0; runs < 2; runs++) {
    await using server = await RunningServer.start({ args: OPEN, data });
    using peer = await connect(server);
    assertEquals(await sendFile(peer, file), figures as Awaited<ReturnType<typeof sendFile>>);
    assertEquals(await sendFile(peer, file), figures as Awaited<ReturnType<typeof sendFile>>);
    assertEquals(await published(server.files), ["till-3", "till-3/a.bin: 1000"]);
    assertEquals((await server.json<FileView[]>("files")).length, 1);
  }
});

Deno.test("CANCEL between two transfers deletes what was kept of that one, and of no other [HB-115]", async () => {
  await using server = await RunningServer.start({ args: OPEN });
  const file = { id: ID, path: ["a.bin"], bytes: sampleBytes(2 * MIB) };
  const other = { id: OTHER_ID, path: ["b.bin"], bytes: sampleBytes(2 * MIB) };
  await sendPart(server, file, MIB);
  {
    using peer = await connect(server);
    assertEquals((await offerFile(peer, other)).verb, "READY");
    await peer.sendBytes(other.bytes.subarray(0, MIB));
    await untilStaged(server.files, 2 * MIB);
  }
  using peer = await connect(server);
  peer.send({ verb: "CANCEL", id: ID });
  assertEquals((await offerFile(peer, file)).verb, "READY");
  peer.connection.close();
  using again = await connect(server);
  again.send({ verb: "FILE", id: OTHER_ID, path: other.path, size: other.bytes.length });
  assertEquals((await again.next("READY")).offset, MIB);
});

Deno.test("a partial survives a restart of the server, and a power cut's older length is offered when the newer one is wrong (fault 20) [HB-110] [HB-111]", async () => {
  await using desk = await temporaryDirectory();
  const data = join(desk.path, "server");
  const file = { id: ID, path: ["a.bin"], bytes: sampleBytes(4 * MIB) };
  {
    await using server = await RunningServer.start({ args: OPEN, data });
    await sendPart(server, file, 3 * MIB);
    await server.stop();
  }
  // What was never synced comes back as zeros.
  const staging = join(data, "files", ".staging");
  for (const path of await staged(join(data, "files"))) {
    if (path.endsWith(".json")) continue;
    await Deno.writeFile(join(staging, path), new Uint8Array(500_000), { append: true });
  }
  await using server = await RunningServer.start({ args: OPEN, data });
  using peer = await connect(server);
  assertEquals(said(await offerFile(peer, file)), `READY ${3 * MIB}`);
  assertEquals((await sendRest(peer, file, 3 * MIB)).verb, "STORED");
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), file.bytes);
});

Deno.test("a source that changed since it was cut starts over and says so (fault 11)", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: ["--interval", "1"] });
  await using proxy = await CuttingProxy.start(server.port);
  await using client = await RunningClient.join(server, "till-3", { address: proxy.address });
  const path = join(desk.path, "a.bin");
  await Deno.writeFile(path, sampleBytes(10 * MIB));
  {
    const hold = proxy.holdAt(proxy.passed.toServer + 5 * MIB);
    await using sending = client.start("send", path);
    await hold.reached;
    await untilStaged(server.files, MIB);
    sending.signal("SIGKILL");
    await sending.exitCode();
    // What it had handed to the system would otherwise still arrive, and may be all of it.
    proxy.cut("reset");
    hold.release();
  }
  // The same size, and other bytes.
  const bytes = sampleBytes(10 * MIB);
  await Deno.writeFile(path, bytes);
  const { code, stdout, stderr } = await client.command("send", path);
  assertEquals(code, 0, stderr);
  assertMatch(stdout + stderr, /changed/);
  assertEquals(await published(server.files), ["till-3", `till-3/a.bin: ${10 * MIB}`]);
  assertEquals(await Deno.readFile(join(server.files, "till-3", "a.bin")), bytes);
  await until(async () => (await staged(server.files)).length === 0, { what: "an empty staging" });
});
