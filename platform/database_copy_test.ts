import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { openDatabase } from "./database.ts";
import { copyDatabase } from "./database_copy.ts";
import { DatabaseError } from "./database_error.ts";

const MIGRATIONS = [{ name: "first", sql: "CREATE TABLE word (text TEXT) STRICT" }];
/** More rows than are copied between two flushes. */
const ROWS = 3_000;

/** A database of a few MiB and an empty file beside it. */
async function begin() {
  const path = await Deno.makeTempDir({ prefix: "hb-copy-" });
  const [from, to] = [join(path, "from.sqlite"), join(path, "to.sqlite")];
  const database = openDatabase(from, { migrations: MIGRATIONS, busyTimeoutMs: 0 });
  const insert = database.prepare("INSERT INTO word (text) VALUES (?)");
  database.exec("BEGIN");
  for (let row = 0; row < ROWS; row++) insert.run(String(row).padEnd(1_000, "."));
  database.exec("COMMIT");
  (await Deno.open(to, { write: true, createNew: true, mode: 0o600 })).close();
  return {
    from,
    to,
    database,
    [Symbol.asyncDispose]: async () => {
      if (database.isOpen) database.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

Deno.test("copyDatabase() copies a database that is open, for its owner alone, and leaves no other file", async () => {
  await using place = await begin();
  const { from, to, database } = place;
  await copyDatabase(from, to);
  database.prepare("INSERT INTO word (text) VALUES ('later')").run();
  const copy = openDatabase(to, { migrations: MIGRATIONS, busyTimeoutMs: 0 });
  assertEquals(Number(copy.prepare("SELECT count(*) AS rows FROM word").get()?.rows), ROWS);
  copy.close();
  if (Deno.build.os !== "windows") assertEquals(((await Deno.stat(to)).mode ?? 0) & 0o777, 0o600);
  database.close();
  const names = [...Deno.readDirSync(join(from, ".."))].map(({ name }) => name).sort();
  assertEquals(names, ["from.sqlite", "to.sqlite"]);
});

Deno.test("copyDatabase() refuses a database that is damaged", async () => {
  await using place = await begin();
  const { from, to, database } = place;
  database.close();
  using file = await Deno.open(from, { write: true });
  await file.seek(1_000_000, Deno.SeekMode.Start);
  await file.write(new Uint8Array(100_000).fill(7));
  await assertRejects(() => copyDatabase(from, to), DatabaseError, "it is damaged");
});

Deno.test("copyDatabase() refuses a database that is not there", async () => {
  await using place = await begin();
  await assertRejects(() => copyDatabase(`${place.from}.none`, place.to), DatabaseError);
});
