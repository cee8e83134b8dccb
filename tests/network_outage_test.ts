/** Machines behind one switch, as real processes in a network of their own. */

import { assert, assertEquals } from "@std/assert";
import { whyNoNamespace } from "./network/network_namespace.ts";
import { playOutage } from "./network/outage_story.ts";

const why = await whyNoNamespace();
const CLIENTS = 6;
const INTERVAL_S = 2;

Deno.test({
  name:
    "machines behind one switch are one alert and one recovery, one that freezes is one alert, and a server " +
    `that stands still raises none (faults 24, 27)${
      why === undefined ? "" : `: ignored, as ${why}`
    }`,
  ignore: why !== undefined,
  fn: async () => {
    const said: string[] = [];
    const report = await playOutage({
      clients: CLIENTS,
      intervalS: INTERVAL_S,
      standstillS: 6,
      say: (line) => said.push(line),
    });
    const story = said.join("\n");
    assertEquals(report.cut.length, 1, story);
    assertEquals(report.cut[0]?.clients.length, CLIENTS, story);
    assertEquals(report.cut[0]?.cause, "server suspect", story);
    assert(report.cutNoticedMs < 3.5 * INTERVAL_S * 1_000, `${report.cutNoticedMs} ms`);
    assertEquals(report.recoveries, 1, story);
    assertEquals(report.frozen.map(({ clients, cause }) => [clients, cause]), [
      [[report.frozenName], "silent"],
    ], story);
    assertEquals(report.afterStandstill, [], story);
  },
});
