import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { type Frame, type FrameOf, itemId } from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { begin, offer, prefix, send, sha256, sum, uuid } from "./fake_sender.ts";
import type { FakeServer } from "./fake_server.ts";
import { StoreError } from "./store.ts";

const encoder = new TextEncoder();
/** Its items' ids begin as it does, so that no other id here may. */
const M = "019aa8d1-0000-7000-8000-000000000007";
const OTHER = "019aa8d2-0000-7000-8000-000000000008";

/** Announces files by their paths and texts, in order, and says how the server answers. */
function manifest(
  peer: FakePeer,
  files: readonly [path: string, text: string][],
  more: { folder?: string; id?: string; folders?: string[][] } = {},
): void {
  const { folder, id = M, folders = [] } = more;
  const entries = [
    ...files.map(([path, text], n) => ({ path: path.split("/"), size: text.length, n })),
    ...folders.map((path) => ({ path })),
  ];
  peer.send({ verb: "MANIFEST", id, ...(folder ? { folder } : {}), entries, last: true } as Frame);
}

/** Sends items of a manifest as one bundle. */
async function bundle(
  peer: FakePeer,
  items: readonly (readonly [n: number, text: string, digest?: string])[],
  id = M,
): Promise<void> {
  peer.send({
    verb: "BUNDLE",
    id,
    items: items.map(([n, text, digest]) => [n, digest ?? sha256(encoder.encode(text))]),
  } as Frame);
  await peer.raw(items.map(([, text]) => text).join(""));
}

async function below(server: FakeServer): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string, top: string) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      found.push(`${top}${name}${isDirectory ? "/" : ""}`);
      if (isDirectory) await visit(join(folder, name), `${top}${name}/`);
    }
  };
  await visit(join(server.directory, "till-3"), "");
  return found.sort();
}

/** The lines of the timeline about received files. */
function told(server: FakeServer): Record<string, unknown>[] {
  return server.tables.events({ kinds: ["file"] }).map(({ data }) => ({ ...data }));
}

Deno.test("[HB-122] [HB-125] a folder arrives in bundles, is recorded by item, and told as one line", async () => {
  await using place = await begin();
  const { server, peer, read } = place;
  manifest(peer, [["a.txt", "one"], ["sub/b.txt", "two"], ["c", ""]], {
    folder: "photos",
    folders: [["empty", "deeper"]],
  });
  assertEquals(await peer.expect("READY"), { verb: "READY", id: M, offset: 0, as: "photos" });
  assertEquals(await below(server), ["photos/", "photos/empty/", "photos/empty/deeper/"]);
  await bundle(peer, [[0, "one"], [1, "two"]]);
  await bundle(peer, [[2, ""]]);
  assertEquals((await peer.expect("BUNDLED")).stored, [0, 1]);
  assertEquals((await peer.expect("BUNDLED")).stored, [2]);
  peer.send({ verb: "END" } as Frame);
  assertEquals(await peer.next(), null);
  await peer.ended;
  assertEquals(await read("photos/sub/b.txt"), encoder.encode("two"));
  const rows = server.tables.files().map(({ id, name, bytes }) => [id, name, bytes]);
  assertEquals(rows.sort(), [
    [itemId(M, 0), "photos/a.txt", 3],
    [itemId(M, 1), "photos/sub/b.txt", 3],
    [itemId(M, 2), "photos/c", 0],
  ]);
  const [line, ...others] = told(server);
  assertEquals(others, []);
  assertEquals([line?.name, line?.files, line?.rejected, line?.bytes], ["photos", 3, 0, 6]);
  await server.until(async () => await server.staged() === 0);
});

for (
  const [what, entries, code] of [
    [
      "a way out",
      [{ path: ["ok"], size: 1, n: 0 }, { path: ["..", "x"], size: 1, n: 1 }],
      "bad_name",
    ],
    [
      "names that fold",
      [{ path: ["A"], size: 1, n: 0 }, { path: ["a"], size: 1, n: 1 }],
      "bad_name",
    ],
    [
      "a file below a file",
      [{ path: ["a"], size: 1, n: 0 }, { path: ["a", "b"], size: 1, n: 1 }],
      "bad_name",
    ],
    [
      "a number twice",
      [{ path: ["a"], size: 1, n: 0 }, { path: ["b"], size: 1, n: 0 }],
      "bad_name",
    ],
    ["a size of -1", [{ path: ["a"], size: -1, n: 0 }], "bad_size"],
    ["a file above the limit", [{ path: ["a"], size: 1_001, n: 0 }], "too_large"],
  ] as const
) {
  Deno.test(`[HB-121] a manifest with ${what} is one REJECT ${code} and creates nothing`, async () => {
    await using place = await begin({ maxFileBytes: 1_000 });
    const { server, peer } = place;
    for (const last of [false, true]) {
      const part = last ? [] : entries;
      peer.send({ verb: "MANIFEST", id: M, folder: "photos", entries: part, last } as Frame);
    }
    const { id, code: came } = await peer.expect("REJECT");
    assertEquals([id, came], [M, code]);
    assertEquals(await server.published(), []);
    await bundle(peer, [[0, "x"]]);
    await peer.expect("REFUSE");
    await peer.ended;
    assertEquals([await server.published(), await server.staged()], [[], 0]);
  });
}

Deno.test("[HB-116] a manifest without a free place is REJECT busy, creates nothing, and is taken later", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const holders = [peer, await dial()];
  for (const [number, one] of holders.entries()) {
    one.send(offer(number, [`${number}`], 5));
    await one.expect("READY");
  }
  const third = await dial();
  manifest(third, [["a", "x"]], { folder: "photos" });
  assertEquals((await third.expect("REJECT")).code, "busy");
  assertEquals(await server.published(), []);
  await holders[1]?.close();
  manifest(third, [["a", "x"]], { folder: "photos" });
  assertEquals((await third.expect("READY")).as, "photos");
});

Deno.test("[HB-125] bad items of a bundle are rejected one by one and spoil no other", async () => {
  await using place = await begin();
  const { server, peer } = place;
  manifest(peer, [["a", "one"], ["b", "two"], ["c", "six"]]);
  assertEquals(await peer.expect("READY"), { verb: "READY", id: M, offset: 0 });
  await bundle(peer, [[0, "one"], [1, "two", "0".repeat(64)], [2, "six"]]);
  const { stored, rejected } = await peer.expect("BUNDLED");
  assertEquals([stored, rejected.map(([n, code]) => [n, code])], [[0, 2], [[1, "hash"]]]);
  assertEquals(await below(server), ["a", "c"]);
  await bundle(peer, [[1, "two"]]);
  assertEquals((await peer.expect("BUNDLED")).stored, [1]);
  await peer.close();
  assertEquals(told(server).map(({ files, rejected }) => [files, rejected]), [[3, 1]]);
});

Deno.test("[HB-64] [HB-122] without a folder each file is placed by itself, and its new name is told", async () => {
  await using place = await begin();
  const { server, peer } = place;
  await send(peer, 1, { path: ["a.txt"], bytes: encoder.encode("first") });
  await peer.expect("STORED");
  manifest(peer, [["a.txt", "one"], ["b.txt", "two"]]);
  await peer.expect("READY");
  await bundle(peer, [[0, "one"], [1, "two"]]);
  const { stored, renamed } = await peer.expect("BUNDLED");
  assertEquals([stored, renamed], [[0, 1], [[0, "a (2).txt"]]]);
  assertEquals(await below(server), ["a (2).txt", "a.txt", "b.txt"]);
});

Deno.test("[HB-122] the same manifest leads to the same folder again, another one to a numbered folder", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  await bundle(peer, [[0, "one"]]);
  await peer.expect("BUNDLED");
  await peer.close();
  const next = await dial();
  manifest(next, [["a", "one"], ["b", "two"]], { folder: "photos" });
  assertEquals((await next.expect("READY")).as, "photos");
  await bundle(next, [[0, "one"], [1, "two"]]);
  assertEquals((await next.expect("BUNDLED")).stored, [0, 1]);
  manifest(next, [["a", "one"]], { folder: "photos", id: OTHER });
  assertEquals((await next.expect("READY")).as, "photos (2)");
  assertEquals(await below(server), ["photos (2)/", "photos/", "photos/a", "photos/b"]);
  assertEquals(server.tables.files().length, 2);
});

Deno.test("[HB-114] a newer connection wins a manifest: the older one's bundle is stored first, and once", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const release = server.hold("addFiles");
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  await bundle(peer, [[0, "one"]]);
  await server.until(() => server.waiting("addFiles") === 1);
  const next = await dial();
  manifest(next, [["a", "one"], ["b", "two"]], { folder: "photos" });
  const { id, code } = await peer.expect("REJECT");
  assertEquals([id, code], [M, "busy"]);
  release();
  await peer.ended;
  assertEquals((await next.expect("READY")).as, "photos");
  await bundle(next, [[0, "one"], [1, "two"]]);
  assertEquals((await next.expect("BUNDLED")).stored, [0, 1]);
  assertEquals(await below(server), ["photos/", "photos/a", "photos/b"]);
});

Deno.test("a manifest's connection that fails inside lets go of it, and the next one takes it", async () => {
  await using place = await begin();
  const { server, peer, dial } = place;
  const whole = server.parts.store;
  server.parts.store = new Proxy(whole, {
    get: (store, name) =>
      name === "addFiles"
        ? () => Promise.reject(new TypeError("broken"))
        : Reflect.get(store, name),
  });
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  await bundle(peer, [[0, "one"]]);
  await server.until(async () => (await below(server)).includes("photos/a"));
  await peer.raw("no frame\n"); // So that nobody ends the manifest but the session's end.
  await peer.ended;
  server.parts.store = whole;
  const next = await dial();
  manifest(next, [["a", "one"], ["b", "two"]], { folder: "photos" });
  let as: string | undefined;
  void next.expect("READY").then((frame) => as = frame.as);
  await server.until(() => as === "photos");
});

Deno.test("[HB-63] a bundle that cannot be recorded is rejected item by item, and stored when it comes again", async () => {
  await using place = await begin();
  const { server, peer } = place;
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  server.fail("addFiles", new StoreError("Cannot use the database", { full: true }));
  await bundle(peer, [[0, "one"], [1, "two"]]);
  const { stored, rejected } = await peer.expect("BUNDLED");
  assertEquals([stored, rejected.map(([, code]) => code)], [[], ["no_space", "no_space"]]);
  server.fail("addFiles", undefined);
  await bundle(peer, [[0, "one"], [1, "two"]]);
  assertEquals((await peer.expect("BUNDLED")).stored, [0, 1]);
  assertEquals(await below(server), ["photos/", "photos/a", "photos/b"]);
});

Deno.test("[HB-126] [HB-123] a large file of a manifest comes as FILE, goes on after a cut, and lies in the folder", async () => {
  await using place = await begin();
  const { server, peer, dial, read } = place;
  const text = "twelve bytes";
  const bytes = encoder.encode(text);
  const id = itemId(M, 0);
  const file: FrameOf<"FILE"> = { verb: "FILE", id, path: ["a"], size: 12, manifest: M };
  manifest(peer, [["a", text]], { folder: "photos" });
  await peer.expect("READY");
  peer.send(file);
  await peer.expect("READY");
  await peer.raw("twelve");
  await peer.finish();
  await peer.ended;
  const next = await dial();
  manifest(next, [["a", text]], { folder: "photos" });
  await next.expect("READY");
  next.send(file);
  assertEquals((await next.expect("READY")).offset, 6);
  next.send({ ...prefix(0, 6, bytes), id } as Frame);
  assertEquals((await next.expect("READY")).offset, 6);
  await next.raw(" bytes");
  next.send({ ...sum(0, bytes), id } as Frame);
  assertEquals((await next.expect("STORED")).id, id);
  assertEquals(await read("photos/a"), bytes);
  assertEquals(server.tables.files().map(({ name }) => name), ["photos/a"]);
});

Deno.test("a quota refuses a manifest as a whole, in words and before anything exists", async () => {
  await using place = await begin({ quotaBytes: 10 });
  const { server, peer } = place;
  manifest(peer, [["a", "123456"], ["b", "123456"]], { folder: "photos" });
  const { code, reason } = await peer.expect("REJECT");
  assertEquals(code, "quota");
  assertMatch(reason, /10 B.*12 B/);
  assertEquals(await server.published(), []);
});

Deno.test("a quota counts files, partials and what is promised, and not what the operator has deleted", async () => {
  await using place = await begin({ quotaBytes: 10_000 });
  const { server, peer, dial } = place;
  await send(peer, 1, { path: ["a"], bytes: new Uint8Array(6_000) });
  await peer.expect("STORED");
  peer.send(offer(2, ["b"], 4_000));
  await peer.expect("READY"); // Promised.
  const other = await dial();
  other.send(offer(3, ["c"], 1));
  assertEquals((await other.expect("REJECT")).code, "quota");
  await peer.raw(new Uint8Array(2_000));
  await peer.finish();
  await peer.ended; // A partial.
  other.send(offer(3, ["c"], 2_001));
  assertEquals((await other.expect("REJECT")).code, "quota");
  await Deno.remove(join(server.directory, "till-3", "a"));
  await send(other, 3, { path: ["c"], bytes: new Uint8Array(7_000) });
  assertEquals((await other.expect("STORED")).as, "c");
});

Deno.test("a disk without room refuses an offer and a manifest in words with figures, and other clients go on", async () => {
  const asked: number[] = [];
  await using place = await begin({
    reserveFiles: (needed) => {
      asked.push(needed);
      const room = { wrote() {}, [Symbol.dispose]() {} };
      return Promise.resolve(needed > 8 ? { free: 8, needed } : room);
    },
  });
  const { server, peer } = place;
  peer.send(offer(1, ["a"], 9));
  const one = await peer.expect("REJECT");
  manifest(peer, [["a", "12345"], ["b", "12345"]], { folder: "photos" });
  const many = await peer.expect("REJECT");
  assertEquals([one.code, one.retry, many.code], ["no_space", true, "no_space"]);
  assertMatch(one.reason, /8 B.*9 B/);
  assertMatch(many.reason, /8 B.*10 B/);
  assertEquals(asked, [9, 10]);
  assertEquals(await server.published(), []);
  const other = await server.connect(await server.enrol("till-4"), { role: "data" });
  await send(other, 1, { path: ["b"], bytes: encoder.encode("12345678") });
  assertEquals((await other.expect("STORED")).as, "b");
});

Deno.test("the sweep removes what has expired and what is stored, and keeps what may go on", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await send(peer, 1, { path: ["a"], bytes: encoder.encode("a") });
  await peer.expect("STORED");
  const staging = join(server.directory, ".staging", till.keyId);
  const week = 7 * 24 * 3_600_000;
  const now = Date.now();
  for (const [number, age] of [[1, 0], [2, week + 60_000], [3, week - 60_000]] as const) {
    const path = join(staging, uuid(number));
    await Deno.writeTextFile(path, "x");
    await Deno.utime(path, new Date(now - age), new Date(now - age));
  }
  const { store, vault } = server.parts;
  const swept = await vault.sweep(now, (client, id) => store.hasFile(client, id));
  const left = [...Deno.readDirSync(staging)].map(({ name }) => name);
  assertEquals([swept, left], [2, [uuid(3)]]);
  assert((await server.published()).includes("till-3/a"));
});

Deno.test("a quota counts what is here of a folder's large file once when the folder is announced again", async () => {
  await using place = await begin({ quotaBytes: 15_000 });
  const { peer, dial } = place;
  const text = "x".repeat(10_000);
  const id = itemId(M, 0);
  const file: FrameOf<"FILE"> = { verb: "FILE", id, path: ["a"], size: 10_000, manifest: M };
  manifest(peer, [["a", text]], { folder: "photos" });
  await peer.expect("READY");
  peer.send(file);
  await peer.expect("READY");
  await peer.raw(text.slice(0, 9_000));
  await peer.finish();
  await peer.ended;
  const next = await dial();
  manifest(next, [["a", text]], { folder: "photos" });
  assertEquals((await next.expect("READY")).as, "photos");
  next.send(file);
  assertEquals((await next.expect("READY")).offset, 9_000);
});

Deno.test("[HB-120] a manifest may come in many frames, and is answered after the last", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const frame = { verb: "MANIFEST", id: M, folder: "photos" };
  peer.send({ ...frame, entries: [{ path: ["a"], size: 1, n: 2 ** 32 }], last: false } as Frame);
  peer.send({ ...frame, entries: [], last: false } as Frame);
  peer.send({ ...frame, entries: [{ path: ["empty"] }], last: true } as Frame);
  await peer.expect("READY");
  await bundle(peer, [[2 ** 32, "a"]]);
  assertEquals((await peer.expect("BUNDLED")).stored, [2 ** 32]);
  assertEquals(await below(server), ["photos/", "photos/a", "photos/empty/"]);
  assertEquals(server.tables.files().map(({ id }) => id), [itemId(M, 2 ** 32)]);
});

for (const [what, other] of [["id", { id: OTHER }], ["folder", { folder: "other" }]] as const) {
  Deno.test(`[HB-120] a MANIFEST of another ${what} inside of one ends the connection and creates nothing`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    const frame = { verb: "MANIFEST", id: M, folder: "photos", entries: [{ path: ["a"] }] };
    peer.send({ ...frame, last: false } as Frame);
    peer.send({ ...frame, ...other, last: true } as Frame);
    await peer.expect("REFUSE");
    await peer.ended;
    assertEquals(await server.published(), []);
  });
}

for (
  const [what, id, items] of [
    ["a number that is not announced", M, [[0, "one"], [7, "two"]]],
    ["another manifest's id", OTHER, [[0, "one"]]],
    ["one file twice", M, [[0, "one"], [0, "one"]]],
  ] as const
) {
  Deno.test(`[HB-124] a bundle with ${what} ends the connection and stores nothing`, async () => {
    await using place = await begin();
    const { server, peer } = place;
    manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
    await peer.expect("READY");
    await bundle(peer, items, id);
    await peer.expect("REFUSE");
    await peer.ended;
    assertEquals(await below(server), ["photos/"]);
  });
}

Deno.test("[HB-124] a bundle of a refused manifest ends the connection, and a file of it is REJECT", async () => {
  await using place = await begin();
  const { server, peer } = place;
  manifest(peer, [["a", "one"], ["A", "two"]], { folder: "photos" });
  await peer.expect("REJECT");
  peer.send({ verb: "FILE", id: itemId(M, 0), path: ["a"], size: 3, manifest: M });
  assertEquals((await peer.expect("REJECT")).code, "bad_name");
  await bundle(peer, [[0, "one"]]);
  await peer.expect("REFUSE");
  await peer.ended;
  assertEquals([await server.published(), await server.staged()], [[], 0]);
});

Deno.test("[HB-124] a bundle whose files are above 1 MiB together ends the connection before a byte", async () => {
  await using place = await begin();
  const { server, peer } = place;
  const half = "x".repeat(512 * 1024);
  manifest(peer, [["a", half], ["b", half], ["c", "x"]], { folder: "photos" });
  await peer.expect("READY");
  const digest = "0".repeat(64);
  peer.send({ verb: "BUNDLE", id: M, items: [[0, digest], [1, digest], [2, digest]] });
  await peer.expect("REFUSE");
  await peer.ended;
  assertEquals(await below(server), ["photos/"]);
});

Deno.test("[HB-124] a bundle that is cut off stores none of its files", async () => {
  await using place = await begin();
  const { server, peer } = place;
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  const items = ["one", "two"].map((text, n) => [n, sha256(encoder.encode(text))] as const);
  peer.send({ verb: "BUNDLE", id: M, items } as unknown as Frame);
  await peer.raw("onetw");
  await peer.finish();
  await peer.ended;
  assertEquals([await below(server), await server.staged()], [["photos/"], 0]);
});

Deno.test("[HB-124] bytes behind a bundle are no file's, and end the connection", async () => {
  await using place = await begin();
  const { server, peer } = place;
  manifest(peer, [["a", "one"], ["b", "two"]], { folder: "photos" });
  await peer.expect("READY");
  await bundle(peer, [[0, "one"]]);
  await peer.raw("surplus\n");
  const heard: string[] = [];
  for (let frame = await peer.next(); frame !== null; frame = await peer.next()) {
    heard.push(frame.verb);
  }
  await peer.ended;
  assertEquals(heard.includes("REFUSE"), true);
  assertEquals(await below(server), ["photos/", "photos/a"]);
});
