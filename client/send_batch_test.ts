import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { ClientError } from "./client_error.ts";
import { batchesOf, walkBatch } from "./send_batch.ts";
import { blockingSources } from "./source_access.ts";

async function inDirectory(run: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(join(root, "d"));
  for (const path of ["a", "b", join("d", "a")]) await Deno.writeTextFile(join(root, path), path);
  await run(root);
  await Deno.remove(root, { recursive: true });
}

Deno.test("batchesOf() sends one file, or something that does not exist, by itself", async () => {
  await inDirectory((root) => {
    const paths = [join(root, "a"), join(root, "none")];
    assertEquals(batchesOf(paths), paths.map((path) => ({ kind: "file", path })));
    return Promise.resolve();
  });
});

Deno.test("batchesOf() puts several files together, except a second one of the same name", async () => {
  await inDirectory(async (root) => {
    const [a, b, second] = [join(root, "a"), join(root, "b"), join(root, "d", "a")];
    const [together, alone] = batchesOf([a, b, second]);
    assertEquals(alone, { kind: "file", path: second });
    if (together?.kind !== "files") throw new Error("They are not together");
    const walked = await walkBatch(together, { access: blockingSources });
    assertEquals(walked.files.map(({ path, source }) => [path, source]), [[["a"], a], [["b"], b]]);
    const [again] = batchesOf([a, b]);
    const [other] = batchesOf([b, a]);
    assertEquals(again?.kind === "files" && again.key, together.key);
    assertEquals(other?.kind === "files" && other.key === together.key, false);
  });
});

Deno.test("batchesOf() takes a folder's own name for . and refuses a folder without one", async () => {
  await inDirectory(async (root) => {
    const [dot] = batchesOf([join(root, "d", ".")]);
    assertEquals(dot?.kind === "folder" && [dot.folder, dot.key], ["d", join(root, "d")]);
    const [whole] = batchesOf(["/"]);
    if (whole?.kind !== "folder") throw new Error("The root is a folder");
    await assertRejects(
      () => walkBatch(whole, { access: blockingSources }),
      ClientError,
      "this folder has no name",
    );
  });
});
