import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { Quota } from "./quota.ts";
import { TransferError } from "./transfer_error.ts";

const TILL = { id: "k3", name: "till-3" };

/** A client's folders and its share of 1,000 bytes. */
async function begin(limit: number | undefined = 1_000) {
  const top = await Deno.makeTempDir();
  const folders = [join(top, "till-3"), join(top, "staging")];
  const quota = new Quota(limit, () => folders);
  const write = async (name: string, bytes: number) => {
    const path = join(folders[0] ?? top, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeFile(path, new Uint8Array(bytes));
    return path;
  };
  const refuses = async (bytes: number) => {
    const error = await assertRejects(() => quota.reserve(TILL, bytes), TransferError);
    assertEquals(error.code, "quota");
    return error.message;
  };
  const close = () => Deno.remove(top, { recursive: true });
  return { quota, folders, write, refuses, [Symbol.asyncDispose]: close };
}

Deno.test("Quota promises exactly what is left, and says in words why no more", async () => {
  await using place = await begin();
  const { quota, write, refuses } = place;
  await write("sub/a", 600);
  assertEquals(
    await refuses(401),
    "This machine's files take 600 B of the 1000 B that the server allows, and this needs 401 B",
  );
  using _rest = await quota.reserve(TILL, 400);
  await refuses(1);
});

Deno.test("Quota counts what is promised, once it is written too, until it is counted on disk", async () => {
  await using place = await begin();
  const { quota, write, refuses } = place;
  const room = await quota.reserve(TILL, 700);
  await refuses(301);
  await write("a", 500);
  room.wrote(500);
  await refuses(301); // 500 on disk, 200 to come.
  room[Symbol.dispose]();
  await refuses(501);
  using _rest = await quota.reserve(TILL, 500);
});

Deno.test("Quota counts a file once that has its staging name still", async () => {
  await using place = await begin();
  const { quota, folders, write } = place;
  const path = await write("a", 600);
  await Deno.mkdir(folders[1] ?? "");
  await Deno.link(path, join(folders[1] ?? "", "1"));
  using _rest = await quota.reserve(TILL, 400);
});

Deno.test("Quota counts no file that a link leads to", {
  ignore: Deno.build.os === "windows", // Links need a privilege there.
}, async () => {
  await using place = await begin();
  const { quota, folders, write } = place;
  await write("a", 100);
  const elsewhere = await Deno.makeTempFile();
  try {
    await Deno.truncate(elsewhere, 5_000);
    await Deno.symlink(elsewhere, join(folders[0] ?? "", "link"));
    using _rest = await quota.reserve(TILL, 900);
  } finally {
    await Deno.remove(elsewhere);
  }
});

Deno.test("Quota counts anew before it refuses: what was deleted makes room", async () => {
  await using place = await begin();
  const { quota, write, refuses } = place;
  const path = await write("a", 900);
  await refuses(200);
  await Deno.remove(path);
  using _room = await quota.reserve(TILL, 1_000);
});

Deno.test("Quota counts anew what it was told to forget", async () => {
  await using place = await begin();
  const { quota, write, refuses } = place;
  (await quota.reserve(TILL, 1_000))[Symbol.dispose]();
  await write("a", 900);
  quota.forget(TILL);
  await refuses(101);
});

Deno.test("Quota promises two that ask at once no more than there is", async () => {
  await using place = await begin();
  const { quota, write } = place;
  await write("a", 100);
  const asked = await Promise.allSettled([quota.reserve(TILL, 600), quota.reserve(TILL, 600)]);
  assertEquals(asked.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("Quota misses nothing that is written while it counts", async () => {
  await using place = await begin();
  const { quota, write, refuses } = place;
  for (let number = 0; number < 50; number++) await write(`${number}`, 2);
  const room = await quota.reserve(TILL, 800);
  const refused = refuses(150); // It counts now.
  room.wrote(800); // Where it has looked already.
  await refused;
  room[Symbol.dispose]();
  await write("a", 800);
  await refuses(101);
});

Deno.test("Quota refuses what it cannot count", async () => {
  await using place = await begin();
  const { folders, refuses } = place;
  await Deno.writeTextFile(folders[0] ?? "", "no folder");
  assertEquals(await refuses(1), "The server cannot count this machine's files");
});

Deno.test("Quota without a limit looks at nothing and promises everything", async () => {
  const quota = new Quota(undefined, () => {
    throw new Error("nobody may ask");
  });
  using _room = await quota.reserve(TILL, 2 ** 53);
});
