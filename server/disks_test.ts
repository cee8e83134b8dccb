import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { Disks } from "./disks.ts";

const facts = () => Promise.resolve({ bsize: 1, blocks: 1_000, bavail: 500 });

Deno.test("two folders on one disk share what is promised, those of two disks do not", async () => {
  const deviceOf = (directory: string) => Promise.resolve(directory.startsWith("/a") ? 1 : 2);
  const disks = new Disks({ minFreeBytes: 0, statfs: facts, deviceOf });
  const files = await disks.of("/a/files");
  using _promised = await files.reserve(200) as Disposable;
  const free = async (directory: string) => await (await disks.of(directory)).free();
  assertEquals([await free("/a/files"), await free("/a/outgoing"), await free("/b")], [
    300,
    300,
    500,
  ]);
});

Deno.test("folders whose disk the system does not name are counted by themselves", async () => {
  const disks = new Disks({
    minFreeBytes: 0,
    statfs: facts,
    deviceOf: () => Promise.resolve(null),
  });
  using _promised = await (await disks.of("/a")).reserve(200) as Disposable;
  assertEquals(await (await disks.of("/a")).free(), 300);
  assertEquals(await (await disks.of("/b")).free(), 500);
});

Deno.test("real folders of one disk are found to be on one", async () => {
  const root = await Deno.makeTempDir();
  try {
    const [one, other] = [join(root, "one"), join(root, "other")];
    for (const directory of [one, other]) await Deno.mkdir(directory);
    const disks = new Disks();
    const isOne = await disks.of(one) === await disks.of(other);
    if (Deno.build.os !== "windows") assertEquals(isOne, true);
    await assertRejects(() => disks.of(join(root, "absent")), Deno.errors.NotFound);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
