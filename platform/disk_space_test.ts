import { assert, assertEquals } from "@std/assert";
import { DiskSpace, isNoSpace, type Reservation, type SpaceFacts } from "./disk_space.ts";

const GIB = 1024 ** 3;

/** A disk of `size` bytes in blocks of 1, of which `free` are free; both can change. */
function disk(size: number, free = size) {
  const facts = { bsize: 1, blocks: size, bavail: free };
  return { facts, statfs: (): Promise<SpaceFacts> => Promise.resolve({ ...facts }) };
}

async function reserved(space: DiskSpace, bytes: number): Promise<Reservation> {
  const answer = await space.reserve(bytes);
  if (isNoSpace(answer)) throw new Error("space was refused");
  return answer;
}

Deno.test("DiskSpace promises no byte twice", async () => {
  const { statfs } = disk(1_000);
  const space = new DiskSpace({ directory: "/", minFreeBytes: 100, statfs });
  const first = await reserved(space, 500);
  assertEquals(await space.reserve(401), { free: 400, needed: 401 });
  using _second = await reserved(space, 400);
  assertEquals(await space.reserve(1), { free: 0, needed: 1 });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assertEquals(await space.free(), 500);
});

Deno.test("DiskSpace gives only one of two at once the last bytes", async () => {
  const { statfs } = disk(1_000);
  const space = new DiskSpace({ directory: "/", minFreeBytes: 0, statfs });
  const answers = await Promise.all([600, 600, 400].map((bytes) => space.reserve(bytes)));
  assertEquals(answers.map(isNoSpace), [false, true, false]);
});

Deno.test("DiskSpace does not count written bytes twice", async () => {
  const { facts, statfs } = disk(1_000);
  const space = new DiskSpace({ directory: "/", minFreeBytes: 0, statfs });
  using reservation = await reserved(space, 600);
  facts.bavail -= 250;
  reservation.wrote(250);
  assertEquals(await space.free(), 400);
  facts.bavail -= 400;
  reservation.wrote(400);
  assertEquals(await space.free(), 350);
});

Deno.test("DiskSpace keeps 1 % of the disk free, and at most 1 GiB", async () => {
  const free = (size: number) =>
    new DiskSpace({ directory: "/", statfs: disk(size).statfs }).free();
  assertEquals(await free(64 * 1024 ** 2), Math.floor(64 * 1024 ** 2 * 0.99));
  assertEquals(await free(500 * GIB), 499 * GIB);
  assertEquals(await new DiskSpace({ directory: "/", statfs: disk(1_000, 5).statfs }).free(), 0);
});

Deno.test("DiskSpace refuses what it cannot find out, and asks again the next time", async () => {
  const error = new Error("gone");
  let answer: () => Promise<SpaceFacts> = () => Promise.reject(error);
  const space = new DiskSpace({ directory: "/", minFreeBytes: 0, statfs: () => answer() });
  assertEquals(await space.reserve(0), { free: 0, needed: 0, cause: error });
  answer = disk(NaN).statfs;
  assertEquals(isNoSpace(await space.reserve(0)), true);
  answer = disk(1_000).statfs;
  assertEquals(isNoSpace(await space.reserve(1_000)), false);
});

Deno.test("DiskSpace asks the machine", async () => {
  const directory = Deno.makeTempDirSync();
  const space = new DiskSpace({ directory, minFreeBytes: 0 });
  assert(await space.free() > 0);
  assertEquals(isNoSpace(await space.reserve(Number.MAX_SAFE_INTEGER)), true);
  Deno.removeSync(directory);
  assertEquals(isNoSpace(await space.reserve(1)), true);
});
