import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DurableFileError, type PublishOptions, StagedFile, sweepStaging } from "./durable_file.ts";
import { type FileSystem, systemFiles, type WritableFile } from "./file_system.ts";

const encoder = new TextEncoder();
const HELLO = encoder.encode("hello world");
const HELLO_SHA256 = createHash("sha256").update(HELLO).digest("hex");
const isWindows = Deno.build.os === "windows";

/** A root and a staging directory of the test's own, removed at its end. */
async function scratch() {
  const path = await Deno.makeTempDir();
  const staging = join(path, "staging");
  const root = join(path, "root");
  let count = 0;
  return {
    ...{ path, root, staging },
    create: (files?: FileSystem) =>
      StagedFile.create({
        stagingDirectory: staging,
        id: `id-${++count}`,
        ...(files === undefined ? {} : { files }),
      }),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Every file and link below a directory by its path there, with its text; nothing when it is missing. */
function tree(directory: string, prefix = ""): Record<string, string> {
  const found: Record<string, string> = {};
  let entries: Deno.DirEntry[] = [];
  try {
    entries = [...Deno.readDirSync(directory)];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(directory, name);
    if (isDirectory) Object.assign(found, tree(path, `${prefix}${name}/`));
    else found[prefix + name] = Deno.readTextFileSync(path);
  }
  return found;
}

/** Stages `text` and publishes it. */
async function store(
  place: Awaited<ReturnType<typeof scratch>>,
  segments: string[],
  { text = "hello world", files, ...rest }:
    & { text?: string; files?: FileSystem }
    & Partial<PublishOptions> = {},
) {
  await using staged = await place.create(files);
  await staged.write(encoder.encode(text));
  return await staged.publish({ root: place.root, segments, expectedBytes: text.length, ...rest });
}

async function code(promise: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => promise, DurableFileError);
  assertEquals(error.name, "DurableFileError");
  return error.code;
}

/** The machine's files, with `before` called ahead of every operation by its name. */
function watched(before: (operation: string) => void | Promise<void>): FileSystem {
  const wrapFile = (file: WritableFile): WritableFile => ({
    write: async (bytes) => {
      await before("write");
      return await file.write(bytes);
    },
    sync: async () => {
      await before("sync");
      await file.sync();
    },
    close: () => file.close(),
  });
  return {
    create: async (path) => {
      await before("create");
      return wrapFile(await systemFiles.create(path));
    },
    makeDirectory: async (path, mode) => {
      await before("makeDirectory");
      await systemFiles.makeDirectory(path, mode);
    },
    look: async (path) => {
      await before("look");
      return await systemFiles.look(path);
    },
    realPath: async (path) => {
      await before("realPath");
      return await systemFiles.realPath(path);
    },
    link: async (from, to) => {
      await before("link");
      await systemFiles.link(from, to);
    },
    rename: async (from, to) => {
      await before("rename");
      await systemFiles.rename(from, to);
    },
    remove: async (path) => {
      await before("remove");
      await systemFiles.remove(path);
    },
    list: async (path) => {
      await before("list");
      return await systemFiles.list(path);
    },
    syncDirectory: async (path) => {
      await before("syncDirectory");
      await systemFiles.syncDirectory(path);
    },
  };
}

function systemError(errno: string): Error {
  return Object.assign(new Error(`injected ${errno}`), { code: errno });
}

/** Files whose `nth` call of an operation fails. */
function failing(
  operation: string,
  { errno, nth = 1 }: { errno: string; nth?: number },
): FileSystem {
  let calls = 0;
  return watched((name) => {
    if (name === operation && ++calls === nth) throw systemError(errno);
  });
}

/** Files without hard links, as on FAT. */
function withoutLinks(errno = "EPERM"): FileSystem {
  return watched((name) => {
    if (name === "link") throw systemError(errno);
  });
}

Deno.test("StagedFile publishes exactly the bytes it was given", async () => {
  await using place = await scratch();
  const staged = await place.create();
  await staged.write(HELLO.subarray(0, 5));
  await staged.write(new Uint8Array());
  await staged.write(HELLO.subarray(5));
  assertEquals([staged.bytes, staged.sha256Hex()], [11, HELLO_SHA256]);
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
  assertEquals(tree(place.staging), {});
  await staged.discard();
  assertEquals(tree(place.root), { "docs/2026/hello.txt": "hello world" });
});

Deno.test("StagedFile takes a chunk whose buffer is used again", async () => {
  await using place = await scratch();
  await using staged = await place.create();
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
  await using place = await scratch();
  await store(place, ["empty"], { text: "" });
  assertEquals(tree(place.root), { empty: "" });
});

Deno.test(
  "StagedFile keeps its directories and files to itself",
  { ignore: isWindows },
  async () => {
    await using place = await scratch();
    await using staged = await place.create();
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
  await using place = await scratch();
  assertEquals(await code(store(place, ["a"], { expectedBytes: 10 })), "bad_size");
  assertEquals(await code(store(place, ["a"], { expectedBytes: 12 })), "bad_size");
  assertEquals(await code(store(place, ["a"], { expectedSha256: "0".repeat(64) })), "hash");
  assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
});

Deno.test("StagedFile numbers a name that is taken and never touches what is there", async () => {
  await using place = await scratch();
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
    await using place = await scratch();
    await Deno.mkdir(place.root);
    await Deno.writeTextFile(join(place.path, "victim"), "theirs");
    await Deno.symlink(join(place.path, "victim"), join(place.root, "a"));
    await Deno.symlink(join(place.path, "nowhere"), join(place.root, "b"));
    for (const files of [systemFiles, withoutLinks()]) {
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
    await using place = await scratch();
    await Deno.mkdir(join(place.path, "elsewhere", "deep"), { recursive: true });
    await Deno.mkdir(place.root);
    await Deno.symlink(join(place.path, "elsewhere"), join(place.root, "link"));
    await Deno.symlink("loop", join(place.root, "loop"));
    await Deno.writeTextFile(join(place.root, "file"), "mine");
    for (const folder of ["link", "loop", "file"]) {
      assertEquals(await code(store(place, [folder, "x"])), "denied");
      assertEquals(await code(store(place, [folder, "deep", "x"])), "denied");
    }
    assertEquals(tree(join(place.path, "elsewhere")), {});
    await Deno.rename(place.root, join(place.path, "real"));
    await Deno.symlink(join(place.path, "real"), place.root);
    assertEquals(await code(store(place, ["x"])), "denied");
  },
);

Deno.test(
  "StagedFile notices a parent that is swapped for a link meanwhile",
  { ignore: isWindows },
  async () => {
    for (const operation of ["link", "realPath"]) {
      await using place = await scratch();
      const elsewhere = join(place.path, "elsewhere");
      await Deno.mkdir(elsewhere);
      await Deno.writeTextFile(join(elsewhere, "other"), "theirs");
      let swapped = false;
      const files = watched(async (name) => {
        if (name !== operation || swapped) return;
        swapped = true;
        await Deno.rename(join(place.root, "folder"), join(place.path, "moved"));
        await Deno.symlink(elsewhere, join(place.root, "folder"));
      });
      assertEquals(await code(store(place, ["folder", "x"], { files })), "denied");
      assertEquals(tree(elsewhere), { other: "theirs" });
      assertEquals(tree(place.staging), {});
    }
  },
);

Deno.test("StagedFile does not remove another's file from a folder swapped after the fact", {
  ignore: isWindows,
}, async () => {
  await using place = await scratch();
  const elsewhere = join(place.path, "elsewhere");
  await Deno.mkdir(elsewhere);
  await Deno.writeTextFile(join(elsewhere, "x"), "theirs");
  let looks = 0;
  const files = watched(async (name) => {
    if (name !== "realPath" || ++looks !== 3) return;
    await Deno.rename(join(place.root, "folder"), join(place.path, "moved"));
    await Deno.symlink(elsewhere, join(place.root, "folder"));
  });
  assertEquals(await code(store(place, ["folder", "x"], { files })), "denied");
  assertEquals(tree(elsewhere), { x: "theirs" });
});

Deno.test("StagedFile refuses a path that would leave its root", async () => {
  await using place = await scratch();
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
  ) assertEquals(await code(store(place, segments)), "denied");
  assertEquals(tree(place.root), {});
});

Deno.test("StagedFile gives every one of many publishers at once a name of its own", async () => {
  for (const files of [systemFiles, withoutLinks()]) {
    await using place = await scratch();
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
    await using place = await scratch();
    const files = withoutLinks(errno);
    assertEquals((await store(place, ["a", "x"], { files })).as, ["a", "x"]);
    assertEquals((await store(place, ["a", "x"], { files, text: "two" })).as, ["a", "x (2)"]);
    assertEquals(tree(place.root), { "a/x": "hello world", "a/x (2)": "two" });
    assertEquals(tree(place.staging), {});
  }
});

Deno.test("StagedFile publishes nothing when any one step fails, and says why", async () => {
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
    ["realPath", 3],
    ["syncDirectory", 1],
    ["syncDirectory", 2],
    ["syncDirectory", 3],
    ["makeDirectory", 1],
    ["makeDirectory", 2],
    ["makeDirectory", 3],
  ];
  for (const [operation, nth] of steps) {
    for (const [errno, expected] of Object.entries(codes)) {
      await using place = await scratch();
      const files = failing(operation, { errno, nth });
      assertEquals(
        await code(store(place, ["a", "x"], { files })),
        expected,
        `${operation} ${nth}`,
      );
      assertEquals([tree(place.root), tree(place.staging)], [{}, {}], `${operation} ${nth}`);
      assertEquals((await store(place, ["a", "x"])).as, ["a", "x"]);
    }
  }
});

Deno.test("StagedFile publishes nothing when a step without hard links fails", async () => {
  for (const [operation, nth] of [["create", 2], ["rename", 1], ["syncDirectory", 1]] as const) {
    await using place = await scratch();
    let calls = 0;
    const files = watched((name) => {
      if (name === "link") throw systemError("EPERM");
      if (name === operation && ++calls === nth) throw systemError("EIO");
    });
    assertEquals(await code(store(place, ["x"], { files })), "io");
    assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
  }
});

Deno.test("StagedFile counts a file as published although its staging name cannot be removed", async () => {
  await using place = await scratch();
  assertEquals((await store(place, ["x"], { files: failing("remove", { errno: "EIO" }) })).as, [
    "x",
  ]);
  assertEquals(tree(place.root), { x: "hello world" });
  assertEquals(await sweepStaging(place.staging), 1);
  assertEquals(tree(place.root), { x: "hello world" });
});

Deno.test("StagedFile stays failed after a write that failed, although the next would succeed", async () => {
  await using place = await scratch();
  await using staged = await place.create(failing("write", { errno: "ENOSPC", nth: 2 }));
  await staged.write(HELLO);
  assertEquals(await code(staged.write(HELLO)), "no_space");
  assertEquals(await code(staged.write(HELLO)), "no_space");
  assertEquals(staged.bytes, 11);
  const publish = staged.publish({ root: place.root, segments: ["x"], expectedBytes: 11 });
  assertEquals(await code(publish), "no_space");
  assertEquals(tree(place.root), {});
});

Deno.test("StagedFile writes on after short writes and fails when nothing is written at all", async () => {
  await using place = await scratch();
  const limited = (limit: number): FileSystem => ({
    ...systemFiles,
    create: async (path) => {
      const file = await systemFiles.create(path);
      return {
        write: (bytes) => limit === 0 ? Promise.resolve(0) : file.write(bytes.subarray(0, limit)),
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  });
  await store(place, ["x"], { files: limited(3) });
  assertEquals(tree(place.root), { x: "hello world" });
  assertEquals(await code(store(place, ["y"], { files: limited(0) })), "io");
});

Deno.test("StagedFile fails when its file cannot be closed", async () => {
  await using place = await scratch();
  const files: FileSystem = {
    ...systemFiles,
    create: async (path) => {
      const file = await systemFiles.create(path);
      return {
        write: (bytes) => file.write(bytes),
        sync: () => file.sync(),
        close: () => {
          file.close();
          throw systemError("EIO");
        },
      };
    },
  };
  assertEquals(await code(store(place, ["x"], { files })), "io");
  assertEquals([tree(place.root), tree(place.staging)], [{}, {}]);
});

Deno.test("StagedFile refuses two operations at once and any after it is closed", async () => {
  await using place = await scratch();
  const staged = await place.create();
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

Deno.test("StagedFile.discard() leaves nothing, dispose leaves the file for the sweep", async () => {
  await using place = await scratch();
  const discarded = await place.create();
  await discarded.write(HELLO);
  await discarded.discard();
  await discarded.discard();
  assertEquals(tree(place.staging), {});
  {
    using closed = await place.create();
    await closed.write(HELLO);
  }
  assertEquals(tree(place.staging), { "id-2": "hello world" });
  assertEquals(await sweepStaging(place.staging), 1);
  assertEquals(tree(place.staging), {});
});

Deno.test("StagedFile gives up when 9,999 names are taken, and tries each", async () => {
  await using place = await scratch();
  let tries = 0;
  const files = watched((name) => {
    if (name !== "link") return;
    tries++;
    throw systemError("EEXIST");
  });
  assertEquals(await code(store(place, ["x"], { files })), "denied");
  assertEquals([tries, tree(place.root)], [9_999, {}]);
});

Deno.test("StagedFile makes a root whose parents are missing, and not below a file", async () => {
  await using place = await scratch();
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
  assertEquals(await code(store(place, ["x"], { root: join(place.path, "file", "c") })), "io");
});

Deno.test("StagedFile.discard() says when the staging file stays", async () => {
  await using place = await scratch();
  const staged = await place.create(failing("remove", { errno: "EIO" }));
  assertEquals(await code(staged.discard()), "io");
  const removed = await place.create();
  await Deno.remove(join(place.staging, "id-2"));
  await removed.discard();
});

Deno.test("StagedFile.create() refuses ids that are paths, used ids and a linked staging directory", async () => {
  await using place = await scratch();
  for (const id of ["", "..", "../x", "a/b", "a\\b", "C:", "x".repeat(65), "nul\0"]) {
    await assertRejects(
      () => StagedFile.create({ stagingDirectory: place.staging, id }),
      TypeError,
    );
  }
  await using _staged = await StagedFile.create({ stagingDirectory: place.staging, id: "one" });
  assertEquals(await code(StagedFile.create({ stagingDirectory: place.staging, id: "one" })), "io");
  if (isWindows) return;
  const linked = join(place.path, "linked");
  await Deno.symlink(place.root, linked);
  await Deno.mkdir(place.root);
  await Deno.writeTextFile(join(place.root, "kept"), "theirs");
  assertEquals(await code(StagedFile.create({ stagingDirectory: linked, id: "two" })), "denied");
  assertEquals(await code(sweepStaging(linked)), "denied");
  assertEquals(tree(place.root), { kept: "theirs" });
});

Deno.test("sweepStaging() has nothing to do where nothing was staged", async () => {
  await using place = await scratch();
  assertEquals(await sweepStaging(place.staging), 0);
});

Deno.test("StagedFile killed before any step leaves the old files or the whole new one", async () => {
  let published = false;
  for (let step = 1; !published; step++) {
    await using place = await scratch();
    await Deno.mkdir(place.root);
    await Deno.writeTextFile(join(place.root, "x"), "old");
    published = await publishAndDie(place, step);
    const { x, "x (2)": second, ...others } = tree(place.root);
    assertEquals([x, others], ["old", {}], `step ${step}`);
    assert(second === undefined || second === "hello world", `step ${step}: ${second}`);
    assertEquals(published && second === undefined, false);
    await sweepStaging(place.staging);
    assertEquals([tree(place.staging), tree(place.root)["x (2)"]], [{}, second]);
    assert(step < 50);
  }
});

/** Publishes `x` in another process that kills itself before its `step`th operation; whether it got through. */
async function publishAndDie(
  place: Awaited<ReturnType<typeof scratch>>,
  step: number,
): Promise<boolean> {
  const script = `
    import { StagedFile } from "${import.meta.resolve("./durable_file.ts")}";
    import { systemFiles } from "${import.meta.resolve("./file_system.ts")}";
    let left = ${step};
    const count = () => { if (--left === 0) Deno.kill(Deno.pid, "SIGKILL"); };
    const wrap = (port) => new Proxy(port, { get: (target, name) => name !== "then" && ((...args) => {
      count();
      const result = target[name](...args);
      return name === "create" ? result.then(wrap) : result;
    }) });
    const staged = await StagedFile.create({
      stagingDirectory: ${
    JSON.stringify(place.staging)
  }, id: "one", files: wrap({ ...systemFiles }),
    });
    await staged.write(new TextEncoder().encode("hello world"));
    await staged.publish({
      root: ${JSON.stringify(place.root)}, segments: ["x"], expectedBytes: 11,
    });`;
  const { code, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
  }).output();
  assert(code === 0 || signal === "SIGKILL", `code ${code}`);
  return code === 0;
}
