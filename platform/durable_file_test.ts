import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  type PublishedFile,
  type PublishOptions,
  StagedFile,
  sweepStaging,
} from "./durable_file.ts";
import { codeOf, type ScratchPlace, scratchPlace, tree } from "./fake_place.ts";
import { all, failingAt, systemError, watchedFiles, withoutLinks } from "./fake_files.ts";
import { type FileSystem, hashingFiles, systemFiles } from "./file_system.ts";
import { type RawFile, type RawFileSystem, systemRawFiles } from "./raw_file.ts";

const encoder = new TextEncoder();
const HELLO = encoder.encode("hello world");
const HELLO_SHA256 = createHash("sha256").update(HELLO).digest("hex");
const isWindows = Deno.build.os === "windows";

/** Everything goes, whatever is staged: as if nobody ever came back. */
function sweepAll(stagingDirectory: string): Promise<number> {
  return sweepStaging(stagingDirectory, { olderThan: Infinity });
}

/** Stages `text`, publishes and settles it; discards it when that fails. */
async function store(
  place: ScratchPlace,
  segments: string[],
  { text = "hello world", files, ...rest }:
    & { text?: string; files?: FileSystem }
    & Partial<PublishOptions> = {},
) {
  const staged = await place.open(files);
  let published: PublishedFile;
  try {
    await staged.write(encoder.encode(text));
    const options = { root: place.root, segments, expectedBytes: text.length, ...rest };
    published = await staged.publish(options);
  } catch (error) {
    await staged.discard();
    throw error;
  }
  await staged.settle();
  return published;
}

/** The machine's files, of which new ones have some operations changed. */
function changedFiles(change: (file: RawFile) => Partial<RawFile>): FileSystem {
  const files: RawFileSystem = {
    ...systemRawFiles,
    create: async (path) => {
      const file = await systemRawFiles.create(path);
      return { ...file, ...change(file) };
    },
  };
  return hashingFiles(files);
}

Deno.test("StagedFile publishes exactly the bytes it was given", async () => {
  await using place = await scratchPlace();
  const staged = await place.open();
  await staged.write(HELLO.subarray(0, 5));
  await staged.write(new Uint8Array());
  await staged.write(HELLO.subarray(5));
  assertEquals([staged.bytes, await staged.sha256Hex(), staged.proposals], [11, HELLO_SHA256, []]);
  const published = await staged.publish({
    root: place.root,
    segments: ["docs", "2026", "hello.txt"],
    expectedBytes: 11,
    expectedSha256: HELLO_SHA256,
  });
  assertEquals(published, {
    path: join(place.root, "docs", "2026", "hello.txt"),
    as: ["docs", "2026", "hello.txt"],
    sha256: HELLO_SHA256,
  });
  assertEquals(tree(place.root), { "docs/2026/hello.txt": "hello world" });
  assertEquals(Object.keys(tree(place.staging)), ["id-1"]);
  await staged.settle();
  assertEquals(tree(place.staging), {});
  await staged.discard();
  assertEquals(tree(place.root), { "docs/2026/hello.txt": "hello world" });
});

Deno.test("StagedFile takes a chunk whose buffer is used again", async () => {
  await using place = await scratchPlace();
  await using staged = await place.open();
  const chunk = new Uint8Array(1024 * 1024);
  const hash = createHash("sha256");
  for (let round = 0; round < 5; round++) {
    chunk.fill(round);
    hash.update(chunk);
    await staged.write(chunk);
  }
  const sha256 = hash.digest("hex");
  const { path } = await staged.publish({
    root: place.root,
    segments: ["big"],
    expectedBytes: 5 * chunk.length,
    expectedSha256: sha256,
  });
  assertEquals(createHash("sha256").update(await Deno.readFile(path)).digest("hex"), sha256);
});

Deno.test("StagedFile publishes an empty file", async () => {
  await using place = await scratchPlace();
  await store(place, ["empty"], { text: "" });
  assertEquals(tree(place.root), { empty: "" });
});

Deno.test(
  "StagedFile keeps its directories and files to itself",
  { ignore: isWindows },
  async () => {
    await using place = await scratchPlace();
    await using staged = await place.open();
    const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
    assertEquals(mode(place.staging), 0o700);
    assertEquals(mode(join(place.staging, "id-1")), 0o600);
    const { path } = await staged.publish({
      root: place.root,
      segments: ["a", "b"],
      expectedBytes: 0,
    });
    assertEquals([mode(place.root), mode(join(place.root, "a")), mode(path)], [
      0o755,
      0o755,
      0o600,
    ]);
  },
);

Deno.test("StagedFile refuses a wrong length and a wrong digest, and publishes nothing", async () => {
  await using place = await scratchPlace();
  assertEquals(await codeOf(store(place, ["a"], { expectedBytes: 10 })), "bad_size");
  assertEquals(await codeOf(store(place, ["a"], { expectedBytes: 12 })), "bad_size");
  assertEquals(await codeOf(store(place, ["a"], { expectedSha256: "0".repeat(64) })), "hash");
  assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
});

Deno.test("StagedFile numbers a name that is taken and never touches what is there", async () => {
  await using place = await scratchPlace();
  await Deno.mkdir(place.root);
  await Deno.writeTextFile(join(place.root, "report.pdf"), "mine");
  await Deno.mkdir(join(place.root, "folder"));
  assertEquals((await store(place, ["report.pdf"])).as, ["report (2).pdf"]);
  assertEquals((await store(place, ["report.pdf"], { text: "other" })).as, ["report (3).pdf"]);
  assertEquals((await store(place, ["folder"])).as, ["folder (2)"]);
  assertEquals(tree(place.root), {
    "folder (2)": "hello world",
    "report (2).pdf": "hello world",
    "report (3).pdf": "other",
    "report.pdf": "mine",
  });
});

Deno.test(
  "StagedFile does not write through a link at the target",
  { ignore: isWindows },
  async () => {
    await using place = await scratchPlace();
    await Deno.mkdir(place.root);
    await Deno.writeTextFile(join(place.path, "victim"), "theirs");
    await Deno.symlink(join(place.path, "victim"), join(place.root, "a"));
    await Deno.symlink(join(place.path, "nowhere"), join(place.root, "b"));
    for (const files of [systemFiles, watchedFiles(withoutLinks())]) {
      await store(place, ["a"], { files });
      await store(place, ["b"], { files });
    }
    assertEquals(await Deno.readTextFile(join(place.path, "victim")), "theirs");
    assertEquals([...Deno.readDirSync(place.path)].some(({ name }) => name === "nowhere"), false);
    assertEquals([...Deno.readDirSync(place.root)].map(({ name }) => name).sort(), [
      ...["a", "a (2)", "a (3)", "b", "b (2)", "b (3)"],
    ]);
  },
);

Deno.test(
  "StagedFile refuses a link or a file in the place of a parent",
  { ignore: isWindows },
  async () => {
    await using place = await scratchPlace();
    await Deno.mkdir(join(place.path, "elsewhere", "deep"), { recursive: true });
    await Deno.mkdir(place.root);
    await Deno.symlink(join(place.path, "elsewhere"), join(place.root, "link"));
    await Deno.symlink("loop", join(place.root, "loop"));
    await Deno.writeTextFile(join(place.root, "file"), "mine");
    for (const folder of ["link", "loop", "file"]) {
      assertEquals(await codeOf(store(place, [folder, "x"])), "denied");
      assertEquals(await codeOf(store(place, [folder, "deep", "x"])), "denied");
    }
    assertEquals(tree(join(place.path, "elsewhere")), {});
    await Deno.rename(place.root, join(place.path, "real"));
    await Deno.symlink(join(place.path, "real"), place.root);
    assertEquals(await codeOf(store(place, ["x"])), "denied");
  },
);

Deno.test(
  "StagedFile notices a parent that is swapped for a link meanwhile",
  { ignore: isWindows },
  async () => {
    for (const operation of ["link", "realPath"]) {
      await using place = await scratchPlace();
      const elsewhere = join(place.path, "elsewhere");
      await Deno.mkdir(elsewhere);
      await Deno.writeTextFile(join(elsewhere, "other"), "theirs");
      let swapped = false;
      const files = watchedFiles(async (name, path) => {
        if (name !== operation || swapped || path?.includes("folder") !== true) return;
        swapped = true;
        await Deno.rename(join(place.root, "folder"), join(place.path, "moved"));
        await Deno.symlink(elsewhere, join(place.root, "folder"));
      });
      assertEquals(await codeOf(store(place, ["folder", "x"], { files })), "denied");
      assertEquals(tree(elsewhere), { other: "theirs" });
      assertEquals(tree(place.staging), {});
    }
  },
);

Deno.test("StagedFile does not remove another's file from a folder swapped after the fact", {
  ignore: isWindows,
}, async () => {
  await using place = await scratchPlace();
  const elsewhere = join(place.path, "elsewhere");
  await Deno.mkdir(elsewhere);
  await Deno.writeTextFile(join(elsewhere, "x"), "theirs");
  let looks = 0;
  const files = watchedFiles(async (name, path) => {
    if (name !== "realPath" || path?.endsWith("folder") !== true || ++looks !== 2) return;
    await Deno.rename(join(place.root, "folder"), join(place.path, "moved"));
    await Deno.symlink(elsewhere, join(place.root, "folder"));
  });
  assertEquals(await codeOf(store(place, ["folder", "x"], { files })), "denied");
  assertEquals(tree(elsewhere), { x: "theirs" });
});

Deno.test("StagedFile notices a root that is swapped for a link meanwhile", {
  ignore: isWindows,
}, async () => {
  await using place = await scratchPlace();
  const elsewhere = join(place.path, "elsewhere");
  await Deno.mkdir(elsewhere);
  const files = watchedFiles(async (name) => {
    if (name !== "link") return;
    await Deno.rename(place.root, join(place.path, "moved"));
    await Deno.symlink(elsewhere, place.root);
  });
  assertEquals(await codeOf(store(place, ["x"], { files })), "denied");
  assertEquals([tree(elsewhere), tree(join(place.path, "moved"))], [{}, {}]);
});

Deno.test("StagedFile refuses a path that would leave its root", async () => {
  await using place = await scratchPlace();
  for (
    const segments of [
      [],
      [".."],
      ["a", "..", "..", "x"],
      ["."],
      [""],
      ["a/b"],
      ["a\\b"],
      ["a\0"],
      ["/etc", "x"],
    ]
  ) assertEquals(await codeOf(store(place, segments)), "denied");
  assertEquals(tree(place.root), {});
});

Deno.test("StagedFile gives every one of many publishers at once a name of its own", async () => {
  for (const files of [systemFiles, watchedFiles(withoutLinks())]) {
    await using place = await scratchPlace();
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
    const published = await Promise.all(
      texts.map((text) => store(place, ["x.txt"], { text, files })),
    );
    const names = published.map(({ as }) => as[0]).sort();
    assertEquals(new Set(names).size, 20);
    assert(names.includes("x.txt") && names.includes("x (20).txt"));
    assertEquals(Object.values(tree(place.root)).sort(), texts.sort());
    assertEquals(tree(place.staging), {});
  }
});

Deno.test("StagedFile publishes where there are no hard links, whatever the system calls that", async () => {
  for (const errno of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EINVAL"]) {
    await using place = await scratchPlace();
    const files = watchedFiles(withoutLinks(errno));
    assertEquals((await store(place, ["a", "x"], { files })).as, ["a", "x"]);
    assertEquals((await store(place, ["a", "x"], { files, text: "two" })).as, ["a", "x (2)"]);
    assertEquals(tree(place.root), { "a/x": "hello world", "a/x (2)": "two" });
    assertEquals(tree(place.staging), {});
  }
});

Deno.test("StagedFile publishes nothing when any one step fails, and says why (fault 19)", async () => {
  const codes = {
    ENOSPC: "no_space",
    EDQUOT: "no_space",
    EACCES: "denied",
    EROFS: "denied",
    EIO: "io",
  };
  const steps: [operation: string, nth: number][] = [
    ["create", 1],
    ["write", 1],
    ["sync", 1],
    ["look", 1],
    ["link", 1],
    ["realPath", 1],
    ["realPath", 2],
    ["realPath", 3],
    ["realPath", 4],
    ["syncDirectory", 1],
    ["syncDirectory", 2],
    ["syncDirectory", 3],
    ["makeDirectory", 1],
    ["makeDirectory", 2],
    ["makeDirectory", 3],
  ];
  for (const [operation, nth] of steps) {
    for (const [errno, expected] of Object.entries(codes)) {
      await using place = await scratchPlace();
      const files = watchedFiles(failingAt(operation, { errno, nth }));
      assertEquals(
        await codeOf(store(place, ["a", "x"], { files })),
        expected,
        `${operation} ${nth}`,
      );
      assertEquals([tree(place.root), tree(place.staging)], [{}, {}], `${operation} ${nth}`);
      assertEquals((await store(place, ["a", "x"])).as, ["a", "x"]);
    }
  }
});

Deno.test("StagedFile publishes nothing when a step without hard links fails", async () => {
  const steps = [["writeNew", 1], ["writeNew", 2], ["rename", 1], ["rename", 2], [
    "syncDirectory",
    1,
  ]] as const;
  for (const [operation, nth] of steps) {
    await using place = await scratchPlace();
    const files = watchedFiles(all(withoutLinks(), failingAt(operation, { errno: "EIO", nth })));
    assertEquals(await codeOf(store(place, ["x"], { files })), "io");
    assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
  }
});

Deno.test("StagedFile counts a file as published although its staging name cannot be removed", async () => {
  await using place = await scratchPlace();
  const files = watchedFiles(failingAt("remove", { errno: "EIO" }));
  assertEquals((await store(place, ["x"], { files })).as, ["x"]);
  assertEquals(tree(place.root), { x: "hello world" });
  assertEquals(await sweepAll(place.staging), 1);
  assertEquals(tree(place.root), { x: "hello world" });
});

Deno.test("StagedFile stays failed after a write that failed, although the next would succeed (fault 19)", async () => {
  await using place = await scratchPlace();
  await using staged = await place.open(
    watchedFiles(failingAt("write", { errno: "ENOSPC", nth: 2 })),
  );
  await staged.write(HELLO);
  assertEquals(await codeOf(staged.write(HELLO)), "no_space");
  assertEquals(await codeOf(staged.write(HELLO)), "no_space");
  assertEquals(staged.bytes, 11);
  const publish = staged.publish({ root: place.root, segments: ["x"], expectedBytes: 11 });
  assertEquals(await codeOf(publish), "no_space");
  assertEquals(tree(place.root), {});
});

Deno.test("StagedFile writes on after short writes and fails when nothing is written at all", async () => {
  await using place = await scratchPlace();
  const limited = (limit: number): FileSystem =>
    changedFiles((file) => ({
      write: (bytes) => limit === 0 ? Promise.resolve(0) : file.write(bytes.subarray(0, limit)),
    }));
  await store(place, ["x"], { files: limited(3) });
  assertEquals(tree(place.root), { x: "hello world" });
  assertEquals(await codeOf(store(place, ["y"], { files: limited(0) })), "io");
});

Deno.test("StagedFile fails when its file cannot be closed (fault 19)", async () => {
  await using place = await scratchPlace();
  const files = changedFiles((file) => ({
    close: () => {
      file.close();
      throw systemError("EIO");
    },
  }));
  assertEquals(await codeOf(store(place, ["x"], { files })), "io");
  assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
});

Deno.test("StagedFile refuses two operations at once and any after it is closed", async () => {
  await using place = await scratchPlace();
  const staged = await place.open();
  const writing = staged.write(HELLO);
  await assertRejects(() => staged.write(HELLO), TypeError);
  await writing;
  await staged.publish({ root: place.root, segments: ["x"], expectedBytes: 11 });
  await assertRejects(() => staged.write(HELLO), TypeError);
  await assertRejects(
    () => staged.publish({ root: place.root, segments: ["y"], expectedBytes: 11 }),
    TypeError,
  );
  assertEquals(tree(place.root), { x: "hello world" });
});

Deno.test("StagedFile.discard() leaves nothing, disposing leaves the file for another time", async () => {
  await using place = await scratchPlace();
  const discarded = await place.open();
  await discarded.write(HELLO);
  await discarded.discard();
  await discarded.discard();
  assertEquals(tree(place.staging), {});
  {
    await using closed = await place.open();
    await closed.write(HELLO);
  }
  assertEquals(tree(place.staging), { "id-2": "hello world", "id-2.json": '{"synced":11}' });
  assertEquals(await sweepAll(place.staging), 1);
  assertEquals(tree(place.staging), {});
});

Deno.test("StagedFile gives up when 9,999 names are taken, and tries each", async () => {
  await using place = await scratchPlace();
  let tries = 0;
  const files = watchedFiles((name) => {
    if (name !== "link") return;
    tries++;
    throw systemError("EEXIST");
  });
  assertEquals(await codeOf(store(place, ["x"], { files })), "denied");
  assertEquals([tries, tree(place.root)], [9_999, {}]);
});

Deno.test("StagedFile makes a root whose parents are missing, and not below a file", async () => {
  await using place = await scratchPlace();
  const root = join(place.path, "a", "b", "c");
  const synced: string[] = [];
  const files: FileSystem = {
    ...systemFiles,
    syncDirectory: async (path) => {
      synced.push(path);
      await systemFiles.syncDirectory(path);
    },
  };
  await store(place, ["x"], { root, files });
  assertEquals(tree(root), { x: "hello world" });
  assertEquals(synced.sort(), [
    place.path,
    join(place.path, "a"),
    join(place.path, "a", "b"),
    root,
  ]);
  await Deno.writeTextFile(join(place.path, "file"), "");
  assertEquals(await codeOf(store(place, ["x"], { root: join(place.path, "file", "c") })), "io");
});

Deno.test("StagedFile.discard() says when the staging file stays", async () => {
  await using place = await scratchPlace();
  const staged = await place.open(watchedFiles(failingAt("remove", { errno: "EIO" })));
  assertEquals(await codeOf(staged.discard()), "io");
  const removed = await place.open();
  await Deno.remove(join(place.staging, "id-2"));
  await removed.discard();
});

Deno.test("StagedFile.open() refuses ids that are paths, and an id that is open already", async () => {
  await using place = await scratchPlace();
  for (const id of ["", "..", "../x", "a/b", "a\\b", "C:", "x".repeat(65), "nul\0", "x.json"]) {
    await assertRejects(() => StagedFile.open({ stagingDirectory: place.staging, id }), TypeError);
  }
  const one = () => StagedFile.open({ stagingDirectory: place.staging, id: "one" });
  await using staged = await one();
  assertEquals(await codeOf(one()), "io");
  await staged.suspend();
  await using _again = await one();
});

Deno.test("sweepStaging() has nothing to do where nothing was staged", async () => {
  await using place = await scratchPlace();
  assertEquals(await sweepAll(place.staging), 0);
});
