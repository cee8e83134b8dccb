/** What connections of one client that want the same transfers do to each other. */

import { assertEquals } from "@std/assert";
import { type FileSystem, systemFiles } from "../platform/file_system.ts";
import type { Frame } from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { begin, offer, pattern, prefix, send, sendPart, sum, uuid } from "./fake_sender.ts";
import { StoreError } from "./store.ts";

const BYTES = pattern(300_007);
const A = ["a.bin"];
const M = "019aa8d1-0000-7000-8000-000000000007";
const N = "019aa8d2-0000-7000-8000-000000000008";

function announce(peer: FakePeer, id: string, folder: string): void {
  const entries = [{ path: ["a"], size: 1, n: 0 }];
  peer.send({ verb: "MANIFEST", id, folder, entries, last: true } as Frame);
}

Deno.test("[HB-114] an older connection that was wanted before its offer was answered lets go all the same", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const release = server.hold("receivedFile");
  peer.send(offer(1, A, BYTES.length));
  await server.until(() => server.waiting("receivedFile") === 1);
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await server.until(() => server.parts.roster.members()[0]?.dataConnections === 2);
  release();
  assertEquals((await peer.expect("REJECT")).code, "busy");
  await peer.ended;
  assertEquals((await next.expect("READY")).offset, 0);
});

Deno.test("[HB-114] an older connection whose peer neither reads nor sends lets go within a second", async () => {
  await using place = await begin();
  const { server, till, dial } = place;
  const stuck = await server.connect(till, { role: "data", bufferBytes: 1_024 });
  // Answers that nobody reads fill what is between the two.
  for (let number = 100; number < 120; number++) stuck.send(offer(number, ["a", ".."], 1));
  stuck.send(offer(1, A, BYTES.length));
  await server.until(async () => await server.staged() === 1);
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await server.until(() => server.parts.roster.members()[0]?.dataConnections === 2);
  await server.clock.advance(1_001);
  assertEquals((await next.expect("READY")).offset, 0);
  await stuck.ended;
});

Deno.test("two connections that want each other's manifest both end, and a third gets both", async () => {
  await using place = await begin();
  const { peer, dial } = place;
  const other = await dial();
  announce(peer, M, "m");
  await peer.expect("READY");
  announce(other, N, "n");
  await other.expect("READY");
  peer.send({ ...offer(1, A, 1), id: N } as Frame);
  other.send({ ...offer(1, A, 1), id: M } as Frame);
  await Promise.all([peer.ended, other.ended]);
  const third = await dial();
  for (const [id, folder] of [[M, "m"], [N, "n"]] as const) {
    announce(third, id, folder);
    assertEquals((await third.expect("READY")).as, folder);
  }
});

Deno.test("an offer under the id of the connection's own open manifest ends the connection", async () => {
  await using place = await begin();
  const { peer, dial } = place;
  announce(peer, M, "m");
  await peer.expect("READY");
  peer.send({ ...offer(1, A, 1), id: M } as Frame);
  await peer.expect("REFUSE");
  await peer.ended;
  const next = await dial();
  announce(next, M, "m");
  assertEquals((await next.expect("READY")).as, "m");
});

Deno.test("[HB-115] CANCEL of an open manifest ends it, and the connection goes on", async () => {
  await using place = await begin();
  const { peer, dial } = place;
  announce(peer, M, "m");
  await peer.expect("READY");
  peer.send({ verb: "CANCEL", id: M });
  await send(peer, 1, { path: A, bytes: BYTES });
  await peer.expect("STORED");
  const next = await dial();
  announce(next, M, "m");
  assertEquals((await next.expect("READY")).as, "m");
  await send(peer, 2, { path: A, bytes: BYTES }); // Nobody has ended this connection.
});

Deno.test("one id offered twice in a row on one connection is stored once, and answered twice", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("addFile");
  await send(peer, 1, { path: A, bytes: BYTES });
  peer.send(offer(1, A, BYTES.length));
  await server.until(() => server.waiting("addFile") === 1);
  release();
  const stored = await peer.expect("STORED");
  assertEquals(await peer.expect("STORED"), stored);
  assertEquals(await server.published(), ["till-3/a.bin"]);
});

Deno.test("[HB-111] [HB-115] CANCEL in place of PREFIX deletes the partial, and the connection goes on", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: 100_000 });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  assertEquals((await next.expect("READY")).offset, 100_000);
  next.send({ verb: "CANCEL", id: uuid(1) });
  await send(next, 1, { path: A, bytes: BYTES });
  await next.expect("STORED");
  assertEquals(await server.staged(), 0);
});

Deno.test("a partial that cannot be read is REJECT io behind PREFIX, which nobody takes for an offer", async () => {
  const files: FileSystem = {
    ...systemFiles,
    reopen: async (...which) => {
      const file = await systemFiles.reopen(...which);
      file.prefixSha256 = () => Promise.reject(new Error("broken sector"));
      return file;
    },
  };
  await using place = await begin({ files });
  const { peer, dial } = place;
  await sendPart(peer, 1, { path: A, bytes: BYTES, length: 100_000 });
  const next = await dial();
  next.send(offer(1, A, BYTES.length));
  await next.expect("READY");
  next.send(prefix(1, 100_000, BYTES));
  const { code, retry } = await next.expect("REJECT");
  assertEquals([code, retry], ["io", true]);
  await send(next, 2, { path: A, bytes: BYTES });
  await next.expect("STORED");
});

Deno.test("[HB-125] a bundle that names a file which is being stored ends the connection, and stores it once", async () => {
  await using place = await begin();
  const { server, peer } = place;
  announce(peer, M, "m");
  await peer.expect("READY");
  const release = server.hold("addFiles");
  const digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
  for (let twice = 0; twice < 2; twice++) {
    peer.send({ verb: "BUNDLE", id: M, items: [[0, digest]] });
    await peer.raw("a");
  }
  await server.until(() => server.waiting("addFiles") === 1);
  await peer.expect("REFUSE");
  release();
  await peer.ended;
  assertEquals(server.tables.files().map(({ name }) => name), ["m/a"]);
});

Deno.test("a folder that cannot be noted is REJECT, and nothing is made", async () => {
  for (const [full, code] of [[true, "no_space"], [false, "io"]] as const) {
    await using place = await begin();
    const { server, peer } = place;
    server.fail("addFolder", new StoreError("broken", { full }));
    announce(peer, M, "m");
    assertEquals((await peer.expect("REJECT")).code, code);
    assertEquals(await server.published(), []);
    server.fail("addFolder", undefined);
    announce(peer, M, "m");
    assertEquals((await peer.expect("READY")).as, "m");
  }
});

Deno.test("[HB-67] a connection is not given up while it is the server that is slow", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const release = server.hold("receivedFile");
  peer.send(offer(1, A, BYTES.length));
  await server.until(() => server.waiting("receivedFile") === 1);
  await server.clock.advance(600_000);
  release();
  await peer.expect("READY");
  await peer.raw(BYTES);
  peer.send(sum(1, BYTES));
  await peer.expect("STORED");
});
