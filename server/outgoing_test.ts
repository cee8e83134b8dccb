import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DiskSpace } from "../platform/disk_space.ts";
import { FILE_CHUNK_BYTES } from "../protocol/mod.ts";
import { lookAtSource, Outgoing, type OutgoingOptions, roomOn, SourceError } from "./outgoing.ts";

const MIB = 1024 * 1024;

/** A folder of outgoing files, and one for sources. */
async function begin(options: Partial<OutgoingOptions> = {}) {
  const root = await Deno.makeTempDir();
  const directory = join(root, "outgoing");
  let lastId = 0;
  const room = { wrote() {}, [Symbol.dispose]() {} };
  const outgoing = new Outgoing({
    directory,
    newId: () => `copy-${++lastId}`,
    reserve: () => Promise.resolve(room),
    ...options,
  });
  await outgoing.prepare();
  const write = async (name: string, bytes: Uint8Array) => {
    const path = join(root, name);
    await Deno.writeFile(path, bytes);
    return await lookAtSource(path);
  };
  const names = async () =>
    (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
  return {
    root,
    directory,
    outgoing,
    write,
    names,
    async [Symbol.asyncDispose]() {
      await outgoing.close();
      await Deno.remove(root, { recursive: true });
    },
  };
}

/** Asserts that a file cannot be pushed; the words. */
async function refused(work: Promise<unknown>, code: SourceError["code"]): Promise<string> {
  const error = await assertRejects(() => work, SourceError);
  assertEquals([error.code, error.name], [code, "SourceError"]);
  return error.message;
}

for (const size of [0, 1, FILE_CHUNK_BYTES, 3 * MIB + 7]) {
  Deno.test(`copy() keeps ${size} bytes, with their digest, for the owner alone`, async () => {
    await using place = await begin();
    const bytes = crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536)));
    const whole = new Uint8Array(size).map((_, at) => bytes[at % bytes.length] ?? 0);
    const source = await place.write("a.bin", whole);
    await using copy = await place.outgoing.copy(source);
    copy.keep();
    const { content, sha256 } = copy;
    assertEquals([content, copy.bytes], ["copy-1", size]);
    assertEquals(sha256, createHash("sha256").update(whole).digest("hex"));
    const path = join(place.directory, content);
    assertEquals(await Deno.readFile(path), whole);
    if (Deno.build.os !== "windows") {
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
      assertEquals(((await Deno.stat(place.directory)).mode ?? 0) & 0o777, 0o700);
    }
  });
}

Deno.test("copy() is not touched by what happens to its source afterwards", async () => {
  await using place = await begin();
  const source = await place.write("a.txt", new Uint8Array([1, 2, 3]));
  await using copy = await place.outgoing.copy(source);
  await Deno.writeFile(source.path, new Uint8Array([9]));
  await Deno.remove(source.path);
  assertEquals(await Deno.readFile(join(place.directory, copy.content)), new Uint8Array([1, 2, 3]));
});

Deno.test("a copy that is not kept goes when it is disposed of", async () => {
  await using place = await begin();
  const source = await place.write("a.txt", new Uint8Array([1]));
  {
    await using _copy = await place.outgoing.copy(source);
    assertEquals(await place.names(), ["copy-1"]);
  }
  assertEquals(await place.names(), []);
});

Deno.test("copy() of a file that changes meanwhile is refused and leaves nothing", async () => {
  for (const change of ["longer", "other"]) {
    const room = {
      wrote: () => {
        // While the first chunk has been copied and the second has not.
        if (change === "longer") Deno.writeFileSync(path, new Uint8Array(5), { append: true });
        else Deno.utimeSync(path, 1, 1);
      },
      [Symbol.dispose]() {},
    };
    let path = "";
    await using place = await begin({ reserve: () => Promise.resolve(room) });
    const source = await place.write("a.bin", new Uint8Array(MIB));
    path = source.path;
    // The longer one grows at every chunk and would never end.
    const words = await refused(place.outgoing.copy(source), "unreadable");
    assertStringIncludes(words, "changed while it was being copied");
    assertEquals(await place.names(), []);
  }
});

Deno.test("copy() says in words that there is no room, before a byte", async () => {
  const asked: number[] = [];
  await using place = await begin({
    reserve: (bytes) => {
      asked.push(bytes);
      return Promise.resolve("the disk has room for 5 bytes");
    },
  });
  const source = await place.write("a.bin", new Uint8Array(9));
  const words = await refused(place.outgoing.copy(source), "no_space");
  assertStringIncludes(words, "a.bin");
  assertStringIncludes(words, "room for 5 bytes");
  assertEquals([asked, await place.names()], [[9], []]);
});

Deno.test("copy() holds room on a disk for what it has not written yet", async () => {
  const facts = { bsize: 1, blocks: 100_000, bavail: 10_000 };
  const space = new DiskSpace({
    directory: "/",
    minFreeBytes: 1_000,
    statfs: () => Promise.resolve(facts),
  });
  await using place = await begin({ reserve: roomOn(() => Promise.resolve(space)) });
  const large = await place.write("large.bin", new Uint8Array(9_001));
  const words = await refused(place.outgoing.copy(large), "no_space");
  assertStringIncludes(words, "needs 9001 bytes and the server's disk has room for 9000");
  using _other = await space.reserve(5_000) as Disposable;
  const source = await place.write("a.bin", new Uint8Array(4_001));
  await refused(place.outgoing.copy(source), "no_space");
  const fitting = await place.write("b.bin", new Uint8Array(4_000));
  await using _copy = await place.outgoing.copy(fitting);
  assertEquals(await space.free(), 4_000);
});

Deno.test("copy() takes free space that cannot be found out for none", async () => {
  const space = new DiskSpace({ directory: "/", statfs: () => Promise.reject(new Error("EIO")) });
  await using place = await begin({ reserve: roomOn(() => Promise.resolve(space)) });
  const source = await place.write("a.bin", new Uint8Array(1));
  assertStringIncludes(await refused(place.outgoing.copy(source), "no_space"), "cannot be found");
  await using other = await begin({ reserve: roomOn(() => Promise.reject(new Error("EIO"))) });
  const words = await refused(other.outgoing.copy(source), "no_space");
  assertStringIncludes(words, "cannot be found");
});

Deno.test("copy() gives its room back, whatever happens", async () => {
  let held = 0;
  const reserve = () => {
    held++;
    return Promise.resolve({ wrote() {}, [Symbol.dispose]: () => void held-- });
  };
  await using place = await begin({ reserve });
  const source = await place.write("a.bin", new Uint8Array(9));
  await using _copy = await place.outgoing.copy(source);
  await Deno.remove(source.path);
  await refused(place.outgoing.copy(source), "unreadable");
  assertEquals(held, 0);
});

Deno.test("copy() ends when its signal says so, and leaves nothing", async () => {
  const abort = new AbortController();
  const room = { wrote: () => abort.abort(new Error("enough")), [Symbol.dispose]() {} };
  await using place = await begin({ reserve: () => Promise.resolve(room) });
  const source = await place.write("a.bin", new Uint8Array(5 * MIB));
  await assertRejects(() => place.outgoing.copy(source, abort.signal), Error, "enough");
  assertEquals(await place.names(), []);
});

Deno.test("close() ends what is being copied, and no copy begins after it", async () => {
  const begun = Promise.withResolvers<void>();
  const room = { wrote: () => begun.resolve(), [Symbol.dispose]() {} };
  await using place = await begin({ reserve: () => Promise.resolve(room) });
  const source = await place.write("a.bin", new Uint8Array(50 * MIB));
  const copying = refused(place.outgoing.copy(source), "bad_request");
  await begun.promise;
  await place.outgoing.close();
  assertStringIncludes(await copying, "stopping");
  await refused(place.outgoing.copy(source), "bad_request");
  assertEquals(await place.names(), []);
});

Deno.test("sweep() removes what nobody waits for and nothing that is being made", async () => {
  await using place = await begin();
  const source = await place.write("a.bin", new Uint8Array(1));
  for (const name of ["old", "wanted"]) await Deno.writeTextFile(join(place.directory, name), name);
  await using copy = await place.outgoing.copy(source);
  const swept = await place.outgoing.sweep(() => Promise.resolve(["wanted", "elsewhere"]));
  assertEquals([swept, await place.names()], [1, [copy.content, "wanted"]]);
  copy.keep();
});

Deno.test("sweep() leaves a copy whose rows are written while it looks", async () => {
  await using place = await begin();
  const source = await place.write("a.bin", new Uint8Array(1));
  const copy = await place.outgoing.copy(source);
  await place.outgoing.sweep(async () => {
    copy.keep();
    await copy[Symbol.asyncDispose]();
    return []; // Asked before the rows were there.
  });
  assertEquals(await place.names(), [copy.content]);
});

Deno.test("lookAtSource() refuses what is no regular file, or has a name that no client takes", async () => {
  await using place = await begin();
  const { root } = place;
  assertStringIncludes(await refused(lookAtSource(root), "bad_request"), "is a directory");
  await refused(lookAtSource(join(root, "absent")), "unreadable");
  assertStringIncludes(await refused(lookAtSource("/dev/null"), "bad_request"), "regular file");
  for (const name of ["CON", "a:b", "trailing.", "x\u202ey"]) {
    const path = join(root, name);
    await Deno.writeTextFile(path, "x");
    assertStringIncludes(await refused(lookAtSource(path), "bad_request"), "Cannot push");
  }
});

Deno.test("lookAtSource() does not wait for the other end of a pipe", async () => {
  if (Deno.build.os === "windows") return;
  await using place = await begin();
  const path = join(place.root, "pipe");
  const made = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(made.success);
  assertStringIncludes(await refused(lookAtSource(path), "bad_request"), "regular file");
});

Deno.test("lookAtSource() follows a link to a file, and offers it under the link's name", async () => {
  if (Deno.build.os === "windows") return;
  await using place = await begin();
  const source = await place.write("a.txt", new Uint8Array(5));
  const link = join(place.root, "b.txt");
  await Deno.symlink(source.path, link);
  assertEquals(await lookAtSource(link), { path: link, name: "b.txt", bytes: 5 });
});
