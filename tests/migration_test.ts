/**
 * Programs that die while they bring a database of an earlier version up to date: the next start finds each step whole
 * or not at all, goes on from there, and nothing that was on record is missing.
 */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CLIENT_MIGRATIONS } from "../client/store.ts";
import { type Migration, openDatabase } from "../platform/database.ts";
import { STORE_MIGRATIONS } from "../server/store_schema.ts";
import { commandLine } from "./program.ts";
import { RunningClient } from "./running_client.ts";
import { RunningProgram } from "./running_program.ts";
import { RunningServer } from "./running_server.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Exit code of a program that a failpoint has ended. */
const DIED = 137;
const POINTS = [
  ["database_migrating", "before the commit of"],
  ["database_migrated", "after the commit of"],
] as const;

/** What every version of the server's tables can hold. */
const ON_RECORD = `
  INSERT INTO client (id, name, kind, state_since, created_at)
    VALUES ('k1', 'till-1', 'enrolled', 1, 1);
  INSERT INTO message (id, client, direction, sent_at, at, text, state)
    VALUES ('m1', 'k1', 'in', 1, 1, 'from long ago', 'stored');
  INSERT INTO event (at, client, kind, ref, data)
    VALUES (1, 'k1', 'message', last_insert_rowid(), '{}');
`;

/** Makes a database as the program of that version left it. */
function makeOld(
  path: string,
  { migrations, version, sql }: { migrations: readonly Migration[]; version: number; sql: string },
): void {
  const earlier = migrations.slice(0, version);
  using database = openDatabase(path, { migrations: earlier, busyTimeoutMs: 0 });
  if (version > 0) database.exec(sql);
}

function look(path: string): { version: unknown; integrity: unknown } {
  using database = new DatabaseSync(path, { readOnly: true });
  const ask = (what: string) => Object.values(database.prepare(`PRAGMA ${what}`).get() ?? {})[0];
  return { version: ask("user_version"), integrity: ask("integrity_check") };
}

for (const [index, { name }] of STORE_MIGRATIONS.entries()) {
  for (const [point, words] of POINTS) {
    Deno.test(`a server that dies ${words} "${name}" brings its database up to date at the next start (fault 20)`, async () => {
      await using desk = await temporaryDirectory();
      const path = join(desk.path, "hbserver.sqlite");
      makeOld(path, { migrations: STORE_MIGRATIONS, version: index, sql: ON_RECORD });
      const args = ["run", "--data", desk.path, "--listen", "127.0.0.1:0", "--http", "off"];
      {
        const env = { HB_FAILPOINT: point };
        await using dying = new RunningProgram(commandLine("hbserver", args), { env });
        assertEquals(await dying.exitCode(), DIED, dying.said);
      }
      const version = point === "database_migrated" ? index + 1 : index;
      assertEquals(look(path), { version, integrity: "ok" });
      await using server = await RunningServer.start({ data: desk.path });
      assertEquals(look(path), { version: STORE_MIGRATIONS.length, integrity: "ok" });
      const log = await server.api<{ text: string }[]>("/api/log?kind=message");
      assertEquals(log.map(({ text }) => text), index === 0 ? [] : ["from long ago"]);
    });
  }
}

for (const [index, { name }] of CLIENT_MIGRATIONS.entries()) {
  for (const [point, words] of POINTS) {
    Deno.test(`a client that dies ${words} "${name}" brings its database up to date at the next start (fault 20)`, async () => {
      await using server = await RunningServer.start({ args: ["--interval", "1"] });
      await using client = await RunningClient.join(server, "till-1");
      const path = join(client.data, "client.sqlite");
      for (const end of ["", "-wal", "-shm"]) await Deno.remove(path + end).catch(() => {}); // Some are not there.
      const sql =
        "INSERT INTO outbox (id, at, text, bytes) VALUES ('019aa8d0-0000-7000-8000-000000000001', 1, 'from long ago', 13)";
      makeOld(path, { migrations: CLIENT_MIGRATIONS, version: index, sql });
      const dying = client.run({ env: { HB_FAILPOINT: point } });
      assertEquals(await dying.exitCode(), DIED, dying.said);
      const version = point === "database_migrated" ? index + 1 : index;
      assertEquals(look(path), { version, integrity: "ok" });
      await client.kill();
      client.run();
      await server.untilState("till-1", "UP");
      assertEquals(look(path), { version: CLIENT_MIGRATIONS.length, integrity: "ok" });
      if (index > 0) await server.untilLogged("message", ({ text }) => text === "from long ago");
    });
  }
}
