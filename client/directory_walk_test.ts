import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { MAX_MANIFEST_ENTRIES, MAX_PATH_SEGMENTS } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import { walkDirectory } from "./directory_walk.ts";
import { backgroundSources, blockingSources, type SourceAccess } from "./source_access.ts";

for (const [name, access] of Object.entries({ blockingSources, backgroundSources })) {
  Deno.test(`walkDirectory() finds files in order, empty folders, and what it skips (${name})`, async () => {
    const root = await Deno.makeTempDir();
    await Deno.mkdir(join(root, "b", "empty"), { recursive: true });
    for (const path of [["b", "é"], ["a"], ["-c"]]) {
      await Deno.writeTextFile(join(root, ...path), "12345");
    }
    if (Deno.build.os !== "windows") {
      await Deno.symlink("/", join(root, "link"));
      await Deno.symlink("nowhere", join(root, "b", "broken"));
    }
    const walked = await walkDirectory(root, { access });
    assertEquals(walked.files.map(({ path, size }) => [path, size]), [
      [["-c"], 5],
      [["a"], 5],
      [["b", "é"], 5],
    ]);
    assertEquals(walked.files[2]?.source, join(root, "b", "é"));
    assertEquals(walked.directories, [["b", "empty"]]);
    if (Deno.build.os !== "windows") {
      assertEquals(walked.leftOut.map(({ path, state, code }) => [path, state, code]), [
        [join(root, "b", "broken"), "skipped", "link"],
        [join(root, "link"), "skipped", "link"],
      ]);
    }
    await Deno.remove(root, { recursive: true });
  });

  Deno.test(`read() tells a file that is shorter or longer than it should be (${name})`, async () => {
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, "12345");
    const counts = [];
    for (const size of [4, 5, 6]) counts.push(await access.read(path, new Uint8Array(size + 1)));
    assertEquals(counts, [5, 5, 5]);
    await Deno.remove(path);
  });
}

/** A file system that exists in words only. */
function imagined(overrides: Partial<SourceAccess>): SourceAccess {
  return {
    facts: () => ({ kind: "file", size: 0, mtime: 0 }),
    names: () => [],
    read: () => 0,
    ...overrides,
  };
}

Deno.test("walkDirectory() does not go deeper than a path may be", async () => {
  const access = imagined({
    facts: () => ({ kind: "folder", size: 0, mtime: 0 }),
    names: () => ["d"],
  });
  const walked = await walkDirectory("root", { access });
  assertEquals(walked.files, []);
  assertEquals(walked.leftOut.map(({ path, state }) => [path.split(/[/\\]/).length, state]), [
    [MAX_PATH_SEGMENTS + 1, "failed"],
  ]);
});

Deno.test("walkDirectory() refuses more entries than a manifest may have", async () => {
  const names = Array.from({ length: MAX_MANIFEST_ENTRIES + 1 }, (_, n) => `${n}`);
  const access = imagined({ names: () => names });
  const error = await assertRejects(() => walkDirectory("root", { access }), ClientError, "100000");
  assertEquals([error.exitCode, error.code], [4, "too_large"]);
});

Deno.test("walkDirectory() reports what cannot be looked at, and goes on", async () => {
  const access = imagined({
    names: () => ["bad", "good"],
    facts: (path) => {
      if (path.endsWith("bad")) throw new Deno.errors.PermissionDenied("no");
      return { kind: "file", size: 1, mtime: 0 };
    },
  });
  const walked = await walkDirectory("root", { access });
  assertEquals(walked.files.map(({ path }) => path), [["good"]]);
  assertEquals(walked.leftOut.map(({ state, code, reason }) => [state, code, reason]), [
    ["failed", "unreadable", "this user may not read it"],
  ]);
});
