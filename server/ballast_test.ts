import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { BALLAST_BYTES, ballastBytes, ballastFile, MIN_BALLAST_BYTES } from "./ballast.ts";

const MIB = 1024 * 1024;

async function begin() {
  const path = await Deno.makeTempDir({ prefix: "hb-ballast-" });
  return {
    file: join(path, "ballast"),
    ballast: ballastFile(path),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("ballastBytes() takes a quarter of what is free, at most 16 MiB and nothing below 1 MiB", () => {
  assertEquals(ballastBytes(4 * BALLAST_BYTES), BALLAST_BYTES);
  assertEquals(ballastBytes(1_000 * BALLAST_BYTES), BALLAST_BYTES);
  assertEquals(ballastBytes(4 * BALLAST_BYTES - 4), BALLAST_BYTES - 1);
  assertEquals(ballastBytes(4 * MIN_BALLAST_BYTES), MIN_BALLAST_BYTES);
  assertEquals(ballastBytes(4 * MIN_BALLAST_BYTES - 1), 0);
});

Deno.test("a ballast is written out for its owner alone, kept, and given back", async () => {
  await using place = await begin();
  const { ballast, file } = place;
  assertEquals(await ballast.make(8 * MIB), 2 * MIB);
  const { size, mode, blocks, ino } = await Deno.stat(file);
  assertEquals([size, (blocks ?? 0) * 512 >= size], [2 * MIB, true]);
  if (Deno.build.os !== "windows") assertEquals((mode ?? 0) & 0o777, 0o600);
  assertEquals(await ballast.make(6 * MIB), 2 * MIB);
  assertEquals((await Deno.stat(file)).ino, ino, "it is the same file");
  assertEquals(await ballast.remove(), 2 * MIB);
  assertEquals(await ballast.remove(), 0);
});

Deno.test("a ballast that a crash has cut off, or that was for a smaller disk, is made anew", async () => {
  await using place = await begin();
  const { ballast, file } = place;
  await Deno.writeFile(file, new Uint8Array(MIB / 2));
  assertEquals(await ballast.make(8 * MIB), (8 * MIB + MIB / 2) / 4);
  assertEquals(await ballast.make(100 * MIB), BALLAST_BYTES);
  assertEquals((await Deno.stat(file)).size, BALLAST_BYTES);
});

Deno.test("a disk too small for a ballast gets none", async () => {
  await using place = await begin();
  assertEquals(await place.ballast.make(3 * MIB), 0);
  assertEquals(await place.ballast.remove(), 0);
});
