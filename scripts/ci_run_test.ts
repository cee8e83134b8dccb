import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { fixtureTree } from "./fixture_tree.ts";

/** A deno that is no deno: each task does what a file of that name says, and `build` names two programs. */
const DENO = `#!/bin/sh
case "$1 $2" in
  "--version ") echo "deno $(cat version) (stable)" ;;
  "task ok") echo "ok 0.1 s formatting"; cat ok; exit "$(cat ok_code)" ;;
  "task build") echo "$PWD/dist/hbserver-1.2.3/hbserver"; echo "$PWD/dist/hbclient-1.2.3-linux" ;;
  *) exit 9 ;;
esac
`;

/** An npm that installs that deno, where a package manager that runs no install scripts leaves it. */
const NPM = `#!/bin/sh
folder="$3/node_modules/@deno/linux"
mkdir -p "$folder"
sed 's/$(cat version)/2.9.5/' "$PWD/bin/deno" > "$folder/deno"
chmod +x "$folder/deno"
`;

const NPX = `#!/bin/sh
echo "$*" >> npx_calls
[ "$PATH" = "$PWD/bin:/usr/bin:/bin" ] || exit 8
[ "$*" != "-y deno@2.9.5 task $(cat npx_fails)" ]
`;

const CLIENT = `#!/bin/sh
case "$1" in
  --version) echo "hbclient 1.2.3 (deno 2.9.5, linux x86_64)" ;;
  --help) echo "hbclient: sends heartbeats, messages and files" ;;
esac
`;

/** A server that listens and ends as told. */
const SERVER = `#!/bin/sh
case "$1" in
  --version) echo "hbserver 1.2.3 (deno 2.9.5, linux x86_64)"; exit ;;
  --help) echo "Usage: hbserver [run]"; exit ;;
esac
[ "$1 $3 $4 $5 $6" = "--data --listen 127.0.0.1:0 --http off" ] || exit 7
trap 'exit "$(cat stop_code)"' TERM
cat listen_line
while :; do sleep 0.05; done
`;

const MACHINE: Record<string, string> = {
  "bin/deno": DENO,
  "bin/npm": NPM,
  "bin/npx": NPX,
  "bin/ip": "#!/bin/sh\n",
  "bin/python3": "#!/bin/sh\n",
  "dist/hbserver-1.2.3/hbserver": SERVER,
  "dist/hbclient-1.2.3-linux": CLIENT,
  "version": "2.9.5",
  "ok": "40 passed, 0 failed\n",
  "ok_code": "0",
  "npx_calls": "",
  "npx_fails": "none",
  "listen_line": "hbserver: listening on 127.0.0.1:5001\n",
  "stop_code": "0",
};

interface CiRun {
  readonly code: number;
  /** The last line of stdout. */
  readonly last: string;
  /** All of stdout. */
  readonly out: string;
  /** What npx was called with. */
  readonly npx: string;
}

/** Runs the script on a made-up machine with `changes`. */
async function ciRun(changes: Record<string, string> = {}): Promise<CiRun> {
  const script = await Deno.readTextFile(new URL("../.ci/run", import.meta.url));
  const files = { ".ci/run": script, ...MACHINE, ...changes };
  await using tree = await fixtureTree(files);
  const { root } = tree;
  for (const [path, text] of Object.entries(files)) {
    if (text.startsWith("#!")) await Deno.chmod(join(root, path), 0o755);
  }
  const { code, stdout } = await new Deno.Command(join(root, ".ci/run"), {
    cwd: "/",
    clearEnv: true,
    env: { PATH: `${root}/bin:/usr/bin:/bin`, TMPDIR: root },
  }).output();
  const out = new TextDecoder().decode(stdout);
  const last = out.trimEnd().split("\n").at(-1) ?? "";
  return { code, last, out, npx: await Deno.readTextFile(join(root, "npx_calls")) };
}

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: ".ci/run counts tests and steps and passes when all of them do",
  ignore,
  async fn() {
    const { code, last, out, npx } = await ciRun();
    assertEquals([code, last], [0, "51 passed, 0 failed"], out);
    assertEquals(npx, "-y deno@2.9.5 task test\n-y deno@2.9.5 task demo\n");
  },
});

Deno.test({
  name: ".ci/run installs the pinned Deno where there is another or none, but not for npx",
  ignore,
  async fn() {
    for (const version of ["2.9.6", ""]) {
      const { code, last, out } = await ciRun({ version });
      assertEquals([code, last], [0, "51 passed, 0 failed"], out);
    }
    const { code, last } = await ciRun({ version: "2.9.6", "bin/npm": "#!/bin/sh\nexit 1\n" });
    assertEquals([code, last], [1, "2 passed, 1 failed"]);
  },
});

Deno.test({
  name: ".ci/run counts failing checks, and a run of them that comes to no result",
  ignore,
  async fn() {
    const counted = await ciRun({ ok: "30 passed, 2 failed\n", ok_code: "1" });
    assertEquals([counted.code, counted.last], [1, "41 passed, 2 failed"]);
    const crashed = await ciRun({ ok: "out of memory\n", ok_code: "134" });
    assertEquals([crashed.code, crashed.last], [1, "11 passed, 1 failed"]);
    const contradictory = await ciRun({ ok_code: "1" });
    assertEquals([contradictory.code, contradictory.last], [1, "51 passed, 1 failed"]);
  },
});

Deno.test({
  name: ".ci/run fails when a command of the README fails, and goes on",
  ignore,
  async fn() {
    for (const task of ["test", "demo"]) {
      const { code, last, out } = await ciRun({ "npx_fails": task });
      assertEquals([code, last], [1, "50 passed, 1 failed"]);
      assertMatch(out, new RegExp(`^FAIL .* npx -y deno@2.9.5 task ${task}$`, "m"));
    }
  },
});

Deno.test({
  name:
    ".ci/run fails when a built program is missing, says something else or does not stop cleanly",
  ignore,
  async fn() {
    const missing = await ciRun({ "dist/hbclient-1.2.3-linux": "" });
    assertEquals([missing.code, missing.last], [1, "49 passed, 2 failed"]);
    const stranger = await ciRun({
      "dist/hbclient-1.2.3-linux": "#!/bin/sh\necho 'error: no client'\n",
    });
    assertEquals([stranger.code, stranger.last], [1, "49 passed, 2 failed"]);
    const unclean = await ciRun({ stop_code: "3" });
    assertEquals([unclean.code, unclean.last], [1, "50 passed, 1 failed"]);
    const dead = await ciRun({
      "dist/hbserver-1.2.3/hbserver": SERVER.replace("cat listen_line", "exit 0"),
    });
    assertEquals([dead.code, dead.last], [1, "50 passed, 1 failed"]);
  },
});
