import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import {
  DataDirectoryError,
  dataDirectoryError,
  DataDirectoryInUseError,
  defaultDataDirectory,
  type MachineFacts,
  openDataDirectory,
} from "./data_directory.ts";

function place(os: MachineFacts["os"], uid: number | null, env: Record<string, string>): string {
  return defaultDataDirectory("hbserver", { os, uid, env: (name) => env[name] });
}

/** A directory of the test's own, removed at its end. */
function scratch(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("defaultDataDirectory() follows the customs of each system", () => {
  assertEquals(place("linux", 0, { HOME: "/root" }), "/var/lib/hbserver");
  assertEquals(place("linux", 1000, { HOME: "/home/a" }), "/home/a/.local/state/hbserver");
  assertEquals(place("linux", 1000, { HOME: "/home/a", XDG_STATE_HOME: "/s" }), "/s/hbserver");
  assertEquals(
    place("freebsd", 1000, { HOME: "/h", XDG_STATE_HOME: "rel" }),
    "/h/.local/state/hbserver",
  );
  assertEquals(place("darwin", 0, { HOME: "/x" }), "/Library/Application Support/hbserver");
  assertEquals(
    place("darwin", 501, { HOME: "/Users/a" }),
    "/Users/a/Library/Application Support/hbserver",
  );
  assertEquals(
    place("windows", null, { LOCALAPPDATA: "C:\\L", PROGRAMDATA: "C:\\P" }),
    "C:\\L\\hbserver",
  );
  assertEquals(place("windows", null, { PROGRAMDATA: "C:\\P" }), "C:\\P\\hbserver");
});

Deno.test("defaultDataDirectory() asks for --data where there is no home", () => {
  for (const os of ["linux", "darwin", "windows"] as const) {
    const error = assertThrows(
      () => place(os, 1000, { HOME: "", LOCALAPPDATA: "" }),
      DataDirectoryError,
    );
    assertEquals(error.hint, "Name one with --data DIR");
  }
});

Deno.test("openDataDirectory() creates the directory for its owner alone", () => {
  using root = scratch();
  const path = join(root.path, "a", "b");
  using directory = openDataDirectory(path, { lock: true });
  assertEquals(directory.path, path);
  if (Deno.build.os !== "windows") {
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o700);
    assertEquals((Deno.statSync(join(path, "lock")).mode ?? 0) & 0o777, 0o600);
  }
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), ["lock"]);
  assertEquals(Deno.readTextFileSync(join(path, "lock")), `${Deno.pid}\n`);
});

Deno.test("openDataDirectory() refuses a second holder and names the first", () => {
  using root = scratch();
  const first = openDataDirectory(root.path, { lock: true });
  const error = assertThrows(
    () => openDataDirectory(root.path, { lock: true }),
    DataDirectoryInUseError,
  );
  assertEquals(error.name, "DataDirectoryInUseError");
  assert(error.message.includes(root.path));
  if (Deno.build.os !== "windows") {
    assertEquals(error.holderPid, Deno.pid);
    assert(error.message.includes(`process ${Deno.pid} is using it`));
  }
  openDataDirectory(root.path, { lock: false })[Symbol.dispose]();
  first[Symbol.dispose]();
  openDataDirectory(root.path, { lock: true })[Symbol.dispose]();
});

Deno.test("openDataDirectory() is not fooled by a lock file that nobody holds", () => {
  using root = scratch();
  Deno.writeTextFileSync(
    join(root.path, "lock"),
    "99999999999999999999 not a number and rather long\n",
  );
  using _directory = openDataDirectory(root.path, { lock: true });
  assertEquals(Deno.readTextFileSync(join(root.path, "lock")), `${Deno.pid}\n`);
});

Deno.test("openDataDirectory() gives the lock of a killed process to the next", async () => {
  using root = scratch();
  const script = `
    import { openDataDirectory } from "${import.meta.resolve("./data_directory.ts")}";
    openDataDirectory(${JSON.stringify(root.path)}, { lock: true });
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "locked\n");
  const error = assertThrows(
    () => openDataDirectory(root.path, { lock: true }),
    DataDirectoryInUseError,
  );
  if (Deno.build.os !== "windows") assertEquals(error.holderPid, child.pid);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  openDataDirectory(root.path, { lock: true })[Symbol.dispose]();
});

Deno.test("openDataDirectory() says when the path or its parent is a file", () => {
  using root = scratch();
  const file = join(root.path, "file");
  Deno.writeTextFileSync(file, "mine");
  for (const path of [file, join(file, "below")]) {
    const error = assertThrows(() => openDataDirectory(path, { lock: true }), DataDirectoryError);
    assertEquals(error.message, `Cannot use data directory "${path}": it is no directory`);
    assert(error.hint?.includes("--data"));
  }
  assertEquals(Deno.readTextFileSync(file), "mine");
});

Deno.test("openDataDirectory() says when the lock is no file", () => {
  using root = scratch();
  Deno.mkdirSync(join(root.path, "lock"));
  assertThrows(() => openDataDirectory(root.path, { lock: true }), DataDirectoryError);
});

Deno.test({
  name: "openDataDirectory() says when this user may not write there",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  fn: () => {
    using root = scratch();
    Deno.chmodSync(root.path, 0o500);
    const error = assertThrows(
      () => openDataDirectory(root.path, { lock: true }),
      DataDirectoryError,
    );
    assert(error.message.endsWith("this user may not write there"));
    Deno.chmodSync(root.path, 0o700);
  },
});

Deno.test("dataDirectoryError() has a reason and a hint for every usual failure", () => {
  const reasons = ["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "EEXIST"].map(
    (code) => {
      const cause = Object.assign(new Error("system text"), { code });
      const error = dataDirectoryError("/d\x1b", cause);
      assertEquals(error.cause, cause);
      assert(error.hint !== undefined);
      return error.message.replace('Cannot use data directory "/d\\x1b": ', "");
    },
  );
  assertEquals(reasons, [
    "this user may not write there",
    "this user may not write there",
    "the file system is read-only",
    "there is no space left",
    "there is no space left",
    "it is no directory",
    "it is no directory",
  ]);
  assertEquals(
    dataDirectoryError("/d", new Error("odd")).message,
    'Cannot use data directory "/d": odd',
  );
});
