import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import {
  DatabaseError,
  IN_MEMORY,
  inTransaction,
  type Migration,
  openDatabase,
  sqliteCode,
} from "./database.ts";
import { databaseError } from "./database_error.ts";

const first: Migration = {
  name: "clients",
  sql: "CREATE TABLE client (name TEXT PRIMARY KEY) STRICT; INSERT INTO client VALUES ('a');",
};
const second: Migration = {
  name: "messages",
  sql: "CREATE TABLE message (client TEXT NOT NULL REFERENCES client (name)) STRICT",
};

/** A path for a database, with its directory removed at the end. */
function scratch(): { path: string; directory: string } & Disposable {
  const directory = Deno.makeTempDirSync();
  return {
    directory,
    path: join(directory, "hb.db"),
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

function open(path: string, migrations: readonly Migration[] = [first]) {
  return openDatabase(path, { migrations, busyTimeoutMs: 50 });
}

function refusal(path: string, migrations?: readonly Migration[]): [string, string | undefined] {
  const error = assertThrows(() => open(path, migrations), DatabaseError);
  assertEquals(error.name, "DatabaseError");
  return [error.message.replace(path, "P"), error.hint];
}

Deno.test("openDatabase() sets up what keeps commits safe", () => {
  using place = scratch();
  using database = open(place.path);
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  assertEquals(pragma("journal_mode"), "wal");
  assertEquals(pragma("synchronous"), 2);
  assertEquals(pragma("foreign_keys"), 1);
  assertEquals(pragma("auto_vacuum"), 2);
  assertEquals(pragma("journal_size_limit"), 16 * 1024 * 1024);
  assertEquals(pragma("busy_timeout"), 50);
  assertEquals(pragma("user_version"), 1);
  assertEquals(pragma("fullfsync"), Deno.build.os === "darwin" ? 1 : 0);
});

Deno.test("openDatabase() lets the log grow to as many pages as are asked for", () => {
  using place = scratch();
  const options = { migrations: [], busyTimeoutMs: 0, logPages: 3_000 };
  using database = openDatabase(place.path, options);
  assertEquals(Object.values(database.prepare("PRAGMA wal_autocheckpoint").get() ?? {}), [3_000]);
});

Deno.test("openDatabase() prepares a statement once, and keeps 256 of them", () => {
  using place = scratch();
  using database = open(place.path);
  const statement = database.prepare("SELECT 1 AS one");
  for (let n = 0; n < 255; n++) database.prepare(`SELECT ${n} AS n`);
  assertEquals(database.prepare("SELECT 1 AS one"), statement);
  assertEquals(statement.get()?.one, 1);
  assertThrows(() => database.prepare("SELECT nonsense"), Error, "nonsense");
  database.prepare("SELECT 256 AS n");
  assert(database.prepare("SELECT 1 AS one") !== statement);
});

Deno.test("openDatabase() keeps its files for their owner alone", {
  ignore: Deno.build.os === "windows",
}, () => {
  using place = scratch();
  Deno.writeFileSync(place.path, new Uint8Array(), { mode: 0o644 });
  using database = open(place.path);
  database.exec("INSERT INTO client VALUES ('b')");
  const names = [...Deno.readDirSync(place.directory)].map(({ name }) => name).sort();
  assertEquals(names, ["hb.db", "hb.db-shm", "hb.db-wal"]);
  for (const name of names) {
    assertEquals((Deno.statSync(join(place.directory, name)).mode ?? 0) & 0o777, 0o600);
  }
});

Deno.test("openDatabase() runs each migration once, the missing ones alone", () => {
  using place = scratch();
  open(place.path, []).close();
  open(place.path, [first]).close();
  open(place.path, [first]).close();
  using database = open(place.path, [first, second]);
  assertEquals({ ...database.prepare("SELECT count(*) AS n FROM client").get() }, { n: 1 });
  assertEquals({ ...database.prepare("PRAGMA user_version").get() }, { user_version: 2 });
});

Deno.test("openDatabase() leaves everything as it was when a migration fails", () => {
  using place = scratch();
  open(place.path).close();
  const broken = { name: "broken", sql: "CREATE TABLE x (y) ; INSERT INTO nowhere VALUES (1)" };
  assertEquals(refusal(place.path, [first, broken, second]), [
    'Cannot bring database "P" up to date: step "broken" failed: no such table: nowhere',
    "Nothing was changed; the program of the last version still works",
  ]);
  using database = open(place.path);
  assertEquals({
    ...database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'x'").get(),
  }, {
    n: 0,
  });
});

Deno.test("openDatabase() refuses a database of a newer program and changes nothing", () => {
  using place = scratch();
  open(place.path, [first, second]).close();
  assertEquals(refusal(place.path, [first]), [
    'Cannot use database "P": its version is 2, this program knows 1',
    "Use the newer program that wrote it, or restore a backup from before the update",
  ]);
  open(place.path, [first, second]).close();
});

Deno.test("openDatabase() refuses files that are no database and leaves them alone", () => {
  using place = scratch();
  for (const text of ["x", "x".repeat(511), "x".repeat(512), "not a database, ".repeat(500)]) {
    Deno.writeTextFileSync(place.path, text);
    assertEquals(refusal(place.path), [
      'Cannot use database "P": it is no database',
      "Move that file away, or restore the database from a backup",
    ]);
    assertEquals(Deno.readTextFileSync(place.path), text);
  }
});

Deno.test("openDatabase() refuses a damaged database", () => {
  using place = scratch();
  open(place.path).close();
  const bytes = Deno.readFileSync(place.path);
  Deno.writeFileSync(place.path, bytes.fill(0xff, 16));
  const [message] = refusal(place.path);
  assert(message.startsWith('Cannot use database "P": it is '), message);
});

Deno.test("openDatabase() refuses a directory and a path without its directory", () => {
  using place = scratch();
  assert(refusal(place.directory)[0].startsWith('Cannot use database "P": '));
  assert(refusal(join(place.directory, "none", "x"))[0].startsWith('Cannot use database "P": '));
});

Deno.test("openDatabase() refuses a database that cannot be written", {
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
}, () => {
  using place = scratch();
  open(place.path).close();
  Deno.chmodSync(place.directory, 0o500);
  try {
    assertEquals(refusal(place.path)[0].startsWith('Cannot use database "P": '), true);
  } finally {
    Deno.chmodSync(place.directory, 0o700);
  }
});

Deno.test("openDatabase() says when another program is writing", () => {
  using place = scratch();
  using other = open(place.path);
  other.prepare("BEGIN IMMEDIATE").run();
  assertEquals(refusal(place.path), [
    'Cannot use database "P": another program is writing to it',
    "Stop that program and try again",
  ]);
  other.prepare("ROLLBACK").run();
});

Deno.test("openDatabase() does not give up the locks of another connection of this process", async () => {
  using place = scratch();
  using writer = open(place.path);
  writer.prepare("BEGIN IMMEDIATE").run();
  assertThrows(() => open(place.path), DatabaseError);
  const script = `
    import { DatabaseSync } from "node:sqlite";
    new DatabaseSync(${JSON.stringify(place.path)}).prepare("BEGIN IMMEDIATE").run();`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
  }).output();
  assertEquals(code, 1);
  assert(new TextDecoder().decode(stderr).includes("database is locked"));
  writer.prepare("ROLLBACK").run();
});

Deno.test("openDatabase() opens a database in memory", () => {
  using database = open(IN_MEMORY);
  assertEquals({ ...database.prepare("SELECT name FROM client").get() }, { name: "a" });
});

Deno.test("inTransaction() keeps all of it or nothing", () => {
  using database = open(IN_MEMORY, [first, second]);
  const insert = database.prepare("INSERT INTO client VALUES (?)");
  assertEquals(inTransaction(database, () => insert.run("b").changes), 1);
  const error = assertThrows(() =>
    inTransaction(database, () => {
      insert.run("c");
      insert.run("a");
    })
  );
  assertEquals(sqliteCode(error), 19);
  assertThrows(() =>
    inTransaction(database, () => {
      insert.run("d");
      throw new RangeError("mine");
    }), RangeError);
  assertEquals(
    database.prepare("SELECT name FROM client ORDER BY name").all().map(({ name }) => name),
    ["a", "b"],
  );
  assertEquals(database.isTransaction, false);
});

Deno.test("databaseError() has a reason and a hint for SQLite's usual codes", () => {
  for (const errcode of [5, 6, 8, 10, 11, 13, 14, 26, 266, 2570]) {
    const cause = Object.assign(new Error("sqlite text"), { errcode });
    const error = databaseError("/d/hb.db", cause);
    assertEquals(error.cause, cause);
    assert(error.hint !== undefined && !error.message.includes("sqlite text"), String(errcode));
  }
  const other = databaseError("/d/hb.db", Object.assign(new Error("odd"), { errcode: 1 }));
  assertEquals([other.message, other.hint], ['Cannot use database "/d/hb.db": odd', undefined]);
});

Deno.test("openDatabase() keeps every commit when the process is killed", async () => {
  using place = scratch();
  const script = `
    import { openDatabase } from "${import.meta.resolve("./database.ts")}";
    const database = openDatabase(${JSON.stringify(place.path)}, {
      migrations: [{ name: "t", sql: "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT" }],
      busyTimeoutMs: 1000,
    });
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    for (let n = 1; ; n++) {
      insert.run(n);
      Deno.stdout.writeSync(new TextEncoder().encode(n + "\\n"));
    }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
    stdout: "piped",
  }).spawn();
  let said = "";
  let isKilled = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (isKilled || !said.includes("\n200\n")) continue;
    isKilled = true; // What it had said before still comes.
    child.kill("SIGKILL");
  }
  await child.status;
  const acknowledged = said.slice(0, said.lastIndexOf("\n")).split("\n").length;
  assert(acknowledged >= 200);
  using database = openDatabase(place.path, { migrations: [first], busyTimeoutMs: 1000 });
  const count = Number(Object.values(database.prepare("SELECT count(*) FROM t").get() ?? {})[0]);
  // The last commit may not have been said any more.
  assert(count === acknowledged || count === acknowledged + 1, `${count} of ${acknowledged}`);
  assertEquals(Object.values(database.prepare("PRAGMA integrity_check").get() ?? {})[0], "ok");
});
