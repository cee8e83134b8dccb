/** Clients that fetch pushed files as no hbclient would, from a real server. */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import type { FrameOf } from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { Peer } from "./peer.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { until } from "./until.ts";

const MIB = 1024 * 1024;
const BYTES = sampleBytes(20 * MIB);
const OTHER_ID = "019aa8d0-0000-7000-8000-000000000009";

/** A server that pushes a file to a scripted client, whose agent has heard of it. */
async function startPush() {
  await using stack = new AsyncDisposableStack();
  const desk = stack.use(await temporaryDirectory());
  const server = stack.use(
    await RunningServer.start({ args: ["--interval", "1", "--plaintext", "--open"] }),
  );
  const innocent = stack.use(await InnocentPeer.connect(server));
  const agent = stack.use(await Peer.connect(server, { name: "till-3" }));
  const beating = setInterval(() => agent.send({ verb: "HEARTBEAT", seq: 0, at: 0 }), 250);
  stack.defer(() => clearInterval(beating));
  const path = join(desk.path, "setup.exe");
  await Deno.writeFile(path, BYTES);
  const { code, stderr } = await server.command("push", "till-3", path);
  assertEquals(code, 0, stderr);
  const push = await agent.next("PUSH");
  const moved = stack.move();
  return { server, innocent, agent, push, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

function connect(server: RunningServer, name = "till-3"): Promise<Peer> {
  return Peer.connect(server, { role: "data", name });
}

/** Reads the bytes and the SUM that follow a READY; the digest of the bytes. */
async function takeRest(peer: Peer, { offset }: FrameOf<"READY">): Promise<string> {
  const bytes = new Uint8Array(BYTES.length - offset);
  for (let at = 0; at < bytes.length;) {
    const count = await peer.connection.reader.read(bytes.subarray(at));
    if (count === null) throw new Error("Cannot read the file: the server closed the connection");
    at += count;
  }
  assertEquals((await peer.next("SUM")).sha256, sha256(BYTES));
  return sha256(bytes);
}

async function stateOf(server: RunningServer): Promise<string | undefined> {
  return (await server.api<FileView[]>("/api/files")).find(({ direction }) => direction === "out")
    ?.state;
}

Deno.test("what does not wait for a client is denied to it, its own connection goes on, and the id of another's push tells it nothing (fault 6) [HB-133]", async () => {
  await using on = await startPush();
  using thief = await connect(on.server, "thief");
  for (const id of [on.push.id, OTHER_ID]) {
    for (const offset of [0, 5, BYTES.length, 2 ** 53 - 1]) {
      thief.send({ verb: "FETCH", id, offset });
      const { code, reason } = await thief.next("REJECT");
      assertEquals(code, "denied");
      assert(!reason.includes("setup"), reason);
    }
  }
  assert(["queued", "sent"].includes(await stateOf(on.server) ?? ""));
  await on.innocent.assertUnharmed();
});

Deno.test("a client that lies about what it stored is not believed, and a file that was stored is not given out again [HB-133] [HB-134]", async () => {
  await using on = await startPush();
  const { id } = on.push;
  using peer = await connect(on.server);
  peer.send({ verb: "FETCH", id, offset: 0 });
  assertEquals(await takeRest(peer, await peer.next("READY")), sha256(BYTES));
  peer.send({ verb: "STORED", id, as: "x", bytes: BYTES.length, sha256: sha256("other") });
  await until(async () => await stateOf(on.server) === "refused", { what: "the push refused" });
  peer.send({ verb: "FETCH", id, offset: 0 });
  assertEquals((await peer.next("REJECT")).code, "denied");
  await on.innocent.assertUnharmed();
});

Deno.test("a client that goes on from bytes that it does not have gets the digest of what they should be, and may start over [HB-132]", async () => {
  await using on = await startPush();
  const { id } = on.push;
  using peer = await connect(on.server);
  for (const offset of [BYTES.length, 3 * MIB, 1]) {
    peer.send({ verb: "FETCH", id, offset });
    const prefix = await peer.next("PREFIX");
    assertEquals(prefix.offset, offset);
    assertEquals(prefix.sha256, sha256(BYTES.subarray(0, offset)));
    peer.send({ verb: "READY", id, offset: 0 });
    const ready = await peer.next("READY");
    assertEquals(ready.offset, 0);
    assertEquals(await takeRest(peer, ready), sha256(BYTES));
    peer.send({ verb: "REJECT", id, code: "io", reason: "no disk", retry: true });
  }
  await on.innocent.assertUnharmed();
});

Deno.test("a file that is fetched on a new connection is taken from the old one (fault 12)", async () => {
  await using on = await startPush();
  const { id } = on.push;
  using old = await connect(on.server);
  old.send({ verb: "FETCH", id, offset: 0 });
  await old.next("READY");
  using fresh = await connect(on.server);
  fresh.send({ verb: "FETCH", id, offset: 0 });
  const ready = await fresh.next("READY");
  assertEquals(await takeRest(fresh, ready), sha256(BYTES));
  fresh.send({ verb: "STORED", id, as: "setup.exe", bytes: BYTES.length, sha256: sha256(BYTES) });
  await until(async () => await stateOf(on.server) === "stored", { what: "the push stored" });
  await assertEnds(old);
  await on.innocent.assertUnharmed();
});

Deno.test("a client that says other things than an answer to its file ends its own connection, and the push waits on (fault 13) [HB-132]", async () => {
  await using on = await startPush();
  const { id } = on.push;
  const wrong = [
    'READY {"id":"' + id + '","offset":7}',
    'FILE {"id":"' + OTHER_ID + '","path":["a"],"size":1}',
    'FETCH {"id":"' + id + '","offset":0}',
    "\x00\x01\x02",
  ];
  for (const line of wrong) {
    using peer = await connect(on.server);
    peer.send({ verb: "FETCH", id, offset: 5 });
    await peer.next("PREFIX");
    await peer.sendLine(line);
    const verbs = (await peer.rest()).map(({ verb }) => verb);
    assertEquals(verbs, ["REFUSE"], line);
  }
  assert(["queued", "sent"].includes(await stateOf(on.server) ?? ""));
  await on.innocent.assertUnharmed();
});

/** Resolves when the server has ended a connection; what it still sends is dropped. */
async function assertEnds(peer: Peer): Promise<void> {
  const scrap = new Uint8Array(MIB);
  try {
    while (await peer.connection.reader.read(scrap) !== null);
  } catch {
    // A reset is an end as well.
  }
}
