/** A client whose disk is full: it stays connected, takes nothing that it could not keep, and gets everything once there is room. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { commandLine, hbclient } from "./program.ts";
import { RunningProgram } from "./running_program.ts";
import { RunningServer } from "./running_server.ts";
import { diskTest, SmallDisk } from "./small_disk.ts";
import { until } from "./until.ts";

/** Longest time until everything goes on, in milliseconds. */
const RESUMED_MS = 30_000;

diskTest(
  "a client whose disk is full stays UP, refuses what it cannot keep, and gets it in order within 30 s of room (faults 17 and 20) [HB-56]",
  async () => {
    await using disk = await SmallDisk.mount(8);
    await using server = await RunningServer.start({ args: ["--interval", "1"] });
    const data = join(disk.path, "client");
    const joined = await hbclient("join", "--data", data, await server.invite("--name", "till-3"));
    assertEquals(joined.code, 0, joined.stderr);
    await using agent = new RunningProgram(commandLine("hbclient", ["run", "--data", data]));
    await server.untilState("till-3", "UP");
    assertEquals((await server.command("message", "till-3", "0", "--wait")).code, 0);
    const makeRoom = await disk.fill({ leaving: 0 });
    const texts = ["0"];
    // Its log has some room of its own, until that is used up as well.
    for (let number = 1; !/Cannot store a message of the server/.test(agent.said); number++) {
      texts.push(`${number} ${"x".repeat(10_000)}`);
      assertEquals((await server.command("message", "till-3", texts.at(-1) ?? "")).code, 0);
      assert(number < 200, "its disk is full at last");
    }
    texts.push("the last");
    assertEquals((await server.command("message", "till-3", "the last")).code, 0);
    await agent.type("typed while it is full");
    await agent.line(/Cannot queue the message: .*(no space|full|disk)/);
    const states = (await server.log("state", "till-3")).map(({ state }) => state);
    assertEquals(states, ["UP"]);
    await makeRoom();
    const since = performance.now();
    await until(async () => {
      const lines = await server.api<{ state: string }[]>("/api/log?kind=message");
      return lines.every(({ state }) => state === "stored");
    }, { what: "all of them stored", timeoutMs: RESUMED_MS });
    assert(performance.now() - since < RESUMED_MS);
    const shown = agent.said.match(/(?<=^server: ).*$/gm);
    assertEquals(shown, texts);
    await agent.type("typed afterwards");
    await server.untilLogged("message", ({ text }) => text === "typed afterwards");
    const log = await server.log("state,alert", "till-3");
    assertMatch(log.map(({ kind, state }) => `${kind} ${state}`).join(), /^state UP$/);
  },
);
