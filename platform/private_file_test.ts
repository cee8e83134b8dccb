import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { MAX_PRIVATE_FILE_BYTES, readPrivateFile, writePrivateFile } from "./private_file.ts";
import { syncDirectory } from "./sync_directory.ts";

/** A directory of the test's own, removed at its end. */
async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

Deno.test("writePrivateFile() writes for the owner alone and leaves nothing else behind", async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  await writePrivateFile(path, "geheim ✓");
  assertEquals(await readPrivateFile(path), "geheim ✓");
  if (Deno.build.os !== "windows") {
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  }
  assertEquals(names(root.path), ["token"]);
});

Deno.test("writePrivateFile() replaces a file as a whole, and its looser mode", async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  await Deno.writeTextFile(path, "a much longer old text", { mode: 0o644 });
  await writePrivateFile(path, "new");
  assertEquals(await readPrivateFile(path), "new");
  if (Deno.build.os !== "windows") {
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  }
});

Deno.test("writePrivateFile() replaces a link instead of following it", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  await Deno.writeTextFile(join(root.path, "victim"), "theirs");
  await Deno.symlink(join(root.path, "victim"), path);
  await writePrivateFile(path, "mine");
  assertEquals(await Deno.readTextFile(join(root.path, "victim")), "theirs");
  assertEquals(await readPrivateFile(path), "mine");
});

Deno.test("writePrivateFile() leaves the old file when it fails", async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  await Deno.mkdir(path);
  await assertRejects(() => writePrivateFile(path, "x"));
  assertEquals(names(root.path), ["token"]);
  await assertRejects(
    () => writePrivateFile(join(root.path, "none", "x"), "x"),
    Deno.errors.NotFound,
  );
});

Deno.test("writePrivateFile() lets the last of several writers win as a whole", async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  const texts = Array.from({ length: 8 }, (_, index) => String(index).repeat(50_000));
  await Promise.all(texts.map((text) => writePrivateFile(path, text)));
  assert(texts.includes(await readPrivateFile(path) ?? ""));
  assertEquals(names(root.path), ["token"]);
});

Deno.test("readPrivateFile() knows a missing file and refuses a huge one", async () => {
  await using root = await scratch();
  const path = join(root.path, "token");
  assertEquals(await readPrivateFile(path), undefined);
  await Deno.writeFile(path, new Uint8Array(MAX_PRIVATE_FILE_BYTES));
  assertEquals((await readPrivateFile(path))?.length, MAX_PRIVATE_FILE_BYTES);
  await Deno.writeFile(path, new Uint8Array(MAX_PRIVATE_FILE_BYTES + 1));
  await assertRejects(() => readPrivateFile(path), RangeError);
});

Deno.test("syncDirectory() flushes a directory and rejects for a missing one", async () => {
  await using root = await scratch();
  await syncDirectory(root.path);
  if (Deno.build.os !== "windows") {
    await assertRejects(() => syncDirectory(join(root.path, "none")), Deno.errors.NotFound);
  }
});
