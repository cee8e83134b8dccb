/** Disks and quotas that are full or become so: said in words, before a byte where that is possible, and to nobody else. */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CuttingProxy } from "./cutting_proxy.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { Peer } from "./peer.ts";
import { offerFile, said, sendFile, sendRest } from "./peer_upload.ts";
import { published } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256Of, writeSample } from "./sample_file.ts";
import { diskTest, SmallDisk } from "./small_disk.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

const MB = 1_000_000;
const ID = "019aa8d0-0000-7000-8000-000000000001";
/** Exit code: no space, or a quota is full. */
const NO_SPACE = 8;
/** More than a greeting and offers take, and far less than a file, in bytes. */
const WORDS_BYTES = 30_000;

/** A server whose files lie on a disk of 64 MiB, with an innocent client. */
async function startServer(...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const desk = stack.use(await temporaryDirectory());
  const disk = stack.use(await SmallDisk.mount(64));
  const files = join(disk.path, "files");
  const server = stack.use(
    await RunningServer.start({ args: ["--interval", "1", "--files", files, ...args] }),
  );
  const tls = !args.includes("--plaintext");
  const join_ = await server.invite("--name", "innocent");
  const innocent = stack.use(await InnocentPeer.connect(server, { join: join_, tls }));
  const moved = stack.move();
  return { desk, disk, files, server, innocent, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

diskTest(
  "100 MB for a disk of 64 MiB are refused before a byte, with the numbers (fault 17) [HB-61]",
  async () => {
    await using on = await startServer();
    await using proxy = await CuttingProxy.start(on.server.port);
    await using client = await RunningClient.join(on.server, "till-3", { address: proxy.address });
    const path = join(on.desk.path, "large.bin");
    await writeSample(path, 100 * MB);
    const before = proxy.passed.toServer;
    const { code, stderr } = await client.command("send", path);
    assertEquals(code, NO_SPACE, stderr);
    assertMatch(stderr, /100(\.0)? MB|95\.4 MiB|100000000/, "it says how large the file is");
    assertMatch(stderr, /6\d(\.\d)? Mi?B|6\d{7}/, "and how much is free");
    assertLess(proxy.passed.toServer - before, WORDS_BYTES);
    assertEquals(await published(on.files), []);
    assertEquals(await on.server.json("files"), []);
    await on.innocent.assertUnharmed();
  },
);

diskTest(
  "of two files of 40 MB at once for 64 MiB one is stored and one refused in words (fault 17)",
  async () => {
    await using on = await startServer();
    await using proxy = await CuttingProxy.start(on.server.port);
    await using first = await RunningClient.join(on.server, "till-1", { address: proxy.address });
    await using second = await RunningClient.join(on.server, "till-2");
    const path = join(on.desk.path, "forty.bin");
    const digest = await writeSample(path, 40 * MB);
    // The first has room that it has not filled yet when the second comes.
    const hold = proxy.holdAt(proxy.passed.toServer + MB);
    await using sending = first.start("send", path);
    await hold.reached;
    const refused = await second.command("send", path);
    assertEquals(refused.code, NO_SPACE, refused.stderr);
    assertMatch(refused.stderr, /space|room|full/);
    assertMatch(refused.stderr, /\d+(\.\d)? Mi?B|\d{8}/);
    hold.release();
    assertEquals(await sending.exitCode(), 0, sending.said);
    assertEquals(await sha256Of(join(on.files, "till-1", "forty.bin")), digest);
    const records = await on.server.json<FileView[]>("files");
    assertEquals(records.map(({ client, name }) => [client, name]), [["till-1", "forty.bin"]]);
    await on.innocent.assertUnharmed();
  },
);

diskTest(
  "a disk that others fill in the middle is REJECT no_space with the bytes that are kept, and they are not sent again (fault 17) [HB-66]",
  async () => {
    await using on = await startServer("--plaintext", "--min-free", "0");
    const bytes = sampleBytes(40 * MB);
    const file = { id: ID, path: ["forty.bin"], bytes };
    using peer = await Peer.connect(on.server, {
      join: await on.server.invite("--name", "till-3"),
      role: "data",
    });
    assertEquals((await offerFile(peer, file)).verb, "READY");
    await peer.sendBytes(bytes.subarray(0, 10 * MB));
    const makeRoom = await on.disk.fill({ leaving: 5 * MB });
    const sending = peer.sendBytes(bytes.subarray(10 * MB)).catch(() => {
      // The server closes once it has said why.
    });
    const { code, offset = 0, retry } = await peer.next("REJECT");
    await sending;
    assertEquals([code, retry], ["no_space", true]);
    assert(offset >= 10 * MB && offset < 40 * MB, `${offset} bytes are kept`);
    assertEquals(await on.server.json("files"), []);
    await makeRoom();
    using again = await Peer.connect(on.server, { keys: peer.keys, role: "data" });
    const ready = await offerFile(again, file);
    assertEquals(said(ready), `READY ${offset}`);
    assertEquals((await sendRest(again, file, offset)).verb, "STORED");
    assertEquals(await Deno.readFile(join(on.files, "till-3", "forty.bin")), bytes);
    await on.innocent.assertUnharmed();
  },
);

diskTest(
  "a sender whose server's disk fills up says so with exit code 8, and the same command goes on from there (fault 17)",
  async () => {
    await using on = await startServer("--min-free", "0");
    await using proxy = await CuttingProxy.start(on.server.port);
    await using client = await RunningClient.join(on.server, "till-3", { address: proxy.address });
    const path = join(on.desk.path, "forty.bin");
    const digest = await writeSample(path, 40 * MB);
    const hold = proxy.holdAt(proxy.passed.toServer + 20 * MB);
    await using sending = client.start("send", path);
    await hold.reached;
    const makeRoom = await on.disk.fill({ leaving: 5 * MB });
    hold.release();
    assertEquals(await sending.exitCode(), NO_SPACE, sending.said);
    assertMatch(sending.said, /full|space/);
    await makeRoom();
    const before = proxy.passed.toServer;
    const { code, stderr } = await client.command("send", path);
    assertEquals(code, 0, stderr);
    assertLess(proxy.passed.toServer - before, 25 * MB, "only what was missing is sent");
    assertEquals(await published(on.files), ["till-3", `till-3/forty.bin: ${40 * MB}`]);
    assertEquals(await sha256Of(join(on.files, "till-3", "forty.bin")), digest);
    await on.innocent.assertUnharmed();
  },
);

diskTest(
  "a file pushed to a client whose disk is too small is refused in words, and the agent goes on (fault 17) [HB-130]",
  async () => {
    await using desk = await temporaryDirectory();
    await using disk = await SmallDisk.mount(64);
    await using server = await RunningServer.start({ args: ["--interval", "1"] });
    const args = ["--files", join(disk.path, "files")];
    await using client = await RunningClient.start(server, "till-3", { args });
    const large = join(desk.path, "large.bin");
    const small = join(desk.path, "small.txt");
    await writeSample(large, 100 * MB);
    await Deno.writeTextFile(small, "small");
    assertEquals((await server.command("push", "till-3", large, small)).code, 0);
    await server.untilLogged(
      "file",
      ({ name, state }) => name === "small.txt" && state === "stored",
    );
    assertEquals(await published(join(disk.path, "files")), ["small.txt: 5"]);
    assertMatch(client.agent.said, /large\.bin.*(space|room|full)/);
    assertEquals((await server.log("state", "till-3")).map(({ state }) => state), ["UP"]);
  },
);

Deno.test("a client that has filled its quota is refused with exit code 8, and another is not (fault 17)", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: ["--interval", "1", "--quota", "3M"] });
  await using client = await RunningClient.join(server, "till-1");
  await using other = await RunningClient.join(server, "till-2");
  const paths = ["a.bin", "b.bin"].map((name) => join(desk.path, name));
  for (const path of paths) await writeSample(path, 2 * MB);
  const [a = "", b = ""] = paths;
  assertEquals((await client.command("send", a)).code, 0);
  const refused = await client.command("send", b);
  assertEquals(refused.code, NO_SPACE, refused.stderr);
  assertMatch(refused.stderr, /1\.9 MiB of the (2\.9|3\.0) MiB/);
  assertMatch(refused.stderr, /\d/);
  assertEquals((await other.command("send", b)).code, 0);
  const records = await server.json<FileView[]>("files");
  assertEquals(records.map(({ client, name }) => `${client}/${name}`).sort(), [
    "till-1/a.bin",
    "till-2/b.bin",
  ]);
});

Deno.test("two transfers of one client cannot together exceed its quota (fault 17)", async () => {
  const args = ["--interval", "1", "--plaintext", "--open", "--quota", "3M"];
  await using server = await RunningServer.start({ args });
  const bytes = sampleBytes(2 * MB);
  using one = await Peer.connect(server, { name: "till-3", role: "data" });
  using two = await Peer.connect(server, { keys: one.keys, name: "till-3", role: "data" });
  const first = { id: ID, path: ["a.bin"], bytes };
  assertEquals((await offerFile(one, first)).verb, "READY");
  const second = { id: ID.replace(/1$/, "2"), path: ["b.bin"], bytes };
  const refused = await offerFile(two, second);
  assertEquals(said(refused), "REJECT quota");
  // Given up, it makes room for the other.
  one.connection.close();
  using three = await Peer.connect(server, { keys: one.keys, name: "till-3", role: "data" });
  three.send({ verb: "CANCEL", id: ID });
  assertEquals((await sendFile(three, second)).verb, "STORED");
});
