/** Starting and stopping, and what is said when that cannot be. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { join } from "node:path";
import { Peer } from "./peer.ts";
import { commandLine, hbclient, hbserver, type ProgramResult, runToEnd } from "./program.ts";
import { RunningServer } from "./running_server.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Whether file modes bind this user. */
const modesBind = Deno.build.os !== "windows" && Deno.uid() !== 0;

/** One line that begins with the program's name, and at most one hint. */
function assertOneClearLine({ stderr, stdout }: ProgramResult, says: RegExp): void {
  assertEquals(stdout, "");
  assertMatch(stderr, says);
  assertMatch(stderr, /^hb(server|client): error: .+\n(hb(server|client): hint: .+\n)?$/);
}

Deno.test("a second server on the same data directory says so and exits 1", async () => {
  await using server = await RunningServer.start();
  const args = ["--data", server.data, "--listen", "127.0.0.1:0", "--http", "off"];
  const second = await hbserver(...args);
  assertEquals(second.code, 1);
  assertOneClearLine(second, /process \d+ is using it/);
  assertStringIncludes(second.stderr, server.data);
  const clients = await server.command("clients", "--json");
  assertEquals([clients.code, clients.stdout], [0, "[]\n"], "the first one goes on");
});

Deno.test("a server whose port is in use names the port and exits 1", async () => {
  await using directory = await temporaryDirectory();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const data = join(directory.path, "server");
  const address = `127.0.0.1:${taken.addr.port}`;
  const listen = await hbserver("--data", data, "--listen", address, "--http", "off");
  assertEquals(listen.code, 1);
  assertOneClearLine(listen, /Cannot listen on 127\.0\.0\.1:\d+: another program uses this port/);
  assertStringIncludes(listen.stderr, address);
  const http = await hbserver("--data", data, "--listen", "127.0.0.1:0", "--http", address);
  assertEquals(http.code, 1);
  assertStringIncludes(http.stderr, "--http");
  assertStringIncludes(http.stderr, address);
});

Deno.test("a server whose address is not this machine's says so and exits 1", async () => {
  await using directory = await temporaryDirectory();
  const args = ["--data", directory.path, "--listen", "192.0.2.1:0", "--http", "off"];
  const result = await hbserver(...args);
  assertEquals(result.code, 1);
  assertOneClearLine(result, /192\.0\.2\.1.*does not have that address/);
});

Deno.test("a data directory that is a file is named, exit 1", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await Deno.writeTextFile(file, "not a directory");
  for (const data of [file, join(file, "below")]) {
    const result = await hbserver("--data", data, "--listen", "127.0.0.1:0", "--http", "off");
    assertEquals(result.code, 1);
    assertOneClearLine(result, /Cannot/);
    assertStringIncludes(result.stderr, data);
  }
  assertEquals(await Deno.readTextFile(file), "not a directory");
});

Deno.test("a folder for received files that is a file is named, exit 1", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await Deno.writeTextFile(file, "not a directory");
  const data = join(directory.path, "server");
  for (const files of [file, join(file, "below")]) {
    const args = ["--data", data, "--listen", "127.0.0.1:0", "--http", "off", "--files", files];
    const result = await hbserver(...args);
    assertEquals(result.code, 1);
    assertOneClearLine(result, /for received files: it is no directory/);
    assertStringIncludes(result.stderr, files);
  }
});

Deno.test({
  name: "a data directory that leads nowhere is named, exit 1 or 2 (not on Windows: needs a link)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using directory = await temporaryDirectory();
    const data = join(directory.path, "loop");
    await Deno.symlink(data, data);
    const result = await hbserver("--data", data, "--listen", "127.0.0.1:0", "--http", "off");
    assert([1, 2].includes(result.code), result.stderr);
    assertOneClearLine(result, /Cannot/);
    assertStringIncludes(result.stderr, data);
  },
});

Deno.test("a database or a key that is none is named, exit 1, and left as it was", async () => {
  for (const name of ["hbserver.sqlite", "server-key.pem"]) {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, name);
    const garbage = `${"garbage ".repeat(1000)}\n`;
    await Deno.writeTextFile(file, garbage, { mode: 0o600 });
    const args = ["--data", directory.path, "--listen", "127.0.0.1:0", "--http", "off"];
    const result = await hbserver(...args);
    assertEquals(result.code, 1, name);
    assertOneClearLine(result, /Cannot/);
    assertStringIncludes(result.stderr, file);
    assertEquals(await Deno.readTextFile(file), garbage);
  }
});

Deno.test({
  name:
    "a data directory that may not be read is named, exit 1 or 2 (needs a user who is not root)",
  ignore: !modesBind,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const data = join(directory.path, "closed");
    await Deno.mkdir(data, { mode: 0o000 });
    const result = await hbserver("--data", data, "--listen", "127.0.0.1:0", "--http", "off");
    await Deno.chmod(data, 0o700);
    assert([1, 2].includes(result.code), result.stderr);
    assertOneClearLine(result, /Cannot/);
    assertStringIncludes(result.stderr, data);
  },
});

Deno.test("wrong usage names the option, suggests the nearest one and exits 2", async () => {
  const cases: [args: string[], says: RegExp][] = [
    [["--lisen", "127.0.0.1:0"], /--lisen[\s\S]*--listen/],
    [["--listen", "127.0.0.1:port"], /127\.0\.0\.1:port.*--listen/],
    [["--interval", "soon"], /soon.*--interval/],
    [["--max-file-size", "-1"], /--max-file-size/],
    [["log", "--kind", "beet"], /beet.*--kind.*beat/],
    [["mesage", "till-3", "hello"], /mesage[\s\S]*message/],
    [["message", "till-3"], /TEXT/],
    [["revoke"], /WHO/],
  ];
  for (const [args, says] of cases) {
    const result = await hbserver(...args);
    assertEquals(result.code, 2, args.join(" "));
    assertOneClearLine(result, says);
  }
});

Deno.test("wrong usage of the client names the option and exits 2", async () => {
  const cases: [args: string[], says: RegExp][] = [
    [["--serve", "10.0.0.1"], /--serve[\s\S]*--server/],
    [["join"], /KEY/],
    [["join", "hb1.short"], /join key/i],
    [["sned", "file"], /sned[\s\S]*send/],
  ];
  for (const [args, says] of cases) {
    const result = await hbclient(...args);
    assertEquals(result.code, 2, `${args.join(" ")}: ${result.stderr}`);
    assertMatch(result.stderr, says);
  }
});

Deno.test("--help and --version of both programs go to stdout, exit 0", async () => {
  for (const program of ["hbserver", "hbclient"] as const) {
    const help = await runToEnd(commandLine(program, ["--help"]));
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, program);
    assertStringIncludes(help.stdout, "--data DIR");
    const version = await runToEnd(commandLine(program, ["--version"]));
    assertEquals([version.code, version.stderr], [0, ""]);
    assertMatch(version.stdout, new RegExp(`^${program} \\d+\\.\\d+\\.\\d+ \\(deno .+, .+\\)\\n$`));
  }
});

Deno.test("an admin command without a running server says so and exits 3", async () => {
  await using directory = await temporaryDirectory();
  const commands = [["clients"], ["invite"], ["message", "all", "hello"], ["log"], ["files"], [
    "alerts",
  ], ["revoke", "till-3"]];
  for (const [name = "", ...rest] of commands) {
    const result = await hbserver(name, "--data", directory.path, ...rest);
    assertEquals(result.code, 3, name);
    assertOneClearLine(result, /none is running/);
    assertStringIncludes(result.stderr, directory.path);
  }
});

Deno.test("an admin command after the server was killed says that none runs, exit 3", async () => {
  await using directory = await temporaryDirectory();
  const data = join(directory.path, "server");
  {
    await using server = await RunningServer.start({ data });
    assertNotEquals(await server.stop("SIGKILL"), 0);
  }
  const result = await hbserver("clients", "--data", data);
  assertEquals(result.code, 3);
  assertOneClearLine(result, /none is running/);
});

Deno.test({
  name: "SIGTERM says BYE to every client and exits 0, SIGINT 130 (not on Windows: no signals)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    for (const [signal, code] of [["SIGTERM", 0], ["SIGINT", 130]] as const) {
      await using server = await RunningServer.start({ args: ["--plaintext", "--open"] });
      using first = await Peer.connect(server, { name: "first" });
      using second = await Peer.connect(server, { name: "second" });
      using data = await Peer.connect(server, { name: "second", role: "data" });
      const stopped = server.stop(signal);
      for (const peer of [first, second, data]) {
        assertEquals((await peer.next("BYE")).reason, "shutdown");
        assertEquals(await peer.rest(), []);
      }
      assertEquals(await stopped, code);
    }
  },
});

Deno.test("a server that was stopped leaves its data directory to the next one", async () => {
  await using directory = await temporaryDirectory();
  const data = join(directory.path, "server");
  let first = "";
  for (const round of [1, 2]) {
    await using server = await RunningServer.start({ data });
    if (round === 1) first = server.serverId;
    else assertEquals(server.serverId, first, "it keeps its key");
    assertEquals(await server.stop("SIGTERM"), 0);
  }
});
