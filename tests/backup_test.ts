/** `hbserver backup`: made of a busy server, and what comes back from it on another machine. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { commandLine, runToEnd } from "./program.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";

const ARGS = ["--interval", "1"];

/** The files of the server that stand in a database, and whether it is sound. */
function look(path: string): { files: string[]; integrity: unknown; texts: string[] } {
  using database = new DatabaseSync(path, { readOnly: true });
  const all = (sql: string) => database.prepare(sql).all().map((row) => Object.values(row)[0]);
  return {
    files: all("SELECT name FROM server_file ORDER BY name").map(String),
    integrity: all("PRAGMA integrity_check")[0],
    texts: all("SELECT text FROM message ORDER BY seq").map(String),
  };
}

/** Writes messages to a client until the result is called, which resolves with how many. */
function keepWriting(server: RunningServer, who: string): () => Promise<number> {
  let written = 0;
  let goesOn = true;
  const writing = (async () => {
    while (goesOn) {
      await server.api("/api/messages", { who, text: `message ${written++}` });
    }
  })();
  return async () => {
    goesOn = false;
    await writing;
    return written;
  };
}

Deno.test("a backup of a busy server brings it back on an empty data directory, and its clients find it without joining", async () => {
  await using desk = await temporaryDirectory();
  const backup = join(desk.path, "hb.sqlite");
  await using server = await RunningServer.start({ args: ARGS });
  await using client = await RunningClient.start(server, "till-3");
  assertEquals((await client.command("message", "before the backup")).code, 0);
  const stop = keepWriting(server, "till-3");
  const made = await runToEnd(
    commandLine("hbserver", ["backup", "--data", server.data, "--json", "hb.sqlite"]),
    { cwd: desk.path },
  );
  const written = await stop();
  assertEquals(made.code, 0, made.stderr);
  const { size, mode } = await Deno.stat(backup);
  assertEquals(JSON.parse(made.stdout), { path: backup, bytes: size });
  if (Deno.build.os !== "windows") assertEquals((mode ?? 0) & 0o777, 0o600);
  assertEquals(await walk(desk.path), ["hb.sqlite"]);
  const found = look(backup);
  assertEquals([found.integrity, found.files], ["ok", ["server-cert.pem", "server-key.pem"]]);
  const whole = [
    "before the backup",
    ...Array.from({ length: written }, (_, at) => `message ${at}`),
  ];
  assertEquals(found.texts, whole.slice(0, found.texts.length), "all up to one moment");
  assertEquals(look(join(server.data, "hbserver.sqlite")).files, []);
  const audits = await server.log("audit");
  assertEquals(audits.filter(({ action }) => action === "backed_up").length, 1);

  server.program.signal("SIGKILL");
  await server.program.exitCode();
  const data = join(desk.path, "restored");
  await Deno.mkdir(data);
  await Deno.rename(backup, join(data, "hbserver.sqlite"));
  await using restored = await RunningServer.start({ args: ARGS, data, port: server.port });
  assertEquals(restored.serverId, server.serverId);
  await restored.untilState("till-3", "UP");
  const [first] = await restored.log("message", "till-3");
  assertEquals([first?.text, first?.state], ["before the backup", "stored"]);
  assertEquals((await client.command("message", "after the backup")).code, 0);
  for (const name of ["server-key.pem", "server-cert.pem"]) {
    const pem = await Deno.readTextFile(join(data, name));
    assertEquals(pem, await Deno.readTextFile(join(server.data, name)));
    const { mode } = await Deno.stat(join(data, name));
    if (Deno.build.os !== "windows") assertEquals((mode ?? 0) & 0o777, 0o600);
  }
  assertEquals(look(join(data, "hbserver.sqlite")).files, [], "the key is in its file alone");
});

Deno.test("a backup is never made over something, nor where nobody may write", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: ARGS });
  const taken = join(desk.path, "taken");
  const cutOff = join(desk.path, "cut-off");
  await Deno.writeTextFile(taken, "mine");
  await Deno.writeTextFile(`${cutOff}.partial`, "cut off");
  const cases: [path: string, words: RegExp][] = [
    [taken, /there is something by that name[\s\S]*hint: name it with the date/],
    [cutOff, /"[^"]*cut-off\.partial" is in its way[\s\S]*hint: .*remove/],
    [join(desk.path, "nowhere", "hb.sqlite"), /its directory is not there/],
    [join(taken, "hb.sqlite"), /Cannot back up to/],
  ];
  for (const [path, words] of cases) {
    const { code, stderr } = await server.command("backup", path);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, words);
  }
  assertEquals(await Deno.readTextFile(taken), "mine");
  assertEquals(await walk(desk.path), ["cut-off.partial", "taken"]);
  assertEquals((await server.log("audit")).filter(({ action }) => action === "backed_up"), []);
});

Deno.test("a server that already has a key keeps it, whatever backup is put under it", async () => {
  await using desk = await temporaryDirectory();
  await using server = await RunningServer.start({ args: ARGS });
  const backup = join(desk.path, "hb.sqlite");
  assertEquals((await server.command("backup", backup)).code, 0);
  const data = join(desk.path, "other");
  await using other = await RunningServer.start({ args: ARGS, data });
  assertEquals(await other.stop(), 0);
  assert(other.serverId !== server.serverId);
  await Deno.rename(backup, join(data, "hbserver.sqlite"));
  await using again = await RunningServer.start({ args: ARGS, data });
  assertEquals(again.serverId, other.serverId);
});
