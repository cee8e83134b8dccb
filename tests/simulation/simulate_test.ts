import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { SeedTotal } from "./seed_result.ts";
import { simulate } from "./simulate.ts";
import { parseSimulateOptions } from "./simulate_options.ts";
import { breachLines, summaryLines } from "./simulate_report.ts";

async function run(...args: string[]) {
  const said: string[] = [];
  const warned: string[] = [];
  const code = await simulate(args, {
    say: (line) => said.push(line),
    warn: (line) => warned.push(line),
  });
  return { code, said, warned };
}

const SMALL = ["--hours", "2", "--clients", "4"];

Deno.test("deno task simulate gives the same hash on one thread and on two, and a line for each seed", async () => {
  const two = await run("--seeds", "3", "--verbose", ...SMALL);
  const one = await run("--seeds", "3", "--jobs", "1", ...SMALL);
  assertEquals([two.code, one.code], [0, 0]);
  const hash = (lines: string[]) => lines.find((line) => line.startsWith("hash of all seeds"));
  assertMatch(hash(one.said) ?? "", /^hash of all seeds [0-9a-f]{16}$/);
  assertEquals(hash(one.said), hash(two.said));
  assertEquals(two.said.filter((line) => line.startsWith("seed ")).length, 3);
  assertEquals(one.said.filter((line) => line.startsWith("seed ")).length, 0);
});

Deno.test("deno task simulate --seed replays a seed with its trace and the hash that it had among others", async () => {
  const replay = await run("--seed", "2", ...SMALL);
  const among = await run("--seeds", "1", "--first", "2", "--verbose", ...SMALL);
  assertEquals(replay.code, 0);
  const hash = replay.said.at(-1)?.split(/ +/)[2] ?? "";
  assertStringIncludes(among.said[0] ?? "", `seed 2  ${hash}  `);
  assertEquals(replay.said.some((line) => line.includes(" begins: ")), true);
});

Deno.test("deno task simulate says how it is used, and refuses what it does not know", async () => {
  const help = await run("--help");
  assertEquals(help.code, 0);
  assertStringIncludes(help.said[0] ?? "", "Usage: deno task simulate");
  const wrong = await run("--seeds", "none");
  assertEquals([wrong.code, wrong.warned.length], [2, 1]);
  assertThrows(() => parseSimulateOptions(["--jobs", "0"]), Error, 'it is "0"');
});

Deno.test("a breach is told with the command that shows it again, and many are cut short", () => {
  const breach = { seed: 7, at: 1, text: "false DOWN" };
  assertEquals(breachLines([breach], { hours: 24, clients: 50 }), [
    "BREACH in seed 7: false DOWN",
    "  deno task simulate --seed 7 --hours 24 --clients 50",
  ]);
  const many = breachLines(Array.from({ length: 25 }, () => breach), { hours: 1, clients: 1 });
  assertEquals([many.length, many.at(-1)], [41, "and 5 more"]);
});

Deno.test("the summary counts, and says whether all is well", () => {
  const total = new SeedTotal();
  const result = { hash: "x", acts: 2, alerts: 1, beats: 4_000_000, events: 9_000_000 };
  total.add({
    ...{ ...result, seed: 1, breaches: [] },
    detections: { "pull, LAN": { count: 1, most: 49_000 } },
  });
  total.add({
    ...{ ...result, seed: 2, breaches: [] },
    detections: { "pull, LAN": { count: 2, most: 48_000 } },
  });
  const size = { hours: 24, clients: 50, seconds: 2 };
  const lines = summaryLines(total, size);
  assertMatch(lines[1] ?? "", /^ {2}pull, LAN +3 +49\.00 s$/);
  assertStringIncludes(lines.join("\n"), "600 seeds in 10 minutes");
  assertEquals(lines.at(-1), "ok: no breach");
  total.breaches.push({ seed: 1, at: 0, text: "" });
  assertEquals(summaryLines(total, size).at(-1), "FAILED: 1 breaches");
});
