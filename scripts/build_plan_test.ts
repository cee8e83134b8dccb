import { assertEquals, assertThrows } from "@std/assert";
import {
  type BuildConfig,
  bundleArguments,
  compileArguments,
  executablePath,
  launcherScript,
  permissionFlags,
  type Program,
  PROGRAMS,
  TARGETS,
} from "./build_plan.ts";

const [server, client] = PROGRAMS as [Program, Program];

function config(serverTask: string): BuildConfig {
  const clientTask = "deno run --allow-net client/main.ts";
  return {
    version: "1.2.3",
    tasks: { server: { command: serverTask }, client: { command: clientTask } },
  };
}

const SOUND = config(
  "deno run --no-prompt --allow-net --deny-ffi --allow-env=HB_*,HOME server/main.ts",
);

Deno.test("permissionFlags() takes the flags of the program's task and nothing else", () => {
  assertEquals(permissionFlags(SOUND, server), [
    "--no-prompt",
    "--allow-net",
    "--deny-ffi",
    "--allow-env=HB_*,HOME",
  ]);
  assertEquals(permissionFlags(SOUND, client), ["--allow-net"]);
});

Deno.test("permissionFlags() refuses tasks that it cannot read or that grant everything", () => {
  const commands = [
    "deno run --allow-net client/main.ts",
    "deno run -A server/main.ts",
    "deno run --allow-all server/main.ts",
    "deno run --watch server/main.ts",
    "deno run --allow-net server/main.ts --plaintext",
    "HB_DATA=d deno run --allow-net server/main.ts",
    "deno test server/main.ts",
    "",
  ];
  for (const command of commands) {
    assertThrows(() => permissionFlags(config(command), server), Error, "Cannot", command);
  }
  assertThrows(() => permissionFlags({ version: "1", tasks: {} }, server), Error, "Cannot read");
});

Deno.test("permissionFlags() reads the tasks of this project", async () => {
  const own = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  for (const program of PROGRAMS) {
    assertEquals(permissionFlags(own, program).includes("--no-prompt"), true);
  }
});

Deno.test("compileArguments() names permissions, workers, target and output", () => {
  assertEquals(compileArguments(SOUND, server, "x86_64-pc-windows-msvc"), [
    "compile",
    "--quiet",
    "--no-prompt",
    "--allow-net",
    "--deny-ffi",
    "--allow-env=HB_*,HOME",
    "--include",
    "server/store_worker.ts",
    "--include",
    "server/backup_worker.ts",
    "--include",
    "platform/file_worker.ts",
    "--target",
    "x86_64-pc-windows-msvc",
    "--output",
    "dist/hbserver-1.2.3-windows-x86_64.exe",
    "server/main.ts",
  ]);
});

Deno.test("executablePath() tells every program and target apart", () => {
  const paths = PROGRAMS.flatMap((program) =>
    Object.keys(TARGETS).map((target) => executablePath(SOUND, program, target))
  );
  assertEquals(new Set(paths).size, 12);
  assertEquals(paths.filter((path) => path.endsWith(".exe")).length, 4);
  assertEquals(
    executablePath(SOUND, client, "aarch64-apple-darwin"),
    "dist/hbclient-1.2.3-macos-aarch64",
  );
});

Deno.test("bundleArguments() put the workers beside the entry point under their own names", () => {
  assertEquals(bundleArguments(SOUND, server), [
    ["bundle", "--quiet", "--output", "dist/hbserver-1.2.3/main.js", "server/main.ts"],
    [
      "bundle",
      "--quiet",
      "--output",
      "dist/hbserver-1.2.3/store_worker.js",
      "server/store_worker.ts",
    ],
    [
      "bundle",
      "--quiet",
      "--output",
      "dist/hbserver-1.2.3/backup_worker.js",
      "server/backup_worker.ts",
    ],
    [
      "bundle",
      "--quiet",
      "--output",
      "dist/hbserver-1.2.3/file_worker.js",
      "platform/file_worker.ts",
    ],
  ]);
});

Deno.test("launcherScript() quotes the permissions and passes the arguments on", () => {
  const lines = launcherScript(SOUND, server).trimEnd().split("\n");
  assertEquals(lines[0], "#!/bin/sh");
  assertEquals(
    lines.at(-1),
    `exec deno run '--no-config' '--no-lock' '--no-prompt' '--allow-net' '--deny-ffi' ` +
      `'--allow-env=HB_*,HOME' "$here/main.js" "$@"`,
  );
});
