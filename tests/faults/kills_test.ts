/** Both programs are killed again and again while they talk: nothing that was acknowledged is lost or doubled. */

import { assertEquals } from "@std/assert";
import { reportLines } from "./kill_report.ts";
import { killStory } from "./kill_story.ts";

/** Over both programs; `deno task soak kills` does more. */
const KILLS = 20;
/** Messages a second of each side. */
const RATE = 25;

Deno.test(`${KILLS} kills of server and client, at failpoints and at any moment, lose and double nothing (fault 20)`, async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const report = await killStory({ seed, kills: KILLS, rate: RATE });
  const words = reportLines(report).join("\n");
  assertEquals(report.violations, [], words);
  assertEquals(report.kills, { server: KILLS / 2, client: KILLS / 2 }, words);
});
