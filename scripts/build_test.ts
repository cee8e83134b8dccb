import { assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { build, type BuildOptions, type BuildTools, readBuildArguments } from "./build.ts";
import { PROGRAMS } from "./build_plan.ts";
import { denoCommand } from "./deno_command.ts";
import { fixtureTree } from "./fixture_tree.ts";

const WORKER_URL = 'import.meta.url.endsWith(".ts") ? "./store_worker.ts" : "./store_worker.js"';

/** Two programs: the server asks its worker for a word out of a database in memory. */
const PROJECT = {
  "deno.json": JSON.stringify({
    version: "1.2.3",
    tasks: {
      server: { command: "deno run --no-prompt --allow-read --allow-env=HB_*,HOME server/main.ts" },
      client: { command: "deno run --no-prompt client/main.ts" },
    },
  }),
  "server/main.ts": `
const worker = new Worker(new URL(${WORKER_URL}, import.meta.url), { type: "module" });
worker.onmessage = ({ data }: MessageEvent<string>) => {
  console.log(data, Deno.args, Deno.env.get("HB_WORD") ?? "unset");
  worker.terminate();
};
`,
  "server/store_worker.ts": `
import { DatabaseSync } from "node:sqlite";
import { word } from "./word.ts";
using database = new DatabaseSync(":memory:");
const row = database.prepare("SELECT ? AS word").get(word) as { word: string };
(self as unknown as { postMessage(data: string): void }).postMessage(row.word);
`,
  "server/backup_worker.ts": "self.close();",
  "platform/file_worker.ts": "self.close();",
  "server/word.ts": `export const word = "stored";`,
  "client/main.ts": `
const { state } = await Deno.permissions.query({ name: "net" });
console.log("client may connect:", state === "granted");
`,
};

const HOST = "x86_64-unknown-linux-gnu";

/** Tools that run everything but `deno compile`, which gives `compileCode` and is listed. */
function tools(root: string, { compileCode = 0, runtime = true } = {}) {
  const compiled: string[] = [];
  const told: string[] = [];
  const own: BuildTools = {
    run: async (args) => {
      if (args[0] !== "compile") return await denoCommand(args, { cwd: root, limitMs: 60_000 });
      const output = args[args.indexOf("--output") + 1] ?? "";
      compiled.push(output);
      await Deno.mkdir(join(root, "dist"), { recursive: true });
      if (compileCode === 0) await Deno.writeTextFile(join(root, output), output);
      return { code: compileCode, stdout: "", stderr: "broken" };
    },
    hasRuntime: () => Promise.resolve(runtime),
    tell: (text) => void told.push(text),
  };
  return { own, compiled, told };
}

function options(root: string, changes: Partial<BuildOptions> = {}): BuildOptions {
  return { root, programs: PROGRAMS, targets: [HOST], strict: false, ...changes };
}

/** Runs a launcher from another folder, with the Deno that runs this test first on the PATH. */
async function launch(path: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(path, {
    args,
    cwd: "/",
    env: {
      PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`,
      HB_WORD: "set",
      NO_COLOR: "1",
    },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("build() compiles every program for every target and sums them up", async () => {
  await using tree = await fixtureTree(PROJECT);
  const { own, compiled, told } = tools(tree.root);
  const targets = [HOST, "x86_64-pc-windows-msvc"];
  const products = await build(options(tree.root, { targets }), own);
  assertEquals(products, [
    "dist/hbserver-1.2.3-linux-x86_64",
    "dist/hbclient-1.2.3-linux-x86_64",
    "dist/hbserver-1.2.3-windows-x86_64.exe",
    "dist/hbclient-1.2.3-windows-x86_64.exe",
  ]);
  assertEquals([compiled, told], [products, []]);
  const sums = await Deno.readTextFile(join(tree.root, "dist/SHA256SUMS"));
  const check = await new Deno.Command("sha256sum", {
    args: ["--check", "--strict", "SHA256SUMS"],
    cwd: join(tree.root, "dist"),
  }).output();
  assertEquals([sums.trimEnd().split("\n").length, check.code], [4, 0]);
});

Deno.test("build() falls back to bundles that start, find their worker and keep the permissions", async () => {
  await using tree = await fixtureTree(PROJECT);
  const { own, told } = tools(tree.root, { compileCode: 1, runtime: false });
  const products = await build(options(tree.root), own);
  assertEquals(products, ["dist/hbserver-1.2.3/hbserver", "dist/hbclient-1.2.3/hbclient"]);
  assertEquals(told, [
    `Cannot compile: the runtime for executables on ${HOST} could not be downloaded; ` +
    "made bundles, which are no executables and need Deno\n",
  ]);
  const [server = "", client = ""] = products.map((path) => join(tree.root, path));
  assertEquals(await launch(server, "--name", "a b"), 'stored [ "--name", "a b" ] set\n');
  assertEquals(await launch(client), "client may connect: false\n");
  const link = join(tree.root, "link");
  await Deno.symlink(server, link);
  assertEquals(await launch(link), "stored [] set\n");
});

Deno.test("build() from source finds the same worker", async () => {
  await using tree = await fixtureTree(PROJECT);
  const args = ["run", "--no-prompt", "--allow-read", "--allow-env", "server/main.ts"];
  const { stdout } = await denoCommand(args, { cwd: tree.root, limitMs: 60_000 });
  assertEquals(stdout, "stored [] unset\n");
});

Deno.test("build() fails without a runtime when it is strict", async () => {
  await using tree = await fixtureTree(PROJECT);
  const { own } = tools(tree.root, { compileCode: 1, runtime: false });
  await assertRejects(
    () => build(options(tree.root, { strict: true }), own),
    Error,
    `Cannot compile: the runtime for executables on ${HOST} could not be downloaded`,
  );
});

Deno.test("build() fails on sources that do not check or compile, and makes no bundle of them", async () => {
  await using tree = await fixtureTree({
    ...PROJECT,
    "platform/file_worker.ts": "self.close();",
    "server/word.ts": "export const word: string = 1;",
  });
  const { own, compiled } = tools(tree.root, { compileCode: 1, runtime: false });
  await assertRejects(() => build(options(tree.root), own), Error, "Cannot check");
  assertEquals(compiled, []);
  await using sound = await fixtureTree(PROJECT);
  const broken = tools(sound.root, { compileCode: 1, runtime: true });
  await assertRejects(
    () => build(options(sound.root), broken.own),
    Error,
    `Cannot compile hbserver for ${HOST}: broken`,
  );
});

Deno.test("readBuildArguments() reads programs, targets and flags and refuses others", () => {
  const [server] = PROGRAMS;
  assertEquals(readBuildArguments([], "/p"), options("/p", { targets: [Deno.build.target] }));
  assertEquals(
    readBuildArguments(["--program", "hbserver", "--target", HOST, "--strict"], "/p"),
    options("/p", { programs: server === undefined ? [] : [server], strict: true }),
  );
  const all = readBuildArguments(["--all"], "/p");
  assertEquals(typeof all === "string" ? all : all.targets.length, 6);
  for (const args of [["--target", "toaster"], ["--program", "hb"], ["--al"], ["hbserver"]]) {
    assertEquals(typeof readBuildArguments(args, "/p"), "string");
  }
});
