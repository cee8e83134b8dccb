/** A client that dies right after it told that somebody was shown a message. */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { commandLine, ROOT } from "../program.ts";
import { PYTHON } from "../python.ts";
import { RunningClient } from "../running_client.ts";
import { RunningProgram } from "../running_program.ts";
import { RunningServer } from "../running_server.ts";

const DIED = 137;

Deno.test({
  name:
    "a client that dies once it told that a message was shown tells again, shows it no second time, and has it in its inbox (needs python3 and a terminal)",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using server = await RunningServer.start({ args: ["--interval", "1"] });
    await using client = await RunningClient.join(server, "till-3");
    const { code, stderr } = await server.command("message", "till-3", "paper is out");
    assertEquals(code, 0, stderr);
    const onTerminal = (env: Record<string, string>) =>
      new RunningProgram([
        PYTHON ?? "",
        join(ROOT, "tests", "operator_terminal.py"),
        ...commandLine("hbclient", ["run", "--data", client.data]),
      ], { env });
    await using first = onTerminal({ HB_FAILPOINT: "shown_told" });
    assertEquals(await first.exitCode(), DIED, first.said);
    await using second = onTerminal({});
    await server.untilLogged("message", ({ state }) => state === "shown");
    await second.type("bye");
    assertEquals(await second.exitCode(), 0, second.said);
    const times = `${first.said}\n${second.said}`.split("server: paper is out").length - 1;
    assertEquals(times, 1, `${first.said}\n---\n${second.said}`);
    const inbox = await client.command("inbox", "--json");
    const [message, ...others] = JSON.parse(inbox.stdout);
    assertEquals([message?.text, message?.state, others], ["paper is out", "shown", []]);
  },
});
