/** Links in the places where a server puts files, from the start or put there in the middle: nothing follows them. */

import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { itemId, MAX_BUNDLE_BYTES } from "../protocol/mod.ts";
import { Peer } from "./peer.ts";
import { offerFile, said, sendFile, sendRest } from "./peer_upload.ts";
import { staged, stagedBytes } from "./published_watch.ts";
import { RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";
import { until } from "./until.ts";

const ID = "019aa8d0-0000-7000-8000-000000000001";
const MANIFEST = "019aa8d0-0000-7000-9000-f00000000001";
const OPEN = ["--interval", "1", "--plaintext", "--open"];
const BYTES = sampleBytes(MAX_BUNDLE_BYTES + 1);

/** A test that needs symbolic links. */
function linkTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name} (needs links)`, ignore: Deno.build.os === "windows", fn });
}

/** A server, and a place outside of it that must stay as it is. */
async function startServer() {
  await using stack = new AsyncDisposableStack();
  const outside = stack.use(await temporaryDirectory()).path;
  await Deno.writeTextFile(join(outside, "a.txt"), "precious");
  const server = stack.use(await RunningServer.start({ args: OPEN }));
  const peer = stack.use(await Peer.connect(server, { role: "data", name: "till-3" }));
  const assertUntouched = async () => {
    assertEquals(await walk(outside), ["a.txt"]);
    assertEquals(await Deno.readTextFile(join(outside, "a.txt")), "precious");
  };
  const moved = stack.move();
  const dispose = () => moved.disposeAsync();
  return { outside, server, peer, assertUntouched, [Symbol.asyncDispose]: dispose };
}

/** Puts a link in the place of what lies at a path. */
async function swap(path: string, target: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.symlink(target, path);
}

const file = { id: ID, path: ["sub", "a.txt"], bytes: BYTES };

linkTest(
  "a client's folder that is a link takes nothing, and the sender hears a clear REJECT (fault 5) [HB-63]",
  async () => {
    await using on = await startServer();
    await swap(join(on.server.files, "till-3"), on.outside);
    const answer = await sendFile(on.peer, file);
    assertEquals(answer.verb, "REJECT");
    assert("reason" in answer && answer.reason.length > 10, JSON.stringify(answer));
    await on.assertUntouched();
    assertEquals(await on.server.json("files"), []);
  },
);

for (const what of ["till-3", "till-3/sub", "till-3/sub/a.txt"]) {
  linkTest(
    `${what} that becomes a link in the middle of a transfer leads nowhere (fault 5) [HB-63] [HB-64]`,
    async () => {
      await using on = await startServer();
      assertEquals(said(await offerFile(on.peer, file)), "READY 0");
      await on.peer.sendBytes(BYTES.subarray(0, 500_000));
      const isFile = what.endsWith(".txt");
      const target = isFile ? join(on.outside, "a.txt") : on.outside;
      await swap(join(on.server.files, what), target);
      await on.peer.sendBytes(BYTES.subarray(500_000));
      on.peer.send({ verb: "SUM", id: ID, bytes: BYTES.length, sha256: sha256(BYTES) });
      // Where only the last name is taken, by whatever it is, another one is free.
      const expected = isFile ? "STORED a (2).txt" : "REJECT denied";
      assertEquals(said(await on.peer.next("STORED", "REJECT")), expected);
      await on.assertUntouched();
    },
  );
}

for (const what of ["till-3", "till-3/photos", "till-3/photos/sub"]) {
  linkTest(
    `${what} that becomes a link under an accepted manifest takes neither bundles nor files (fault 5) [HB-122] [HB-125]`,
    async () => {
      await using on = await startServer();
      const { peer } = on;
      const entries = [
        { path: ["sub", "a.txt"], size: 5, n: 0 },
        { path: ["sub", "big.bin"], size: BYTES.length, n: 1 },
        { path: ["sub", "empty"] },
      ];
      peer.send({ verb: "MANIFEST", id: MANIFEST, folder: "photos", entries, last: true });
      assertEquals(said(await peer.next("READY", "REJECT")), "READY 0");
      await swap(join(on.server.files, what), on.outside);
      const items = [[0, sha256("aaaaa")]];
      await peer.sendBytes(
        new TextEncoder().encode(`BUNDLE ${JSON.stringify({ id: MANIFEST, items })}\naaaaa`),
      );
      const { stored, rejected } = await peer.next("BUNDLED");
      assertEquals([stored, rejected.map(([n]) => n)], [[], [0]]);
      const big = { id: itemId(MANIFEST, 1), path: ["sub", "big.bin"], bytes: BYTES };
      const answer = await sendFile(peer, { ...big, manifest: MANIFEST });
      assertEquals(answer.verb, "REJECT");
      await on.assertUntouched();
      assertEquals(await on.server.json("files"), []);
    },
  );
}

linkTest(
  "the staging folder that becomes a link between two transfers takes nothing (fault 5)",
  async () => {
    await using on = await startServer();
    const small = { id: ID, path: ["b.txt"], bytes: sampleBytes(10) };
    assertEquals(said(await sendFile(on.peer, small)), "STORED b.txt");
    await swap(join(on.server.files, ".staging"), on.outside);
    const answer = await sendFile(on.peer, { ...file, id: ID.replace(/1$/, "2") });
    assertEquals(answer.verb, "REJECT");
    await on.assertUntouched();
  },
);

linkTest(
  "a partial that somebody replaced by a link is neither read nor written through it (fault 5) [HB-110]",
  async () => {
    await using on = await startServer();
    const { files } = on.server;
    assertEquals(said(await offerFile(on.peer, file)), "READY 0");
    await on.peer.sendBytes(BYTES.subarray(0, 500_000));
    on.peer.connection.close();
    const staging = join(files, ".staging");
    await until(async () => await stagedBytes(files) === 500_000, { what: "the bytes on disk" });
    using again = await Peer.connect(on.server, { role: "data", name: "till-3" });
    for (const path of await staged(files)) {
      if (!path.includes(".json")) await swap(join(staging, path), join(on.outside, "a.txt"));
    }
    const answer = await offerFile(again, file);
    assert(answer.verb === "REJECT" || said(answer) === "READY 0", said(answer));
    if (answer.verb === "READY") await sendRest(again, file, 0);
    await on.assertUntouched();
  },
);
