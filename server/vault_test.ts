import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { systemClock } from "../platform/clock.ts";
import { settleBundle, storeBundle } from "../platform/file_bundle.ts";
import { systemFiles } from "../platform/file_system.ts";
import { promptRawFiles } from "../platform/raw_file.ts";
import { DataDirectoryError } from "../platform/data_directory.ts";
import { pattern, sha256, uuid } from "./fake_sender.ts";
import { TransferError } from "./transfer_error.ts";
import { MAX_PARTIALS, Vault, type VaultOptions } from "./vault.ts";

const TILL = { id: "k3", name: "till-3" };
const BYTES = pattern(1_000);
const WEEK = 7 * 24 * 3_600_000;

/** A vault in a folder that is removed in the end, and what it has promised of the disk and not taken back. */
async function begin(options: Partial<VaultOptions> = {}) {
  const directory = options.directory ?? await Deno.makeTempDir();
  let promised = 0;
  const reserve = (bytes: number) => {
    let left = bytes;
    promised += bytes;
    const take = (count: number) => {
      promised -= Math.min(left, count);
      left -= Math.min(left, count);
    };
    return Promise.resolve({ wrote: take, [Symbol.dispose]: () => take(left) });
  };
  const vault = new Vault({
    directory,
    newId: () => uuid(1),
    store: {
      files: systemFiles,
      bundleMemory: (bytes) => new Uint8Array(bytes),
      storeBundle: (request) => storeBundle(promptRawFiles, request, systemClock),
      settleBundle: (stagingDirectory, ids) =>
        settleBundle(promptRawFiles, { stagingDirectory, ids }),
    },
    space: { reserve },
    ...options,
  });
  await vault.prepare();
  const staging = join(directory, ".staging", TILL.id);
  const open = async (id: string, size = BYTES.length) =>
    await vault.open(TILL, {
      id,
      offer: { path: ["a.bin"], size },
      room: await vault.reserve(TILL, size),
    });
  const staged = () => [...Deno.readDirSync(staging)].map(({ name }) => name).sort();
  const close = () => Deno.remove(directory, { recursive: true });
  const left = () => promised;
  return { vault, directory, staging, open, staged, left, [Symbol.asyncDispose]: close };
}

/** As many partials as may be, the first of them the oldest. */
async function fill(staging: string): Promise<void> {
  await Deno.mkdir(staging, { recursive: true });
  for (let number = 1; number <= MAX_PARTIALS; number++) {
    const path = join(staging, uuid(number));
    await Deno.writeTextFile(path, "x");
    await Deno.utime(path, 1_000 + number, 1_000 + number);
  }
}

Deno.test("[HB-110] Vault keeps what was suspended, and gives back the room that it did not fill", async () => {
  await using place = await begin();
  const { vault, open, left } = place;
  const file = await open(uuid(1));
  await file.write(BYTES.slice(0, 400));
  assertEquals([left(), await file.suspend(), left()], [600, 400, 0]);
  assertEquals(await vault.partialBytes(TILL, uuid(1)), 400);
  assertEquals([...await vault.partials(TILL)], [[uuid(1), 400]]);
  await using again = await open(uuid(1));
  assertEquals(again.proposals, [400]);
  assertEquals(await again.prefixSha256(400), sha256(BYTES.subarray(0, 400)));
});

Deno.test("Vault gives all room back, whatever a transfer comes to", async () => {
  await using place = await begin();
  const { open, left, staged } = place;
  const published = await open(uuid(1));
  await published.write(BYTES.slice());
  await published.publish(sha256(BYTES));
  await published.settle();
  const discarded = await open(uuid(2));
  await discarded.write(BYTES.slice(0, 10));
  await discarded.discard();
  const wrong = await open(uuid(3));
  const error = await assertRejects(() => wrong.publish(), TransferError);
  assertEquals(error.code, "bad_size");
  await wrong[Symbol.asyncDispose]();
  assertEquals(left(), 0);
  assertEquals(staged().filter((name) => !name.startsWith(uuid(3))), []);
});

Deno.test("Vault gives room back that a file which cannot be opened was to fill", {
  ignore: Deno.build.os === "windows", // Links need a privilege there.
}, async () => {
  await using place = await begin();
  const { vault, staging, left } = place;
  await Deno.mkdir(staging, { recursive: true });
  await Deno.symlink("/dev/null", join(staging, uuid(1)));
  const error = await assertRejects(
    () => vault.openOnce(TILL, { path: ["a"], size: 5 }),
    TransferError,
  );
  assertEquals([error.code, left()], ["denied", 0]);
});

Deno.test("Vault promises nothing of a quota when the disk has no room", async () => {
  let isFull = true;
  await using place = await begin({
    quotaBytes: 1_000,
    space: {
      reserve: (needed) =>
        Promise.resolve(isFull ? { free: 7, needed } : { wrote() {}, [Symbol.dispose]() {} }),
    },
  });
  const error = await assertRejects(() => place.vault.reserve(TILL, 1_000), TransferError);
  assertEquals(
    [error.code, error.message],
    ["no_space", "The server's disk has room for 7 B and this needs 1000 B"],
  );
  isFull = false;
  using _room = await place.vault.reserve(TILL, 1_000);
});

Deno.test("Vault says in words that it cannot find out how much room there is", async () => {
  const space = { reserve: (needed: number) => Promise.resolve({ free: 0, needed, cause: "EIO" }) };
  await using place = await begin({ space });
  const error = await assertRejects(() => place.vault.reserve(TILL, 1), TransferError);
  assertEquals(error.message, "The server cannot find out how much room its disk has");
});

Deno.test("Vault drops the partial that changed longest ago for one more", async () => {
  await using place = await begin();
  const { staging, open, staged } = place;
  await fill(staging);
  await using _file = await open(uuid(900));
  assertEquals([staged().includes(uuid(1)), staged().includes(uuid(2))], [false, true]);
  assertEquals(staged().length, MAX_PARTIALS);
});

Deno.test("Vault drops no partial for one that is there already, and never that one", async () => {
  await using place = await begin();
  const { staging, open, staged } = place;
  await fill(staging);
  await using file = await open(uuid(1));
  assertEquals([file.proposals, staged().length], [[1], MAX_PARTIALS]);
});

Deno.test("Vault drops no partial that is open, but the next one", async () => {
  await using place = await begin();
  const { staging, open, staged } = place;
  await fill(staging);
  await using _oldest = await open(uuid(1));
  await using _new = await open(uuid(900));
  assertEquals([staged().includes(uuid(1)), staged().includes(uuid(2))], [true, false]);
});

Deno.test("[HB-110] Vault.sweep() removes what is 7 days old or stored, bundles too, and keeps the rest", async () => {
  await using place = await begin();
  const { vault, staging, staged } = place;
  const now = 100 * WEEK;
  for (const folder of [staging, `${staging}.bundles`]) {
    await Deno.mkdir(folder, { recursive: true });
    for (const [number, age] of [[1, WEEK + 1_000], [2, WEEK - 1_000], [3, 0]] as const) {
      await Deno.writeTextFile(join(folder, uuid(number)), "x");
      const at = (now - age) / 1_000;
      await Deno.utime(join(folder, uuid(number)), at, at);
    }
  }
  const asked = new Set<string>();
  const removed = await vault.sweep(now, (client, id) => {
    asked.add(client);
    return Promise.resolve(id === uuid(3));
  });
  assertEquals([removed, [...asked], staged()], [4, [TILL.id], [uuid(2)]]);
});

Deno.test("Vault.sweep() is not stopped by a folder of a name that is none of ours", async () => {
  await using place = await begin();
  const { vault, directory, staging } = place;
  await Deno.mkdir(join(directory, ".staging", "100%"));
  await Deno.writeTextFile(join(directory, ".staging", "100%", uuid(1)), "x");
  await Deno.mkdir(staging);
  await Deno.writeTextFile(join(staging, uuid(3)), "x");
  assertEquals(await vault.sweep(Date.now(), (client) => Promise.resolve(client === TILL.id)), 1);
});

Deno.test("Vault.sweep() leaves a file that is open, however old", async () => {
  await using place = await begin();
  const { vault, open, staged } = place;
  await using _file = await open(uuid(1));
  assertEquals(await vault.sweep(Date.now() + 2 * WEEK, () => Promise.resolve(true)), 0);
  assertEquals(staged(), [uuid(1)]);
});

Deno.test("Vault numbers a new folder's name where a file or folder has it", async () => {
  await using place = await begin();
  const { vault, directory } = place;
  await vault.makeFolders(TILL, [["photos"]]);
  await Deno.writeTextFile(join(directory, "till-3", "photos (2)"), "");
  assertEquals(await vault.freeFolderName(TILL, "photos"), "photos (3)");
  assertEquals(await vault.freeFolderName(TILL, "notes"), "notes");
});

Deno.test("Vault makes no folder through a link, in the place of the client's folder or below", {
  ignore: Deno.build.os === "windows", // Links need a privilege there.
}, async () => {
  await using place = await begin();
  const { vault, directory } = place;
  const elsewhere = await Deno.makeTempDir();
  try {
    await Deno.symlink(elsewhere, join(directory, "till-3"));
    const top = await assertRejects(() => vault.makeFolders(TILL, [["a"]]), TransferError);
    await Deno.remove(join(directory, "till-3"));
    await Deno.mkdir(join(directory, "till-3"));
    await Deno.symlink(elsewhere, join(directory, "till-3", "a"));
    const below = await assertRejects(() => vault.makeFolders(TILL, [["a", "b"]]), TransferError);
    assertEquals([top.code, below.code], ["denied", "denied"]);
    assertEquals([...Deno.readDirSync(elsewhere)], []);
  } finally {
    await Deno.remove(elsewhere, { recursive: true });
  }
});

Deno.test("Vault.prepare() says what is in the way of its folder", async () => {
  const file = await Deno.makeTempFile();
  try {
    const error = await assertRejects(() => begin({ directory: file }), DataDirectoryError);
    assertEquals(error.message, `Cannot use "${file}" for received files: it is no directory`);
  } finally {
    await Deno.remove(file);
  }
});
