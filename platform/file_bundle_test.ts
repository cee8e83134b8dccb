import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  all,
  type BeforeOperation,
  dyingAt,
  failingAt,
  systemError,
  watchedRawFiles,
  withoutLinks,
} from "./fake_files.ts";
import { codeOf, type ScratchPlace, scratchPlace, tree } from "./fake_place.ts";
import { type BundleRequest, settleBundle, storeBundle } from "./file_bundle.ts";
import { promptRawFiles, type RawFileSystem } from "./raw_file.ts";

const encoder = new TextEncoder();
const isWindows = Deno.build.os === "windows";
const clock = { now: () => 0 };
const FILES = { "a.txt": "one", "d/a.txt": "two", "d/e/b.txt": "three", "d/empty": "" };

/** A bundle of files by their paths; each is staged as `id-<its number>`. */
function bundle(place: ScratchPlace, files: Record<string, string>): BundleRequest {
  const items = Object.entries(files).map(([path, text], index) => ({
    id: `id-${index}`,
    segments: path.split("/"),
    bytes: encoder.encode(text).length,
    sha256: createHash("sha256").update(text).digest("hex"),
  }));
  const data = encoder.encode(Object.values(files).join(""));
  return { stagingDirectory: place.staging, root: place.root, items, data };
}

/** Stores and settles a bundle; the path or the code of each file. */
async function store(
  place: ScratchPlace,
  { files = FILES, system = promptRawFiles, change = (request) => request }: {
    files?: Record<string, string>;
    system?: RawFileSystem;
    change?: (request: BundleRequest) => BundleRequest;
  } = {},
): Promise<string[]> {
  const results = await storeBundle(system, change(bundle(place, files)), clock);
  const ids = results.filter((result) => "as" in result).map(({ id }) => id);
  await settleBundle(system, { stagingDirectory: place.staging, ids });
  assertEquals(results.map(({ id }) => id), Object.keys(files).map((_, index) => `id-${index}`));
  return results.map((result) => "as" in result ? result.as.join("/") : result.code);
}

function watched(before: BeforeOperation): { system: RawFileSystem } {
  return { system: watchedRawFiles(before) };
}

Deno.test("storeBundle() stores every file with its folders", async () => {
  await using place = await scratchPlace();
  assertEquals(await store(place), Object.keys(FILES));
  assertEquals([tree(place.root), tree(place.staging)], [FILES, {}]);
  if (isWindows) return;
  const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
  assertEquals(mode(place.staging), 0o700);
  assertEquals([mode(join(place.root, "d")), mode(join(place.root, "a.txt"))], [0o755, 0o600]);
});

Deno.test("storeBundle() keeps staging names until they are settled, and finds their files again", async () => {
  await using place = await scratchPlace();
  await storeBundle(promptRawFiles, bundle(place, FILES), clock);
  assertEquals(Object.keys(tree(place.staging)).length, 4);
  assertEquals(await store(place), Object.keys(FILES));
  assertEquals([tree(place.root), tree(place.staging)], [FILES, {}]);
});

Deno.test("storeBundle() numbers names that are taken, by one another too", async () => {
  await using place = await scratchPlace();
  await store(place, { files: { "d/x.txt": "mine" } });
  assertEquals(await store(place, { files: { "d/x.txt": "theirs" } }), ["d/x (2).txt"]);
  assertEquals(tree(place.root), { "d/x.txt": "mine", "d/x (2).txt": "theirs" });
});

Deno.test("storeBundle() lets a bad file spoil no other", async () => {
  await using place = await scratchPlace();
  await Deno.mkdir(place.root);
  await Deno.writeTextFile(join(place.root, "file"), "mine");
  const files = { "a": "one", "../b": "two", "file/c": "three", "d": "four", "e": "five" };
  const change = (request: BundleRequest) => ({
    ...request,
    items: request.items.map((item, index) =>
      index === 3 ? { ...item, sha256: "0".repeat(64) } : item
    ),
  });
  assertEquals(await store(place, { files, change }), ["a", "denied", "denied", "hash", "e"]);
  assertEquals(tree(place.root), { a: "one", e: "five", file: "mine" });
});

Deno.test("storeBundle() refuses bytes that are not those of its items, and ids that are paths", async () => {
  await using place = await scratchPlace();
  const request = bundle(place, FILES);
  const data = new Uint8Array(request.data.length + 1);
  await assertRejects(() => storeBundle(promptRawFiles, { ...request, data }, clock), TypeError);
  const items = request.items.map((item) => ({ ...item, id: "../x" }));
  await assertRejects(() => storeBundle(promptRawFiles, { ...request, items }, clock), TypeError);
  assertEquals(tree(place.path), {});
});

Deno.test("storeBundle() syncs every file before its name, and every folder behind it", async () => {
  await using place = await scratchPlace();
  const log: string[] = [];
  const { system } = watched((operation, path) => {
    const name = path?.slice(place.path.length + 1) ?? "";
    if (/^(sync|link|syncDirectory)$/.test(operation)) log.push(`${operation} ${name}`.trim());
  });
  await store(place, { system });
  assertEquals(log.slice(0, 4), ["sync", "sync", "sync", "sync"]);
  assertEquals(log.slice(4, 8), Object.keys(FILES).map((path) => `link root/${path}`));
  const directories = ["", " root", " root/d", " root/d/e"].map((path) => `syncDirectory${path}`);
  assertEquals(log.slice(8).sort(), directories);
});

Deno.test("storeBundle() leaves slow syncs to the background, at most 64 at once", async () => {
  await using place = await scratchPlace();
  let [now, under, most, background] = [0, 0, 0, 0];
  const system: RawFileSystem = {
    ...promptRawFiles,
    create: async (path) => {
      const file = await promptRawFiles.create(path);
      return {
        ...file,
        syncNow: () => void (now += 5),
        sync: async () => {
          background++;
          most = Math.max(most, ++under);
          await file.sync();
          under--;
        },
      };
    },
  };
  const names = Array.from({ length: 150 }, (_, index) => [`f${index}`, `text ${index}`]);
  const files = Object.fromEntries(names);
  const results = await storeBundle(system, bundle(place, files), { now: () => now });
  assertEquals(results.every((result) => "as" in result), true);
  assertEquals(tree(place.root), files);
  assertEquals([background, most], [149, 64]);
});

Deno.test("storeBundle() gives up a file whose write or sync fails, and only that (fault 19)", async () => {
  let ticks = 0;
  const slow = { now: () => ticks += 5 };
  for (const operation of ["create", "write", "sync"]) {
    for (const clocks of [clock, slow]) {
      await using place = await scratchPlace();
      const files = { a: "one", b: "two", c: "three" };
      const before = failingAt(operation, { errno: "ENOSPC", nth: 2 });
      const results = await storeBundle(watchedRawFiles(before), bundle(place, files), clocks);
      const ends = results.map((result) => "as" in result ? result.as[0] : result.code);
      assertEquals(ends, ["a", "no_space", "c"], operation);
      assertEquals(tree(place.root), { a: "one", c: "three" });
      assertEquals(Object.keys(tree(place.staging)), ["id-0", "id-2"]);
      assertEquals(await store(place, { files }), ["a", "b", "c"]);
    }
  }
});

Deno.test("storeBundle() takes back the names in a folder that cannot be synced", async () => {
  for (const links of [true, false]) {
    await using place = await scratchPlace();
    const before: BeforeOperation = (operation, path) => {
      if (operation === "link" && !links) throw systemError("EPERM");
      if (operation === "syncDirectory" && path === join(place.root, "d")) throw systemError("EIO");
    };
    assertEquals(await store(place, watched(before)), ["a.txt", "io", "io", "io"]);
    assertEquals(tree(place.root), { "a.txt": "one" });
    assertEquals(await store(place, { files: { ...FILES, "a.txt": "again" } }), [
      ...["a (2).txt", "d/a.txt", "d/e/b.txt", "d/empty"],
    ]);
  }
});

Deno.test("storeBundle() does not follow links in staging, in the root or in a folder", {
  ignore: isWindows,
}, async () => {
  await using place = await scratchPlace();
  const elsewhere = join(place.path, "elsewhere");
  await Deno.mkdir(elsewhere);
  await Deno.writeTextFile(join(elsewhere, "victim"), "one");
  await Deno.mkdir(place.staging, { mode: 0o700 });
  await Deno.symlink(join(elsewhere, "victim"), join(place.staging, "id-0"));
  await Deno.mkdir(place.root);
  await Deno.symlink(elsewhere, join(place.root, "d"));
  assertEquals(await store(place), ["denied", "denied", "denied", "denied"]);
  let looks = 0;
  const swap: BeforeOperation = (operation, path) => {
    if (operation !== "realPath" || path !== join(place.root, "f") || ++looks !== 2) return;
    Deno.renameSync(join(place.root, "f"), join(place.path, "moved"));
    Deno.symlinkSync(elsewhere, join(place.root, "f"));
  };
  const files = { x: "kept", "f/victim": "swapped" };
  await Deno.remove(join(place.staging, "id-0"));
  assertEquals(await store(place, { files, ...watched(swap) }), ["x", "denied"]);
  await Deno.remove(place.staging, { recursive: true });
  await Deno.symlink(elsewhere, place.staging);
  assertEquals(await codeOf(store(place)), "denied");
  assertEquals(tree(elsewhere), { victim: "one" });
});

Deno.test("storeBundle() never writes into a staging file that an earlier run has left", async () => {
  await using place = await scratchPlace();
  await storeBundle(promptRawFiles, bundle(place, { x: "first" }), clock);
  assertEquals(await store(place, { files: { x: "other" } }), ["x (2)"]);
  assertEquals(tree(place.root), { x: "first", "x (2)": "other" });
});

Deno.test("storeBundle() killed before any step leaves whole files only, and finishes them later", async () => {
  for (const links of [true, false]) {
    let isDone = false;
    for (let step = 1; !isDone; step++) {
      assert(step < 100);
      await using place = await scratchPlace();
      const death = dyingAt(step);
      const system = links ? () => {} : withoutLinks();
      const dying = watchedRawFiles(all(death, system));
      await storeBundle(dying, bundle(place, FILES), clock).catch(() => {});
      isDone = !death.isDead();
      for (const [path, text] of Object.entries(tree(place.root))) {
        // Without hard links it is an empty file that reserves a name until the restart.
        assert(text === FILES[path as keyof typeof FILES] || (!links && text === ""), path);
      }
      assertEquals(await store(place, watched(system)), Object.keys(FILES), `step ${step}`);
      assertEquals(tree(place.root), FILES);
      assertEquals(Object.keys(tree(place.staging)).filter((name) => !name.includes(".")), []);
    }
  }
});
