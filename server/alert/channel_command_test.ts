import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { ChannelError } from "./channel.ts";
import { COMMAND_LIMIT_MS, commandEnvironment, commandRunner } from "./channel_command.ts";
import { fakeNotice } from "./fake_notice.ts";
import { FakeWorld, NEVER } from "./fake_world.ts";

/** Runs a notice through a real script. */
async function withScript(
  lines: string[],
  test: (context: { directory: string; path: string }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hb-command-" });
  const path = join(directory, "ring");
  await Deno.writeTextFile(path, ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });
  try {
    await test({ directory, path });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function realWorld(): FakeWorld {
  return Object.assign(new FakeWorld(), { clock: systemClock, run: commandRunner(systemClock) });
}

Deno.test({
  name: "a command gets the notice on its input and in its environment, and nothing a shell obeys",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withScript(
      ['cat > "$0.in"', 'printf "%s|%s|%s" "$#" "$HB_TITLE" "$HB_ALERT" > "$0.env"'],
      async ({ directory, path }) => {
        const title = '$(touch evil); `touch evil` "quoted" \u0000';
        await realWorld().channel(`exec:${path}`).send(fakeNotice({ title }), NEVER);
        const input = JSON.parse(await Deno.readTextFile(`${path}.in`));
        assertEquals([input.title, input.server], [title, "headquarters"]);
        const shown = title.replaceAll("\0", "");
        assertEquals(await Deno.readTextFile(`${path}.env`), `0|${shown}|`);
        const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
        assertEquals(names, ["ring", "ring.env", "ring.in"]);
      },
    );
  },
});

Deno.test({
  name: "a command that fails is told with what it said, and one that is not there in words",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withScript(["echo no modem here >&2", "exit 3"], async ({ path }) => {
      const { message, retry } = await assertRejects(
        () => realWorld().channel(`exec:${path}`).send(fakeNotice(), NEVER),
        ChannelError,
      );
      assertMatch(message, /^Cannot run ".*ring": it ended with 3 \(no modem here\)$/);
      assert(retry);
      const gone = await assertRejects(
        () => realWorld().channel(`exec:${path}-gone`).send(fakeNotice(), NEVER),
        ChannelError,
      );
      assertMatch(gone.message, /^Cannot run ".*ring-gone": /);
    });
  },
});

Deno.test({
  name: "a command that is called off is killed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withScript(['echo $$ > "$0.pid"', "exec sleep 600"], async ({ path }) => {
      const calling = new AbortController();
      const sending = realWorld().channel(`exec:${path}`)
        .send(fakeNotice(), { signal: calling.signal });
      let pid = "";
      while (pid === "") {
        pid = await Deno.readTextFile(`${path}.pid`).catch(() => "");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      calling.abort();
      assertMatch((await assertRejects(() => sending, ChannelError)).message, /it was called off/);
      const ps = await new Deno.Command("kill", { args: ["-0", pid.trim()], stderr: "null" })
        .output();
      assert(!ps.success);
    });
  },
});

Deno.test("a command that runs longer than 30 seconds is ended", async () => {
  const world = new FakeWorld();
  world.run = (_, { signal }) =>
    new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve({ code: 137, errors: "" }), { once: true })
    );
  const sending = assertRejects(
    () => world.channel("exec:/bin/ring").send(fakeNotice(), NEVER),
    ChannelError,
  );
  await world.clock.advance(COMMAND_LIMIT_MS);
  assertMatch((await sending).message, /"\/bin\/ring": it ran longer than 30 s/);
  assertEquals(world.clock.waiting, 0);
});

Deno.test("a command's environment hides the addresses of all channels", () => {
  assertEquals(commandEnvironment(fakeNotice(), "hq").HB_ALERT, "");
});
