/** Manifests and bundles as no hbclient would send them, against a real server with an innocent client. */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import names from "../protocol/testdata/file_name.json" with { type: "json" };
import manifests from "../protocol/testdata/manifest.json" with { type: "json" };
import {
  type Frame,
  itemId,
  MAX_BUNDLE_BYTES,
  MAX_BUNDLE_ITEMS,
  MAX_LINE_BYTES,
  MAX_MANIFEST_ENTRIES,
  MAX_MANIFEST_ENTRIES_PER_FRAME,
} from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { Peer } from "./peer.ts";
import { offerFile, said, sendFile } from "./peer_upload.ts";
import { published } from "./published_watch.ts";
import { RunningServer } from "./running_server.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";
import { until } from "./until.ts";

interface Vector {
  name: string;
  folder?: unknown;
  entries: unknown[];
  expect: string;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A server that `../..` cannot leave without being noticed, with an innocent client. */
async function startServer(...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await temporaryDirectory());
  const data = join(root, "a", "b", "c", "d", "e", "server");
  const options = { data, args: ["--plaintext", "--open", "--interval", "1", ...args] };
  const server = stack.use(await RunningServer.start(options));
  const innocent = stack.use(await InnocentPeer.connect(server));
  const moved = stack.move();
  return { root, server, innocent, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

function connect(server: RunningServer, name = "till-3"): Promise<Peer> {
  return Peer.connect(server, { role: "data", name });
}

let ids = 0;
/** A new id. */
function newId(): string {
  return `019aa8d0-0000-7000-8000-${(++ids).toString(16).padStart(12, "0")}`;
}

/** Announces a manifest in one frame; resolves with the verb of the answer, or the code of a REJECT. */
async function announce(
  peer: Peer,
  { id = newId(), folder, entries }: { id?: string; folder?: unknown; entries: unknown[] },
): Promise<string> {
  await peer.sendLine(`MANIFEST ${JSON.stringify({ id, folder, entries, last: true })}`);
  const answer = await peer.next("READY", "REJECT", "REFUSE");
  if (answer.verb !== "REFUSE") assertEquals(answer.id, id);
  return answer.verb === "REJECT" ? answer.code : answer.verb;
}

/** A bundle of texts by their numbers, as a frame and its bytes. */
function bundle(id: string, texts: Record<number, string>): Uint8Array {
  const items = Object.entries(texts).map(([n, text]) => [Number(n), sha256(text)]);
  return utf8(`BUNDLE ${JSON.stringify({ id, items })}\n${Object.values(texts).join("")}`);
}

/** The server's word on every item of a bundle: its number, and `stored` or the code. */
async function verdicts(peer: Peer, count: number): Promise<[number, string][]> {
  const all: [number, string][] = [];
  while (all.length < count) {
    const { stored, rejected } = await peer.next("BUNDLED");
    for (const n of stored) all.push([n, "stored"]);
    for (const [n, code] of rejected) all.push([n, code]);
  }
  return all.sort(([one], [other]) => one - other);
}

/** The verbs that the server says before it closes. */
async function lastWords(peer: Peer): Promise<Frame["verb"][]> {
  return (await peer.rest()).map(({ verb }) => verb as Frame["verb"]);
}

Deno.test("every bad manifest is refused in words, creates nothing anywhere and keeps the connection (faults 1, 2, 4, 9) [HB-121] [HB-61]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const before = await walk(on.root);
  const bad = (manifests as Vector[]).filter(({ expect }) => expect !== "ok");
  assert(bad.length > 25);
  for (const { name, folder, entries, expect } of bad) {
    assertEquals(await announce(peer, { folder, entries }), expect, name);
  }
  assertEquals(await walk(on.root), before);
  assertEquals(await announce(peer, { entries: [{ path: ["a"], size: 1, n: 0 }] }), "READY");
  await on.innocent.assertUnharmed();
});

Deno.test("every bad name spoils the manifest that it stands in, as a file, a folder on the way, an empty folder and the folder of all (faults 1, 2, 3) [HB-121]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const before = await walk(on.root);
  const bad = names.filter(({ check, expect }) => check === "name" && expect === "bad_name")
    .map(({ input, utf16 }) =>
      utf16 === undefined
        ? String(input)
        : String.fromCharCode(...utf16.split(" ").map((unit) => parseInt(unit, 16)))
    )
    .filter((name) => JSON.stringify(name).length < MAX_LINE_BYTES / 8);
  assert(bad.length > 200);
  const good = { path: ["good.txt"], size: 1, n: 7 };
  for (const name of bad) {
    const forms: { folder?: string; entries: unknown[] }[] = [
      { entries: [good, { path: [name], size: 1, n: 0 }] },
      { entries: [good, { path: [name, "b"], size: 1, n: 0 }] },
      { entries: [good, { path: ["b", name] }] },
      { folder: name, entries: [good] },
    ];
    for (const form of forms) {
      assertEquals(await announce(peer, form), "bad_name", JSON.stringify(form).slice(0, 200));
    }
  }
  assertEquals(await walk(on.root), before);
  await on.innocent.assertUnharmed();
});

Deno.test("a manifest of more entries than allowed is refused once, after its last frame, and creates nothing (fault 15) [HB-121]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const before = await walk(on.root);
  const id = newId();
  const perFrame = MAX_MANIFEST_ENTRIES_PER_FRAME;
  for (let n = 0; n <= MAX_MANIFEST_ENTRIES; n += perFrame) {
    const entries = Array.from({ length: perFrame }, (_, at) => ({
      path: [`f${n + at}`],
      size: 0,
      n: n + at,
    }));
    const last = n + perFrame > MAX_MANIFEST_ENTRIES;
    await peer.sendLine(`MANIFEST ${JSON.stringify({ id, folder: "many", entries, last })}`);
  }
  const answer = await peer.next("READY", "REJECT", "REFUSE");
  assertEquals(said(answer), "REJECT too_large");
  assertEquals(await walk(on.root), before);
  assertEquals(await announce(peer, { entries: [] }), "READY", "the connection goes on");
  await on.innocent.assertUnharmed();
});

Deno.test("a manifest whose frames do not agree, or that never ends, creates nothing [HB-120]", async () => {
  await using on = await startServer();
  const before = await walk(on.root);
  const id = newId();
  const frame = (fields: object) =>
    utf8(`MANIFEST ${JSON.stringify({ id, folder: "one", entries: [], ...fields })}\n`);
  const entry = { path: ["a"], size: 1, n: 0 };
  const wrong: Uint8Array[][] = [
    [frame({ entries: [entry] }), frame({ folder: "two", last: true })],
    [frame({ entries: [entry] }), frame({ folder: undefined, last: true })],
    [frame({ entries: [entry] }), frame({ id: newId(), last: true })],
    [frame({ entries: [entry] }), bundle(id, { 0: "x" })],
    [frame({ entries: Array(MAX_MANIFEST_ENTRIES_PER_FRAME + 1).fill(entry), last: true })],
    [frame({ entries: "all" })],
  ];
  for (const [at, frames] of wrong.entries()) {
    using peer = await connect(on.server);
    for (const bytes of frames) await peer.sendBytes(bytes);
    const answer = await peer.next("READY", "REJECT", "REFUSE", "BUNDLED");
    assert(["REJECT", "REFUSE"].includes(answer.verb), `${at}: ${answer.verb}`);
  }
  {
    using peer = await connect(on.server);
    await peer.sendBytes(frame({ entries: [entry] }));
  }
  assertEquals(await walk(on.root), before);
  await on.innocent.assertUnharmed();
});

Deno.test("a bundle of no manifest, of a refused one, of unknown files or of too much ends the connection and stores nothing (fault 13) [HB-124]", async () => {
  await using on = await startServer();
  const id = newId();
  const small = [{ path: ["a"], size: 1, n: 0 }, { path: ["b"], size: 1, n: 1 }];
  const big = Array.from({ length: 3 }, (_, n) => ({
    path: [`big ${n}`],
    size: MAX_BUNDLE_BYTES / 2,
    n,
  }));
  const half = "x".repeat(MAX_BUNDLE_BYTES / 2);
  const cases: [what: string, entries: unknown[] | undefined, expect: string, sent: Uint8Array][] =
    [
      ["no manifest", undefined, "", bundle(id, { 0: "x" })],
      ["another manifest", small, "READY", bundle(newId(), { 0: "x" })],
      ["a refused manifest", [{ path: [".."], size: 1, n: 0 }], "bad_name", bundle(id, { 0: "x" })],
      ["an unknown number", small, "READY", bundle(id, { 0: "x", 2: "y" })],
      ["too many bytes", big, "READY", bundle(id, { 0: half, 1: half, 2: half })],
    ];
  for (const [what, entries, expect, sent] of cases) {
    using peer = await connect(on.server);
    if (entries !== undefined) assertEquals(await announce(peer, { id, entries }), expect, what);
    await peer.sendBytes(sent).catch(() => {
      // The server may close before it has taken all of it.
    });
    const words = await lastWords(peer);
    assert(words.includes("REFUSE") || words.length === 0, `${what}: ${words}`);
    assert(!words.includes("BUNDLED"), what);
  }
  // An accepted manifest may have made the client's folder, and nothing in it.
  assertEquals((await published(on.server.files)).filter((entry) => entry !== "till-3"), []);
  assertEquals(await on.server.json("files"), []);
  await on.innocent.assertUnharmed();
});

Deno.test("a bundle of more items than allowed is a bad frame and stores nothing (fault 15) [HB-124]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const id = newId();
  const count = MAX_BUNDLE_ITEMS + 1;
  const entries = Array.from({ length: count }, (_, n) => ({ path: [`f${n}`], size: 0, n }));
  assertEquals(await announce(peer, { id, entries }), "READY");
  await peer.sendBytes(bundle(id, Object.fromEntries(entries.map(({ n }) => [n, ""]))));
  assertEquals((await peer.next("REFUSE", "BUNDLED")).verb, "REFUSE");
  assertEquals(await on.server.json("files"), []);
  await on.innocent.assertUnharmed();
});

Deno.test("a wrong digest in a bundle costs its own file and no other (fault 11) [HB-125]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const id = newId();
  const entries = ["a", "b", "c"].map((name, n) => ({ path: [name], size: 5, n }));
  assertEquals(await announce(peer, { id, folder: "photos", entries }), "READY");
  const items = [[0, sha256("aaaaa")], [1, sha256("other")], [2, sha256("ccccc")]];
  await peer.sendBytes(utf8(`BUNDLE ${JSON.stringify({ id, items })}\naaaaabbbbbccccc`));
  assertEquals(await verdicts(peer, 3), [[0, "stored"], [1, "hash"], [2, "stored"]]);
  const folder = join(on.server.files, "till-3", "photos");
  assertEquals(await published(folder), ["a: 5", "c: 5"]);
  await peer.sendBytes(bundle(id, { 1: "bbbbb" }));
  assertEquals(await verdicts(peer, 1), [[1, "stored"]], "and may come again, right this time");
  await on.innocent.assertUnharmed();
});

Deno.test("an item that comes again, in its bundle or later, is stored once [HB-125]", async () => {
  await using on = await startServer();
  const id = newId();
  const entries = [{ path: ["a"], size: 5, n: 0 }];
  using peer = await connect(on.server);
  assertEquals(await announce(peer, { id, entries }), "READY");
  for (let n = 0; n < 3; n++) {
    await peer.sendBytes(bundle(id, { 0: "aaaaa" }));
    assertEquals(await verdicts(peer, 1), [[0, "stored"]]);
  }
  // Twice in one bundle: whatever the server thinks of it, there is one file.
  await peer.sendBytes(
    utf8(
      `BUNDLE ${JSON.stringify({ id, items: Array(2).fill([0, sha256("aaaaa")]) })}\naaaaaaaaaa`,
    ),
  );
  await peer.next("BUNDLED", "REFUSE");
  assertEquals(await published(on.server.files), ["till-3", "till-3/a: 5"]);
  assertEquals((await on.server.json<unknown[]>("files")).length, 1);
  await on.innocent.assertUnharmed();
});

Deno.test("a bundle that ends early stores only whole files, and bytes behind one are no frames (fault 10) [HB-10] [HB-62]", async () => {
  await using on = await startServer();
  const id = newId();
  const entries = [{ path: ["a"], size: 5, n: 0 }, { path: ["b"], size: 5, n: 1 }];
  {
    using peer = await connect(on.server, "till-1");
    assertEquals(await announce(peer, { id, entries }), "READY");
    const whole = bundle(id, { 0: "aaaaa", 1: "bbbbb" });
    await peer.sendBytes(whole.subarray(0, whole.length - 2));
  }
  {
    using peer = await connect(on.server, "till-2");
    assertEquals(await announce(peer, { id, entries }), "READY");
    await peer.sendBytes(bundle(id, { 0: "aaaaa", 1: "bbbbb" }));
    await peer.sendBytes(utf8(`!${JSON.stringify({ id })}\n`));
    assert((await lastWords(peer)).includes("REFUSE"));
  }
  // What was right before the fault may be there, but nothing that is not whole.
  const allowed = ["till-1", "till-1/a: 5", "till-2", "till-2/a: 5", "till-2/b: 5"];
  const found = await published(on.server.files);
  assertEquals(found.filter((entry) => !allowed.includes(entry)), []);
  await on.innocent.assertUnharmed();
});

Deno.test("a file of a manifest under another id, path or size than announced is refused, and the connection goes on [HB-126] [HB-123]", async () => {
  await using on = await startServer();
  using peer = await connect(on.server);
  const manifest = newId();
  const bytes = sampleBytes(MAX_BUNDLE_BYTES + 1);
  const entries = [{ path: ["sub", "big.bin"], size: bytes.length, n: 5 }];
  assertEquals(await announce(peer, { id: manifest, folder: "photos", entries }), "READY");
  const right = { id: itemId(manifest, 5), path: ["sub", "big.bin"], bytes, manifest };
  const wrong = [
    { ...right, id: itemId(manifest, 6) },
    { ...right, id: newId() },
    { ...right, path: ["big.bin"] },
    { ...right, path: ["photos", "sub", "big.bin"] },
    { ...right, path: ["..", "big.bin"] },
    { ...right, bytes: bytes.subarray(1) },
    { ...right, manifest: newId() },
  ];
  for (const [at, file] of wrong.entries()) {
    const answer = await offerFile(peer, file);
    assertEquals(said(answer), "REJECT bad_name", `${at}`);
  }
  assertEquals((await sendFile(peer, right)).verb, "STORED");
  assertEquals(await published(join(on.server.files, "till-3")), [
    "photos",
    "photos/sub",
    `photos/sub/big.bin: ${bytes.length}`,
  ]);
  await on.innocent.assertUnharmed();
});

Deno.test("the ids of another client's manifest and files lead nowhere near them (fault 6) [HB-110] [HB-122]", async () => {
  await using on = await startServer();
  const manifest = newId();
  const id = newId();
  const entries = [{ path: ["a"], size: 5, n: 0 }];
  using victim = await connect(on.server, "victim");
  assertEquals(await announce(victim, { id: manifest, folder: "photos", entries }), "READY");
  await victim.sendBytes(bundle(manifest, { 0: "aaaaa" }));
  await verdicts(victim, 1);
  const secret = sampleBytes(50_000);
  assertEquals((await sendFile(victim, { id, path: ["b"], bytes: secret })).verb, "STORED");
  const partial = { id: newId(), path: ["c"], bytes: sampleBytes(3_000_000) };
  assertEquals((await offerFile(victim, partial)).verb, "READY");
  await victim.sendBytes(partial.bytes.subarray(0, 2_000_000));

  using thief = await connect(on.server, "thief");
  const own = sampleBytes(50_000);
  const answer = await offerFile(thief, { id, path: ["b"], bytes: own });
  assertEquals(said(answer), "READY 0");
  await thief.sendBytes(own);
  thief.send({ verb: "SUM", id, bytes: own.length, sha256: sha256(own) });
  assertEquals((await thief.next("STORED", "REJECT")).verb, "STORED");
  const stolen = await offerFile(thief, partial);
  assertEquals(said(stolen), "READY 0");
  using thiefToo = await connect(on.server, "thief");
  await thiefToo.sendBytes(bundle(manifest, { 0: "bbbbb" }));
  assert(!(await lastWords(thiefToo)).includes("BUNDLED"));
  using thiefAgain = await connect(on.server, "thief");
  assertEquals(await announce(thiefAgain, { id: manifest, folder: "photos", entries }), "READY");

  await victim.sendBytes(partial.bytes.subarray(2_000_000));
  const { id: partialId, bytes } = partial;
  victim.send({ verb: "SUM", id: partialId, bytes: bytes.length, sha256: sha256(bytes) });
  assertEquals((await victim.next("STORED", "REJECT")).verb, "STORED");
  const folder = join(on.server.files, "victim");
  assertEquals(await published(folder), ["b: 50000", "c: 3000000", "photos", "photos/a: 5"]);
  assertEquals(await Deno.readFile(join(folder, "b")), secret);
  await until(async () => (await Deno.readFile(join(folder, "c"))).length === bytes.length, {
    what: "the victim's file",
  });
  await on.innocent.assertUnharmed();
});
