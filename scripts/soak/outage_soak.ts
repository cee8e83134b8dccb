/**
 * `deno task soak outage`: many real machines behind one switch whose cable is pulled, one that freezes on its own, and a
 * server that stands still; says what the operator was told.
 *
 * @module
 */

import { whyNoNamespace } from "../../tests/network/network_namespace.ts";
import { playOutage } from "../../tests/network/outage_story.ts";
import { runSoak, type SoakPorts } from "./soak_options.ts";

/** How long the server stands still, in seconds. */
const STANDSTILL_S = 10;

const OPTIONS = {
  clients: { default: 30, min: 3, max: 200, about: "machines, each a process" },
  interval: { default: 1, min: 1, max: 60, about: "seconds between two heartbeats" },
};

async function run(
  { clients, interval }: { clients: number; interval: number },
  { say }: SoakPorts,
): Promise<boolean> {
  const why = await whyNoNamespace();
  if (why !== undefined) {
    say(`Cannot make a network here: ${why}`);
    return false;
  }
  const report = await playOutage({ clients, intervalS: interval, standstillS: STANDSTILL_S, say });
  const { cut, frozen, frozenName, afterStandstill, recoveries, cutNoticedMs } = report;
  const wrong = [
    ...(cut.length === 1 && cut[0]?.clients.length === clients
      ? []
      : [`cut: ${cut.length} alerts, of ${cut.map((alert) => alert.clients.length)} machines`]),
    ...(recoveries === 1 ? [] : [`${recoveries} recoveries`]),
    ...(frozen.length === 1 && frozen[0]?.clients.join() === frozenName ? [] : ["frozen"]),
    ...(frozen[0]?.cause === "silent" ? [] : [`frozen: ${frozen[0]?.cause}`]),
    ...(afterStandstill.length === 0
      ? []
      : [`${afterStandstill.length} alerts after a standstill`]),
  ];
  for (const line of report.cutNotices) say(line.slice(0, 300));
  say(`told ${(cutNoticedMs / 1_000).toFixed(1)} s after the cable was pulled`);
  for (const line of wrong) say(`wrong: ${line}`);
  say(wrong.length === 0 ? "ok" : "FAILED");
  return wrong.length === 0;
}

if (import.meta.main) {
  Deno.exit(await runSoak("Pulls the cable of many machines.", OPTIONS, run));
}
