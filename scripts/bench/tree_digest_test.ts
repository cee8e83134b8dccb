import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { temporaryDirectory } from "../../tests/temporary_directory.ts";
import { treeDigest } from "./tree_digest.ts";

Deno.test("treeDigest() tells trees apart by name, bytes and empty folders, not by their own name", async () => {
  await using place = await temporaryDirectory();
  const tree = async (name: string, files: Record<string, string>, folder?: string) => {
    const root = join(place.path, name);
    await Deno.mkdir(join(root, "sub"), { recursive: true });
    if (folder !== undefined) await Deno.mkdir(join(root, folder));
    for (const [path, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(root, path), text);
    }
    return treeDigest(root);
  };
  const files = { "a": "1", "sub/b": "2" };
  const digest = await tree("first", files);
  assertEquals(await tree("second", files), digest);
  assertNotEquals(await tree("third", { "a": "1", "sub/c": "2" }), digest);
  assertNotEquals(await tree("fourth", { "a": "1", "sub/b": "3" }), digest);
  assertNotEquals(await tree("fifth", files, "empty"), digest);
  assertThrows(() => treeDigest(join(place.path, "absent")), Deno.errors.NotFound);
});

Deno.test("treeDigest() of a file is its size and SHA-256", async () => {
  await using place = await temporaryDirectory();
  const path = join(place.path, "a");
  await Deno.writeTextFile(path, "abc");
  const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(treeDigest(path), `3 ${sha256}`);
});
