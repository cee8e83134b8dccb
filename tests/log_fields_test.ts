/** docs/log.md says which fields the lines of the timeline have; here they are compared with real ones. */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { ROOT } from "./program.ts";
import { RunningClient } from "./running_client.ts";
import { type LogLine, RunningServer } from "./running_server.ts";
import { writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

const HEAD = ["at", "client", "kind"];

/** The fields of a kind as the page lists them: those that are always there, and all. */
async function documented(kind: string): Promise<{ always: string[]; all: string[] }[]> {
  const page = await Deno.readTextFile(join(ROOT, "docs", "log.md"));
  const cell = new RegExp(`^\\| \`${kind}\` +\\| (.*?) +\\|$`, "m").exec(page)?.[1] ?? "";
  assert(cell !== "", `docs/log.md has a row for ${kind}`);
  return cell.split(";").map((part) => {
    const fields = [...part.matchAll(/`(\w+)`(\??)/g)];
    return {
      always: [
        ...HEAD,
        ...fields.filter(([, , maybe]) => maybe === "").map(([, name = ""]) => name),
      ],
      all: [...HEAD, ...fields.map(([, name = ""]) => name)],
    };
  });
}

Deno.test("the lines of the timeline have the fields that docs/log.md lists", async () => {
  await using desk = await temporaryDirectory();
  await using first = await RunningServer.start({ args: ["--interval", "1"] });
  await using client = await RunningClient.start(first, "till-3");
  const path = join(desk.path, "a.bin");
  await writeSample(path, 10);
  await Deno.mkdir(join(desk.path, "folder"));
  await writeSample(join(desk.path, "folder", "b.bin"), 10);
  assertEquals((await client.command("send", path, join(desk.path, "folder"))).code, 0);
  assertEquals((await first.command("push", "till-3", path, "--wait")).code, 0);
  assertEquals((await first.command("message", "till-3", "hello", "--wait")).code, 0);
  await client.kill();
  await first.untilState("till-3", "DOWN");
  client.run();
  await first.untilLogged("alert", ({ state }) => state === "resolved");
  await first.untilLogged("journal", ({ event, ms }) => event === "started" && ms !== undefined);
  const lines = await first.json<LogLine[]>("log");
  for (const kind of ["beat", "state", "message", "file", "alert", "journal"]) {
    const shapes = await documented(kind);
    const ofKind = lines.filter((line) => line.kind === kind);
    assert(ofKind.length > 0, `there are lines of kind ${kind}`);
    for (const line of ofKind) {
      const names = Object.keys(line);
      const fits = shapes.some(({ always, all }) =>
        always.every((name) => names.includes(name)) && names.every((name) => all.includes(name))
      );
      assert(fits, `${JSON.stringify(line)} is none of ${JSON.stringify(shapes)}`);
    }
  }
  assert(lines.some(({ kind, action }) => kind === "audit" && action === "joined"));
  const own = JSON.parse((await client.command("log", "--json")).stdout) as LogLine[];
  assertEquals([...new Set(own.map(({ kind }) => kind))].sort(), ["file", "journal", "message"]);
});
