import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { NoSpace, Reservation } from "../platform/disk_space.ts";
import { BackupError, Backups, DATABASE_FILE } from "./backup.ts";
import { openStore } from "./store.ts";

const ROOM: Reservation = { wrote() {}, [Symbol.dispose]() {} };

/** A data directory with a database, and a place for backups. */
async function begin(room: (bytes: number) => Reservation | NoSpace = () => ROOM) {
  const path = await Deno.makeTempDir({ prefix: "hb-backup-" });
  const [directory, desk] = [join(path, "data"), join(path, "desk")];
  for (const one of [directory, desk]) await Deno.mkdir(one);
  const store = await openStore(join(directory, DATABASE_FILE));
  const spaceOf = () =>
    Promise.resolve({ reserve: (bytes: number) => Promise.resolve(room(bytes)) });
  return {
    desk,
    backups: new Backups({ directory, spaceOf }),
    names: () => [...Deno.readDirSync(desk)].map(({ name }) => name),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

Deno.test("a backup for which there is no room is refused with the figures, and nothing is left", async () => {
  await using place = await begin((needed) => ({ free: 1024, needed }));
  const { backups, desk } = place;
  const error = await assertRejects(() => backups.make(join(desk, "hb")), BackupError);
  assertEquals(error.code, "no_space");
  assertStringIncludes(error.message, "KiB and 1.0 KiB are free there");
  assertEquals(place.names(), []);
});

Deno.test("a second backup is refused while one is under way, which is not harmed", async () => {
  await using place = await begin();
  const { backups, desk } = place;
  const first = backups.make(join(desk, "first"));
  const second = () => backups.make(join(desk, "second"));
  await assertRejects(second, BackupError, "another backup is under way");
  assertEquals((await first).path, join(desk, "first"));
  await second();
  assertEquals(place.names().sort(), ["first", "second"]);
});

Deno.test("a backup that is under way when the server stops leaves nothing", async () => {
  await using place = await begin();
  const { backups, desk } = place;
  const refused = assertRejects(() => backups.make(join(desk, "hb")), BackupError, "is stopping");
  await backups[Symbol.asyncDispose]();
  await refused;
  assertEquals(place.names(), []);
});

Deno.test("a backup needs an absolute path", async () => {
  await using place = await begin();
  const { backups } = place;
  await assertRejects(() => backups.make("hb.sqlite"), BackupError, "no absolute path");
});
